"""A simulated door does what a door does: it lets one in, falls shut, and its faults look as they would to a gate."""

from collections.abc import Mapping
from random import Random

import pytest

from drivers.api import Value
from drivers.catalog import catalog_profile
from simulators.machines.api import Machine, UnknownFault
from simulators.machines.registry import make_machine

STEP_S = 0.1


def door() -> Machine:
    return make_machine(catalog_profile("waveshare-relay-d-door"))


def live(machine: Machine, seconds: float) -> list[Mapping[str, Value]]:
    random = Random(1)  # noqa: S311 - noise that repeats
    seen: list[Mapping[str, Value]] = []
    for _ in range(round(seconds / STEP_S)):
        machine.step(STEP_S, random)
        seen.append(dict(machine.values()))
    return seen


def spans(seen: list[Mapping[str, Value]], point: str, *, value: bool) -> list[float]:
    """Give how long a point had a value, each time, in seconds."""
    found: list[float] = []
    before = False
    for row in seen:
        now = row[point] is value
        if now:
            found = [*found[:-1], found[-1] + STEP_S] if before else [*found, STEP_S]
        before = now
    return [round(one, 1) for one in found]


def test_a_pulse_lets_go_for_its_time_and_one_person_walks_through() -> None:
    machine = door()
    machine.write("unlock_time", 2.0)
    seen = live(machine, 10)
    assert spans(seen, "lock_relay", value=True) == pytest.approx([2.0], abs=0.15)
    assert spans(seen, "lock_power", value=False) == pytest.approx([2.0], abs=0.15)
    assert spans(seen, "door_closed", value=False) == pytest.approx([3.0], abs=0.15)
    machine.write("unlock_time", 2.0)
    assert len(spans(live(machine, 10), "door_closed", value=False)) == 1


def test_who_does_not_come_leaves_the_door_closed() -> None:
    machine = door()
    machine.fault("nobody-walks")
    machine.write("unlock_time", 2.0)
    seen = live(machine, 6)
    assert spans(seen, "lock_relay", value=True)
    assert not spans(seen, "door_closed", value=False)


@pytest.mark.parametrize("fault", ["relay-dead", "relay-without-effect"])
def test_a_relay_that_does_nothing_takes_the_order_and_nothing_moves(fault: str) -> None:
    machine = door()
    machine.fault(fault)
    machine.write("unlock_time", 2.0)
    seen = live(machine, 5)
    assert bool(spans(seen, "lock_relay", value=True)) is (fault == "relay-without-effect")
    assert not spans(seen, "lock_power", value=False)
    assert not spans(seen, "door_closed", value=False)


def test_a_relay_that_is_stuck_never_locks_again() -> None:
    machine = door()
    machine.write("unlock_time", 1.0)
    machine.fault("relay-stuck")
    assert live(machine, 20)[-1]["lock_relay"] is True
    machine.clear("relay-stuck")
    assert live(machine, 1)[-1]["lock_relay"] is False


def test_the_button_inside_opens_by_its_own_wires() -> None:
    machine = door()
    machine.fault("exit-pressed")
    assert machine.active() == ("exit-pressed",)
    seen = live(machine, 8)
    assert spans(seen, "exit_button", value=True) == pytest.approx([0.8], abs=0.15)
    assert not spans(seen, "lock_relay", value=True)
    assert spans(seen, "lock_power", value=False) == pytest.approx([3.0], abs=0.15)
    assert len(spans(seen, "door_closed", value=False)) == 1
    assert machine.active() == ()


def test_held_open_is_an_opening_by_right_that_does_not_end() -> None:
    machine = door()
    machine.fault("held-open")
    seen = live(machine, 60)
    assert spans(seen, "exit_button", value=True)
    assert seen[-1]["door_closed"] is False
    machine.clear("held-open")
    assert live(machine, 5)[-1]["door_closed"] is True


def test_forced_is_an_opening_without_any_right() -> None:
    machine = door()
    machine.fault("forced")
    (row, *_) = live(machine, 1)
    assert (row["door_closed"], row["lock_relay"], row["exit_button"]) == (False, False, False)


def test_tailgating_opens_twice_on_one_pulse_and_closely_only_longer() -> None:
    machine = door()
    machine.fault("tailgating")
    machine.write("unlock_time", 3.0)
    assert len(spans(live(machine, 10), "door_closed", value=False)) == 2
    machine.clear(None)
    machine.fault("tailgating-close")
    machine.write("unlock_time", 3.0)
    assert spans(live(machine, 10), "door_closed", value=False) == pytest.approx([6.0], abs=0.15)


def test_a_contact_that_bounces_does_so_once_and_shortly() -> None:
    machine = door()
    machine.fault("contact-bounce")
    assert spans(live(machine, 2), "door_closed", value=False) == pytest.approx([0.1], abs=0.11)


def test_other_faults_are_refused() -> None:
    with pytest.raises(UnknownFault):
        door().fault("haunted")

"""Deadlines, fairness, and how little a silent device costs its neighbours."""

import pytest

from edge.schedule import FAILURES_UNTIL_DOWN, PROBE_S, PollGroup, Schedule


def group(device: str, period_s: float = 1.0) -> PollGroup:
    return PollGroup(device=device, points=("p",), period_s=period_s)


def schedule(*groups: PollGroup, timeout_s: float = 1.0) -> Schedule:
    return Schedule(groups, timeout_s=timeout_s, now=0.0)


def run(
    plan: Schedule, *, until: float, silent: set[str], answer_s: float = 0.01, timeout_s: float = 1.0
) -> dict[str, int]:
    """Poll as a bus does, on a clock of its own; gives how often each device was asked."""
    now, asked = 0.0, dict.fromkeys(plan.devices, 0)
    while True:
        due, number = plan.next()
        now = max(now, due)
        if now > until:
            return asked
        device = plan.group(number).device
        asked[device] += 1
        if device in silent:
            now += timeout_s
            plan.failed(number, now=now, took=timeout_s)
        else:
            now += answer_s
            plan.succeeded(number, now=now, took=answer_s)


def test_each_group_keeps_its_period() -> None:
    asked = run(schedule(group("fast", 0.5), group("slow", 5.0)), until=60, silent=set())
    assert asked["fast"] in {120, 121}
    assert asked["slow"] in {12, 13}


def test_an_overloaded_bus_serves_everybody_alike() -> None:
    asked = run(schedule(*(group(f"d{n}", 0.1) for n in range(10))), until=60, silent=set(), answer_s=0.1)
    assert max(asked.values()) - min(asked.values()) <= 1


def test_a_silent_device_is_down_after_three_failures_and_probed_seldom() -> None:
    plan = schedule(group("dead", 0.5), group("alive", 0.5))
    asked = run(plan, until=60, silent={"dead"})
    assert plan.down == {"dead"}
    assert asked["dead"] <= FAILURES_UNTIL_DOWN + 60 / PROBE_S
    assert asked["alive"] > 90


def test_many_silent_devices_leave_most_of_the_time_to_the_others() -> None:
    plan = schedule(*(group(f"dead{n}", 1.0) for n in range(8)), group("alive", 1.0))
    asked = run(plan, until=600, silent={f"dead{n}" for n in range(8)})
    assert asked["alive"] > 0.75 * 600


@pytest.mark.parametrize("period_s", [0.001, 0.5, 1.0, 5.0])
def test_one_dead_device_of_ten_costs_the_others_at_most_a_twentieth_of_a_minute(period_s: float) -> None:
    # A line of 9600 baud: 60 ms for an answer; for the dead one 500 ms until the time-out and 100 ms of silence.
    alive = [group(f"d{n}", period_s) for n in range(9)]
    without = run(schedule(*alive), until=60, silent=set(), answer_s=0.06)
    asked = run(
        schedule(*alive, group("dead", period_s), timeout_s=0.6),
        until=60,
        silent={"dead"},
        answer_s=0.06,
        timeout_s=0.6,
    )
    assert sum(asked[one.device] for one in alive) >= 0.95 * sum(without.values())


def test_a_dead_device_is_asked_often_where_that_costs_nobody_a_poll() -> None:
    plan = schedule(group("dead"), group("alive", 2.0), timeout_s=0.5)
    asked = run(plan, until=600, silent={"dead"}, timeout_s=0.5)
    assert asked["dead"] >= 600 / (PROBE_S + 1)
    assert asked["alive"] >= 299


def test_a_dead_device_on_a_full_bus_is_still_asked_every_minute() -> None:
    plan = schedule(group("dead"), group("alive", 0.001))
    asked = run(plan, until=600, silent={"dead"}, timeout_s=3.0, answer_s=0.1)
    assert asked["dead"] >= 10


def test_down_is_told_once_and_up_once() -> None:
    plan = schedule(group("d"), group("d", 5.0))
    assert [plan.failed(0, now=float(n)) for n in range(5)] == [False, False, True, False, False]
    assert [plan.succeeded(0, now=9.0), plan.succeeded(0, now=9.0)] == [True, False]
    assert plan.down == frozenset()


def test_after_a_silence_every_group_is_polled_at_once() -> None:
    plan = schedule(group("d"), group("d", 60.0))
    plan.succeeded(1, now=0.0)
    for n in range(3):
        plan.failed(0, now=float(n))
    plan.succeeded(0, now=9.0)
    assert sorted(number for due, number in (_pop(plan, 9.0), _pop(plan, 9.0))) == [0, 1]


def _pop(plan: Schedule, now: float) -> tuple[float, int]:
    due, number = plan.next()
    assert due <= now
    plan.succeeded(number, now=now)
    return due, number


def test_one_lost_answer_neither_kills_nor_waits_a_whole_slow_period() -> None:
    plan = schedule(group("d", 600.0))
    assert not plan.failed(0, now=1.0)
    assert plan.next() == (2.0, 0)
    assert plan.down == frozenset()


def test_a_bus_that_cannot_be_connected_takes_its_devices_down_and_gives_them_back() -> None:
    plan = schedule(group("a"), group("b"), group("b", 5.0))
    told = [plan.disconnected(now=float(n)) for n in range(4)]
    assert told == [(), (), ("a", "b"), ()]
    plan.reconnected(now=10.0)
    due, number = plan.next()
    assert due <= 10.0
    assert plan.succeeded(number, now=10.0)


def test_after_a_reconnection_those_that_were_silent_before_come_last() -> None:
    plan = schedule(group("dead1"), group("dead2"), group("alive1"), group("alive2"))
    for number in (0, 1):
        for second in range(FAILURES_UNTIL_DOWN):
            plan.failed(number, now=float(second))
    for second in range(FAILURES_UNTIL_DOWN):
        plan.disconnected(now=10.0 + second)
    plan.reconnected(now=20.0)
    order = []
    for _ in range(3):
        due, number = plan.next()
        assert due <= 20.0
        order.append(plan.group(number).device)
        if order[-1].startswith("alive"):
            plan.succeeded(number, now=20.0)
        else:
            plan.failed(number, now=21.0)
    assert order == ["alive1", "alive2", "dead1"]


def test_a_bus_without_devices_has_nothing_to_do() -> None:
    assert schedule().next() == (float("inf"), -1)


def test_what_finding_a_device_dead_has_cost_is_made_up_for_on_a_full_bus() -> None:
    # The defaults of a serial line: 1 s and 300 ms for the first silence, 300 ms for each one after it.
    alive = [group(f"d{n}", 0.001) for n in range(9)]
    plan = Schedule([*alive, group("dead", 0.001)], timeout_s=1.0, now=0.0)
    now, lost, times = 0.0, 0.0, 0
    while now < 60.0:
        due, number = plan.next()
        now = max(now, due)
        if plan.group(number).device == "dead":
            took = 0.3 if times else 1.3
            times, lost, now = times + 1, lost + took, now + took
            plan.failed(number, now=now, took=took)
        else:
            now += 0.1
            plan.succeeded(number, now=now, took=0.1)
    assert times >= FAILURES_UNTIL_DOWN
    assert lost <= 0.04 * 60

"""Every alarm of the catalogue can be brought about by a fault of the machine that plays its device, and cleared again.

The alarm's own decision judges, with its delays shortened: what waits an hour waits ten seconds here.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from random import Random

import pytest

from cloud.alarms.domain import GOOD, Change, ConditionState, PointValue, Rule, judge, rules
from drivers.api import Value
from drivers.catalog import catalog_profile, profile_names
from simulators.machines.announcer import OF_MESSAGES, Announcer
from simulators.machines.api import Machine, UnknownFault
from simulators.machines.generic import OUT_OF_RANGE, STUCK_SENSOR
from simulators.machines.on_demand import ALARM
from simulators.machines.registry import make_machine
from simulators.machines.sensors import DRIFT, STUCK

LONGEST_DELAY_MS = 10_000
LONGER_DELAYS_MS = {"runs_too_long": 150_000}
"""Where the delay tells what is wrong from what is usual."""
STEP_S = 1.0
WAIT_S = 240
ON_DEMAND_WAIT_S = 30
LONG_WAITS = {("apc-smart-ups", "mains-lost"): 3000}
"""A battery lasts longer than anything else here."""

BY_CONNECTION = "the driver tells whether pictures come, and how fast: `dead`, `half-open` and `slow` bring it about"
BY_DIALOGUE = "the driver tells how its secure channel stands: `wrong-key`, `plain-text`, `default-key` bring it about"
BY_SETTING = "the site file puts a reader into install mode"
READER = {"install_mode": BY_SETTING, **{f"not_secure.{state}": BY_DIALOGUE for state in range(2, 8)}}
ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "baltech-access200": READER,
    "hid-signo": READER,
    "hikvision-ip-camera": {"camera_lost": BY_CONNECTION, "picture_rate_low": BY_CONNECTION},
}
"""Alarms whose points are none of the machine's, and why."""

REAL = (
    "apc-smart-ups",
    "aqualeak-10k",
    "calectro-ug3-smoke-detector",
    "hach-ss7-turbidimeter",
    "igd-toc-635-gas-panel",
    "keba-kecontact-p30",
    "milesight-ws101-sos",
    "qdy30a-level-transmitter",
    "scad-udku-escalator",
    "tuya-ts0215a-sos",
    "wilo-control-ec-l",
    "xylem-cl500-chlorine",
)
"""Device types whose machine has a cause for every alarm, so that none is needed on demand."""


def shortened(rule: Rule) -> Rule:
    longest = LONGER_DELAYS_MS.get(rule.id, LONGEST_DELAY_MS)
    off = min(rule.off_delay_ms, LONGEST_DELAY_MS)
    return replace(rule, on_delay_ms=min(rule.on_delay_ms, longest), off_delay_ms=off)


class Watched:
    """A machine under the eyes of its profile's rules."""

    def __init__(self, name: str, *, time_scale: float = 1.0, true_delays: bool = False) -> None:
        profile = catalog_profile(name)
        self.machine: Machine = make_machine(profile, time_scale=time_scale)
        self.rules = [rule if true_delays else shortened(rule) for rule in rules(profile, {})]
        self.states: dict[str, ConditionState | None] = {}
        self.raised: set[str] = set()
        self.active: set[str] = set()
        self._now_ms = 0
        self._random = Random(5)  # noqa: S311 - noise that repeats

    def live(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.machine.step(STEP_S, self._random)
            self._now_ms += round(STEP_S * 1000)
            told: dict[str, Value] = dict(self.machine.values())
            if isinstance(self.machine, Announcer):
                told |= dict(self.machine.waiting)
            self._judge(told)

    def _judge(self, told: Mapping[str, Value]) -> None:
        values = {
            name: PointValue(value=value if isinstance(value, str) else float(value), quality=GOOD, at_ms=self._now_ms)
            for name, value in told.items()
        }
        for rule in self.rules:
            before = self.states.get(rule.id)
            self.states[rule.id], fired = judge(rule, before, values, at_ms=self._now_ms, historical=False)
            for one in fired:
                if one.change is Change.RAISE:
                    self.raised.add(rule.id)
                    self.active.add(rule.id)
                else:
                    self.active.discard(rule.id)


def faults(name: str) -> list[str]:
    """Name what can be told to a device, with every parameter that stands for an alarm."""
    profile = catalog_profile(name)
    machine = make_machine(profile)
    found = [
        fault
        for fault in machine.faults()
        if fault not in {ALARM, DRIFT, STUCK, STUCK_SENSOR, OUT_OF_RANGE, *OF_MESSAGES}
    ]
    for point_name, point in profile.points.items():
        plain = point_name.replace("_", "-")
        if isinstance(machine, Announcer) and plain in found:
            found += [f"{plain}:{key}" for key in point.enumeration]
    return found


def waits_s(name: str, fault: str) -> float:
    """Say how long a fault takes to bring its alarms about."""
    kind, _, alarm = fault.partition(":")
    if kind == ALARM:
        return ON_DEMAND_WAIT_S + LONGER_DELAYS_MS.get(alarm, 0) / 1000
    return LONG_WAITS.get((name, fault), WAIT_S)


@cache
def brought_about(name: str, fault: str) -> frozenset[str]:
    """Say which alarms a fault raises; all of them clear when it is cleared."""
    watched = Watched(name)
    watched.live(5)
    assert not watched.active, "alarms at rest"
    watched.machine.fault(fault)
    watched.live(waits_s(name, fault))
    raised = frozenset(watched.raised)
    watched.machine.clear(fault)
    watched.live(min(waits_s(name, fault), WAIT_S))
    assert not watched.active, f"{fault} is over, and these are not"
    return raised


def by_faults(name: str) -> set[str]:
    return {alarm for fault in faults(name) for alarm in brought_about(name, fault)}


def on_demand(name: str) -> list[str]:
    """Name the alarms that a device offers on demand."""
    machine = make_machine(catalog_profile(name))
    if ALARM not in machine.faults():
        return []
    with pytest.raises(UnknownFault) as refused:
        machine.fault(f"{ALARM}:none-such")
    return [known.removeprefix(f"{ALARM}:") for known in refused.value.known]


@pytest.mark.parametrize(
    "name", [name for name in profile_names() if ALARM in make_machine(catalog_profile(name)).faults()]
)
def test_an_alarm_on_demand_is_raised_and_clears(name: str) -> None:
    for alarm in on_demand(name):
        assert alarm in brought_about(name, f"{ALARM}:{alarm}")


@pytest.mark.parametrize("name", [name for name in profile_names() if catalog_profile(name).alarms])
def test_every_alarm_can_be_brought_about_and_cleared(name: str) -> None:
    elsewhere = ELSEWHERE.get(name, {})
    found = by_faults(name)
    found |= {alarm for wanted in on_demand(name) for alarm in brought_about(name, f"{ALARM}:{wanted}")}
    assert {rule.id for rule in rules(catalog_profile(name), {})} - found == set(elsewhere)


@pytest.mark.parametrize("name", [name for name in profile_names() if catalog_profile(name).alarms])
def test_a_sound_machine_raises_none_of_its_alarms(name: str) -> None:
    watched = Watched(name, time_scale=60, true_delays=True)
    watched.live(1500)  # a day of its traffic
    assert watched.raised == set()


@pytest.mark.parametrize("name", REAL)
def test_machines_with_behaviour_have_a_cause_for_every_alarm(name: str) -> None:
    assert {rule.id for rule in rules(catalog_profile(name), {})} - by_faults(name) == set()

"""Alarms on demand: any machine, and any of its profile's alarms, whatever may be behind it.

`alarm:flooding` (or `alarm:drive_fault.8`, one of a list of codes) lets the points show what the alarm asks for, and
`clear` lets them go back; measurements take some seconds either way. Where a machine knows the cause, its own faults
are the better ones: they bring everything that goes with it.
"""

from collections.abc import Callable, Iterator, Mapping
from random import Random

from drivers.api import Value
from drivers.places.message import JsonPoint
from drivers.profile import Alarm, Condition, Point, Profile
from simulators.machines.api import Gauge, Machine, UnknownFault, gauges

ALARM = "alarm"

_MOVES_S = 4.0
_CLEARLY = 0.05  # of a limit: so far beyond it
_STEPS = 3.0  # and so many steps and deadbands of the point


class OnDemand:
    """A machine whose points can be told to meet an alarm."""

    def __init__(self, profile: Profile, inner: Machine, wanted: Mapping[str, Mapping[str, Value]]) -> None:
        self._inner = inner
        self._gauges = gauges(profile)
        self._wanted = wanted
        self._asked: list[str] = []
        self._share: dict[str, float] = {}
        self._targets: dict[str, Value] = {}

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        if not self._targets:
            return self._inner.values()
        shown = dict(self._inner.values())
        for name, target in self._targets.items():
            gauge, share = self._gauges[name], self._share[name]
            moved = float(shown[name]) + share * (float(target) - float(shown[name])) if _moves(gauge) else target
            shown[name] = gauge.fit(moved)
        return shown

    def step(self, dt_s: float, random: Random) -> None:
        """Let `dt_s` seconds pass."""
        self._inner.step(dt_s, random)
        now = self._now()
        for name in tuple(self._share):
            self._share[name] += min(1.0, dt_s / _MOVES_S) * (1 if name in now else -1)
            if self._share[name] <= 0:
                del self._share[name], self._targets[name]
            else:
                self._share[name] = min(1.0, self._share[name])

    def write(self, point: str, value: Value) -> None:
        """Take a command."""
        self._inner.write(point, value)

    def faults(self) -> tuple[str, ...]:
        """Name its faults, and `alarm`, which takes the name of one."""
        return (*self._inner.faults(), ALARM)

    def active(self) -> tuple[str, ...]:
        """Name what is wrong now."""
        return (*self._inner.active(), *self._asked)

    def fault(self, name: str) -> None:
        """Bring a fault, or an alarm about; UnknownFault."""
        if name.partition(":")[0] != ALARM:
            self._inside(self._inner.fault, name)
            return
        self._find(name)
        if name not in self._asked:
            self._asked.append(name)
        self._follow()

    def clear(self, name: str | None) -> None:
        """End one, or all; `alarm` ends all alarms on demand. UnknownFault."""
        if name is None:
            self._inner.clear(None)
            self._asked.clear()
        elif name.partition(":")[0] != ALARM:
            self._inside(self._inner.clear, name)
        else:
            self._find(name)
            self._asked = [one for one in self._asked if name not in {one, ALARM}]
        self._follow()

    def _follow(self) -> None:
        """Begin to move what has to; what need not any more goes back, or stands at once where it cannot move."""
        now = self._now()
        for name, target in now.items():
            self._share.setdefault(name, 0.0)
            self._targets[name] = target
        for name in tuple(self._targets):
            if name not in now and not _moves(self._gauges[name]):
                del self._share[name], self._targets[name]

    def _now(self) -> dict[str, Value]:
        return {name: value for asked in self._asked for name, value in self._find(asked).items()}

    def _find(self, name: str) -> Mapping[str, Value]:
        which = name.partition(":")[2].replace("-", "_") or next(iter(self._wanted))
        if which not in self._wanted:
            raise UnknownFault(name, tuple(f"{ALARM}:{alarm}" for alarm in self._wanted))
        return self._wanted[which]

    def _inside(self, act: Callable[[str], None], name: str) -> None:
        try:
            act(name)
        except UnknownFault as error:
            knows_the_kind = name.partition(":")[0] in self._inner.faults()
            raise UnknownFault(name, error.known if knows_the_kind else self.faults()) from None


def on_demand(profile: Profile, machine: Machine) -> Machine:
    """Give a machine its profile's alarms on demand; itself where there are none that its points can hold."""
    wanted = dict(_alarms(profile, gauges(profile)))
    return OnDemand(profile, machine, wanted) if wanted else machine


def _alarms(profile: Profile, known: Mapping[str, Gauge]) -> Iterator[tuple[str, Mapping[str, Value]]]:
    for name, alarm in profile.alarms.items():
        if any(_happens(profile.points[one]) for one in (alarm.point, *(c.point for c in alarm.when)) if one):
            continue
        if alarm.point is not None:
            yield from ((f"{name}.{code}", {alarm.point: known[alarm.point].fit(int(code))}) for code in alarm.codes)
        else:
            points = dict.fromkeys(condition.point for condition in alarm.when)
            yield name, {point: _meeting(alarm, point, known[point]) for point in points}


def _meeting(alarm: Alarm, point: str, gauge: Gauge) -> Value:
    """Give a value of one point that meets all of an alarm's conditions on it."""
    conditions = [one for one in alarm.when if one.point == point]
    for one in conditions:
        if (state := _state(one, gauge)) is not None:
            return gauge.fit(state)
    above = [one.above for one in conditions if one.above is not None]
    below = [one.below for one in conditions if one.below is not None]
    if above and below:
        return gauge.fit((max(above) + min(below)) / 2)
    limit = max(above) if above else min(below)
    beyond = max(_STEPS * max(gauge.point.step, gauge.point.deadband), alarm.deadband, _CLEARLY * abs(limit))
    return gauge.fit(limit + beyond if above else limit - beyond)


def _state(one: Condition, gauge: Gauge) -> Value | None:
    if one.equals is not None:
        return one.equals
    if one.one_of is not None:
        return one.one_of[0]
    if one.not_one_of is not None:
        others = (int(key) for key in gauge.point.enumeration if int(key) not in one.not_one_of)
        return next(others, max(one.not_one_of) + 1)
    return None


def _happens(point: Point) -> bool:
    """Whether a point tells what happens once, so that it holds nothing: an Announcer has a fault for each of these."""
    place = point.table
    return isinstance(place, JsonPoint) and (place.is_momentary or place.rest is not None)


def _moves(gauge: Gauge) -> bool:
    """Whether a point shows a measurement, which takes its time."""
    return gauge.kind in {int, float} and bool(gauge.point.unit) and not gauge.point.enumeration

"""A device that tells things by itself: whatever machine it is, with what happens once, states on demand, and silence.

What happens once is a fault named for its point, with a value where there are several: `press`, `press:2`,
`sos-press`. It is over at once. A state is brought about and stays until it is cleared: `leak`, `state:10`,
`battery-low`. The rest is wrong with the messages: `silent`, `duplicate`, `retained`, `wrong-type`, `out-of-date`.
"""

from collections.abc import Callable, Mapping
from random import Random

from drivers.api import Value
from drivers.places.message import JsonPoint
from drivers.profile import Profile
from simulators.machines.api import Machine, UnknownFault, gauges

SILENT = "silent"
DUPLICATE = "duplicate"
RETAINED = "retained"
WRONG_TYPE = "wrong-type"
OUT_OF_DATE = "out-of-date"
OF_MESSAGES = (SILENT, DUPLICATE, RETAINED, WRONG_TYPE, OUT_OF_DATE)
BATTERY_LOW = "battery-low"
_BATTERY = "battery"
_LOW = 4
_DEGREES = "°"
_WALK = 0.001


class Announcer:
    """A machine inside a device that publishes. `waiting` are the happenings that nobody was told of yet."""

    def __init__(self, profile: Profile, inner: Machine) -> None:
        self._inner = inner
        self._gauges = gauges(profile)
        places = {name: point.at(JsonPoint) for name, point in profile.points.items()}
        self._happenings = {_fault(name): name for name, place in places.items() if place.is_momentary}
        self._resting = {name: place.rest for name, place in places.items() if place.rest is not None}
        self._states = {
            _fault(name): name
            for name, place in places.items()
            if not place.is_momentary and (place.value_type is bool or profile.points[name].enumeration)
        }
        self._positions = [name for name, point in profile.points.items() if point.unit == _DEGREES]
        self._of_messages: list[str] = []
        self._forced: dict[str, tuple[str, Value]] = {}
        self.waiting: list[tuple[str, Value]] = []

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now; what happens is at rest."""
        forced = dict(self._forced.values())
        return {**self._inner.values(), **self._near_home(), **self._resting, **forced}

    def _near_home(self) -> dict[str, Value]:
        """Give positions: a measurement that wanders by some per cent would cross a country."""
        now = self._inner.values()
        samples = {name: float(self._gauges[name].point.sample) for name in self._positions}
        return {name: home + (float(now[name]) - home) * _WALK for name, home in samples.items()}

    def step(self, dt_s: float, random: Random) -> None:
        """Let `dt_s` seconds pass."""
        self._inner.step(dt_s, random)

    def write(self, point: str, value: Value) -> None:
        """Take a command."""
        self._inner.write(point, value)

    def faults(self) -> tuple[str, ...]:
        """Name what can happen, and what can be wrong."""
        battery = (BATTERY_LOW,) if _BATTERY in self._gauges else ()
        return (*self._happenings, *self._states, *battery, *OF_MESSAGES, *self._inner.faults())

    def active(self) -> tuple[str, ...]:
        """Name what is wrong now; what happens once is over when it was told."""
        untold = {fault for fault, point in self._happenings.items() if point in dict(self.waiting)}
        return (*sorted(untold), *self._forced, *self._of_messages, *self._inner.active())

    def fault(self, name: str) -> None:
        """Bring something about; UnknownFault."""
        kind, _, parameter = name.partition(":")
        if kind in self._happenings:
            self.waiting.append((self._happenings[kind], self._value(self._happenings[kind], parameter, name)))
        elif kind in self._states:
            self._forced[name] = (self._states[kind], self._value(self._states[kind], parameter, name))
        elif name == BATTERY_LOW and _BATTERY in self._gauges:
            self._forced[name] = (_BATTERY, self._gauges[_BATTERY].fit(_LOW))
        elif name not in OF_MESSAGES:
            self._inside(self._inner.fault, name)
        elif name not in self._of_messages:
            self._of_messages.append(name)

    def clear(self, name: str | None) -> None:
        """End something that lasts, or all of it. UnknownFault."""
        if name is None:
            self._forced.clear()
            self._of_messages.clear()
            self.waiting.clear()
            self._inner.clear(None)
        elif name in self._of_messages:
            self._of_messages.remove(name)
        elif (happening := self._happenings.get(name.partition(":")[0])) is not None:
            self.waiting = [one for one in self.waiting if one[0] != happening]
        elif name.partition(":")[0] in self._states or name == BATTERY_LOW:
            kind = name.partition(":")[0]
            self._forced = {key: one for key, one in self._forced.items() if key.partition(":")[0] != kind}
        elif name not in OF_MESSAGES:
            self._inside(self._inner.clear, name)

    def _inside(self, act: Callable[[str], None], name: str) -> None:
        try:
            act(name)
        except UnknownFault:
            if name.partition(":")[0] in self._inner.faults():
                raise  # it knows which parameters there are
            raise UnknownFault(name, self.faults()) from None

    def _value(self, point: str, written: str, fault: str) -> Value:
        gauge = self._gauges[point]
        if gauge.kind is bool and written in {"", "true"}:
            return True
        if not written and point in self._happenings.values():
            return gauge.fit(gauge.point.sample)
        known = gauge.point.enumeration
        if known and not written:
            return next((int(key) for key in known if int(key) != gauge.point.sample), int(next(iter(known))))
        if gauge.kind is int and (written in known or (not known and written.isdecimal())):
            return int(written)
        choices = tuple(f"{fault.partition(':')[0]}:{key}" for key in known) or (fault.partition(":")[0],)
        raise UnknownFault(fault, choices)


def _fault(point: str) -> str:
    return point.replace("_", "-")

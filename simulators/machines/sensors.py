"""What goes wrong with any measurement, whatever the machine behind it does: it drifts away, or it stands still."""

from collections.abc import Mapping
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.api import Gauge, Machine, UnknownFault, gauges

DRIFT, STUCK = "drift", "stuck"

_SPAN_PER_S = 0.0005  # 3 % of the range in a minute


class FaultySensors:
    """A machine whose measurements may drift (`drift`, or `drift:POINT`) or stick (`stuck`, or `stuck:POINT`).

    Clearing exchanges the sensor: it shows at once what the machine does.
    """

    def __init__(self, inner: Machine, measured: Mapping[str, Gauge]) -> None:
        self._inner = inner
        self._measured = measured
        self._asked: list[str] = []
        self._away: dict[str, float] = {}
        self._held: dict[str, Value] = {}

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        if not self._asked:
            return self._inner.values()
        shown = dict(self._inner.values())
        for name, away in self._away.items():
            shown[name] = self._measured[name].fit(float(shown[name]) + away)
        return shown | self._held

    def step(self, dt_s: float, random: Random) -> None:
        """Let `dt_s` seconds pass."""
        self._inner.step(dt_s, random)
        for name in self._away:
            self._away[name] += dt_s * _SPAN_PER_S * _span(self._measured[name])

    def write(self, point: str, value: Value) -> None:
        """Take a command."""
        self._inner.write(point, value)

    def faults(self) -> tuple[str, ...]:
        """Name the machine's faults, and those of its sensors."""
        return (*self._inner.faults(), DRIFT, STUCK)

    def active(self) -> tuple[str, ...]:
        """Name what is wrong now."""
        return (*self._inner.active(), *self._asked)

    def fault(self, name: str) -> None:
        """Bring a fault about; UnknownFault."""
        if name.partition(":")[0] not in {DRIFT, STUCK}:
            self._inner.fault(name)
            return
        self._points(name)
        if name not in self._asked:
            self._asked.append(name)
        self._follow()

    def clear(self, name: str | None) -> None:
        """End one fault, or all; `drift` and `stuck` end those of every point. UnknownFault."""
        kind = name.partition(":")[0] if name is not None else ""
        if name is None or kind not in {DRIFT, STUCK}:
            self._inner.clear(name)
        if name is None:
            self._asked.clear()
        elif kind in {DRIFT, STUCK}:
            self._points(name)
            self._asked = [one for one in self._asked if name not in {one, one.partition(":")[0]}]
        self._follow()

    def _follow(self) -> None:
        drifting = [point for one in self._asked if one.startswith(DRIFT) for point in self._points(one)]
        stuck = [point for one in self._asked if one.startswith(STUCK) for point in self._points(one)]
        shown = self.values()
        self._away = {point: self._away.get(point, 0.0) for point in drifting}
        self._held = {point: self._held.get(point, shown[point]) for point in stuck}

    def _points(self, name: str) -> tuple[str, ...]:
        kind, _, point = name.partition(":")
        if not point:
            return tuple(self._measured)
        wanted = point.replace("-", "_")
        if wanted not in self._measured:
            raise UnknownFault(name, tuple(f"{kind}:{one}" for one in self._measured))
        return (wanted,)


def faulty_sensors(profile: Profile, machine: Machine) -> Machine:
    """Give a machine the faults of its sensors; itself where it measures nothing."""
    measured = {
        name: gauge
        for name, gauge in gauges(profile).items()
        if gauge.kind in {int, float} and gauge.point.unit and not gauge.point.enumeration and gauge.point.polled
    }
    return FaultySensors(machine, measured) if measured else machine


def _span(gauge: Gauge) -> float:
    bounds = gauge.point.range
    return bounds.high - bounds.low if bounds is not None else max(abs(float(gauge.point.sample)), 1.0)

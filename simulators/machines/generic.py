"""Any device type that has no model of its own: every measurement wanders around the profile's sample."""

from collections.abc import Collection, Mapping
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.api import Faults, Gauge, HasFaults, gauges

STUCK_SENSOR = "stuck-sensor"
OUT_OF_RANGE = "out-of-range"

_PULL_PER_S = 0.2  # how fast a measurement comes home to its sample
_WIDTH = 0.02  # of the range, or of the sample: a typical distance from home
_RESOLUTIONS = 3.0  # at least so many deadbands, so that something is there to see


class GenericMachine(HasFaults):
    """Numbers with a unit wander; states, texts, counters and what is written stay as they are."""

    def __init__(self, profile: Profile, *, only: Collection[str] | None = None) -> None:
        self._gauges = {name: g for name, g in gauges(profile).items() if only is None or name in only}
        self._home = {name: g.point.sample for name, g in self._gauges.items()}
        self._now: dict[str, Value] = {name: g.fit(g.point.sample) for name, g in self._gauges.items()}
        self._widths = {name: width for name, g in self._gauges.items() if (width := _width(g)) > 0}
        self._wander = dict.fromkeys(self._widths, 0.0)
        self._faults = Faults(STUCK_SENSOR, OUT_OF_RANGE)

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        if OUT_OF_RANGE in self._faults:
            return {**self._now, **{name: beyond(self._gauges[name]) for name in self._widths}}
        return dict(self._now)

    def step(self, dt_s: float, random: Random) -> None:
        """Move every measurement a little, and pull it towards home."""
        if STUCK_SENSOR in self._faults:
            return
        for name, width in self._widths.items():
            kick = random.gauss(0.0, width * (2 * _PULL_PER_S * dt_s) ** 0.5)
            away = self._wander[name] = self._wander[name] * max(0.0, 1 - _PULL_PER_S * dt_s) + kick
            self._now[name] = self._gauges[name].fit(float(self._home[name]) + away)

    def write(self, point: str, value: Value) -> None:
        """Keep what is written; measurements then wander around it."""
        gauge = self._gauges[point]
        gauge.check(value)
        self._home[point] = self._now[point] = gauge.fit(value)


def _width(gauge: Gauge) -> float:
    """How far a point wanders; 0 when it stands still, as states, counters and things that are set do."""
    point = gauge.point
    if gauge.kind not in {int, float} or point.enumeration or point.writable:
        return 0.0
    if not point.unit or (point.range is None and gauge.kind is int):
        return 0.0
    span = point.range.high - point.range.low if point.range is not None else abs(float(point.sample))
    return max(_WIDTH * min(span, abs(float(point.sample)) or span), _RESOLUTIONS * point.deadband)


def beyond(gauge: Gauge) -> Value:
    """Give a value that the registers hold and the range forbids; the highest where there is none."""
    point = gauge.point
    wide = Gauge(point.model_copy(update={"range": None}))
    return wide.fit(gauge.high + 0.1 * (gauge.high - gauge.low))

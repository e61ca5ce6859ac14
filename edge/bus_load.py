"""How busy each bus is, and how it answers, for the metrics `Bus/...` of the node. Times are monotonic seconds."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from drivers.api import Value
from wire.contract import bus_metric

_SAMPLES = 4096
_MS = 1000


@dataclass(slots=True)
class _Load:
    busy_s: float = 0.0
    errors: int = 0
    answers_s: deque[float] = field(default_factory=lambda: deque(maxlen=_SAMPLES))


class BusLoads:
    """Counts the requests of each bus, and tells about the time since it was last asked."""

    def __init__(self, buses: Iterable[str], *, now: float) -> None:
        self._loads = {bus: _Load() for bus in buses}
        self._since = now

    def keep(self, buses: Iterable[str]) -> None:
        """Tell of these buses from now on; what is known of them stays."""
        self._loads = {bus: self._loads.get(bus) or _Load() for bus in buses}

    def note(self, bus: str, seconds: float, result: str) -> None:
        """Count a request that held its bus for so long; `result` is `ok` or the kind of the error."""
        load = self._loads.get(bus)
        if load is None:
            return  # the bus is gone, and this is its last request
        load.busy_s += seconds
        if result == "ok":
            load.answers_s.append(seconds)
        else:
            load.errors += 1

    def names(self) -> tuple[str, ...]:
        """Give the metrics that `take` will tell, for the birth."""
        return tuple(name for bus in self._loads for name in self._told(bus, _Load(), 1.0))

    def take(self, *, now: float) -> Mapping[str, Value | None]:
        """Give how each bus was held and how it answered since the last call, and its errors since the start."""
        passed = max(now - self._since, 1e-3)
        self._since = now
        told: dict[str, Value | None] = {}
        for bus, load in self._loads.items():
            told |= self._told(bus, load, passed)
            load.busy_s = 0.0
            load.answers_s.clear()
        return told

    @staticmethod
    def _told(bus: str, load: _Load, passed_s: float) -> dict[str, Value | None]:
        ordered = sorted(load.answers_s)

        def percentile(part: float) -> float | None:
            return round(_MS * ordered[int(part * (len(ordered) - 1))], 3) if ordered else None

        return {
            bus_metric(bus, "Utilisation"): round(min(load.busy_s / passed_s, 1.0), 4),
            bus_metric(bus, "Latency P50 Ms"): percentile(0.5),
            bus_metric(bus, "Latency P99 Ms"): percentile(0.99),
            bus_metric(bus, "Errors"): float(load.errors),
        }

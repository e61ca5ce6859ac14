"""What a store of measured values can do, whichever engine is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from runtime.health import Check


class Sample(NamedTuple):
    """One value of one point; numbers and booleans as float. `quality` is Sparkplug's number, `at_ms` edge time.

    A number that is not finite is stored as None. A sample of a time before 1970 or after 2262 is left out and logged,
    because no attempt would ever store it. It is a tuple, because ingest makes a hundred thousand a second.
    """

    device_id: int
    point: str
    at_ms: int
    value: float | str | None
    quality: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """What one stretch of a series holds: it begins at `at_ms`. Figures are of good numbers only, None without any.

    `count` is of all samples. `last` is the newest value of the stretch, good or not, at `last_ms` with `last_quality`.
    """

    at_ms: int
    count: int
    low: float | None
    high: float | None
    mean: float | None
    last: float | str | None
    last_ms: int
    last_quality: int


class TelemetryStore(Protocol):
    """A store of series by device and point. Every method raises `Unavailable` when the store cannot work just now."""

    async def write(self, samples: Sequence[Sample]) -> int:
        """Store samples durably before returning; how many were new, as far as the store can tell.

        The same sample again changes nothing.
        """
        ...

    async def series(
        self, *, device_id: int, point: str, from_ms: int, to_ms: int, max_points: int
    ) -> tuple[Bucket, ...]:
        """Give the values of `from_ms` <= time < `to_ms` in at most `max_points` stretches of equal length.

        Stretches that hold nothing are left out. Their length and where they begin: `cloud.telemetry.domain.grid`.
        """
        ...

    async def maintain(self, now_ms: int) -> bool:
        """Do one small step of the store's upkeep; whether more is waiting. Safe to run in several processes."""
        ...

    def health(self) -> Check:
        """Whether the last attempt to use the store worked, and if not, why; returns at once."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of files and connections."""
        ...

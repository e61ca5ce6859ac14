"""Which times can be stored, and which stretches of time a question about a series is answered in. Pure."""

from dataclasses import dataclass
from enum import IntEnum

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


LATEST_MS = 9_223_372_036_853
"""The last time (in the year 2262) that every store can hold: InfluxDB counts nanoseconds in 64 bits."""


def is_storable(at_ms: int) -> bool:
    """Whether a time lies between 1970 and the last one that every store can hold."""
    return 0 <= at_ms <= LATEST_MS


class Level(IntEnum):
    """How coarse the rows are that an answer is made of; the value is their length in milliseconds."""

    SAMPLE = 1
    MINUTE = MINUTE_MS
    HOUR = HOUR_MS


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Stretches of `width_ms` that begin at `first_ms` and lie within `first_ms` <= time < `end_ms`."""

    first_ms: int
    end_ms: int
    width_ms: int
    level: Level


def grid(from_ms: int, to_ms: int, max_points: int, *, finest: Level = Level.SAMPLE) -> Grid:
    """Divide a span into at most `max_points` stretches of equal length, the shortest that are possible.

    Below a minute, stretches begin at `from_ms` and may have any length. From a minute on they are whole minutes, and
    from an hour on whole hours, since 1970; the first and the last one take in all of the minute (hour) that the border
    lies in. `finest` leaves out what is finer. What lies after the last time that can be stored is left out.
    """
    from_ms = min(from_ms, LATEST_MS + 1)
    span = max(min(to_ms, LATEST_MS + 1) - from_ms, 1)
    points = max(max_points, 1)
    width = -(-span // points)
    level = max(finest, *(one for one in Level if one <= width))
    first = from_ms if level is Level.SAMPLE else from_ms // level * level
    end = from_ms + span if level is Level.SAMPLE else -(-(from_ms + span) // level) * level
    units = -(-(end - first) // level)
    return Grid(first_ms=first, end_ms=end, width_ms=-(-units // points) * level, level=level)


def resolution(width_ms: int) -> Level:
    """Give the level whose rows a stretch of this length is made of."""
    return max(one for one in Level if one <= max(width_ms, 1))

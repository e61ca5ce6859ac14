"""Questions about a series in the embedded store, answered from the coarsest rows that are fine enough.

Where finer rows are no longer kept, coarser ones stand in for them, each in the stretch in which it begins.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from cloud.telemetry.api import Bucket
from cloud.telemetry.domain import Grid, Level, grid
from cloud.telemetry.sqlite_schema import State, read_state, shown
from wire.payload import Quality

MOST_SAMPLES = 500_000
"""How many rows of samples one question reads at most; beyond, it is answered from minutes."""

_TABLES = {Level.SAMPLE: "sample", Level.MINUTE: "minute", Level.HOUR: "hour"}

# `:at` is the beginning of a row in ms, which may lie a little before the first stretch where coarser rows stand in.
_OF_SAMPLES = """
SELECT (at_ms - :first) / :width AS bucket, count(*), count(CASE WHEN {good} THEN 1 END),
       min(CASE WHEN {good} THEN value END), max(CASE WHEN {good} THEN value END),
       total(CASE WHEN {good} THEN value END)
FROM sample WHERE series_id = :series AND at_ms >= :begin AND at_ms < :end GROUP BY bucket ORDER BY bucket
""".replace("{good}", f"quality = {int(Quality.GOOD)} AND typeof(value) IN ('integer', 'real')")

# SQLite takes the other columns from the row that holds the maximum, when max() is the only aggregate.
_LAST_OF_SAMPLES = """
SELECT (at_ms - :first) / :width AS bucket, value, quality, max(at_ms)
FROM sample WHERE series_id = :series AND at_ms >= :begin AND at_ms < :end GROUP BY bucket ORDER BY bucket
"""

_OF_ROLLUPS = """
SELECT max((at * :unit - :first) / :width, 0) AS bucket, sum(samples), sum(good), min(low), max(coalesce(high, low)),
       total(coalesce(total, low * good))
FROM {table} WHERE series_id = :series AND at >= :begin / :unit AND at * :unit < :end GROUP BY bucket ORDER BY bucket
"""

_LAST_OF_ROLLUPS = """
SELECT max((at * :unit - :first) / :width, 0) AS bucket, last, last_quality, max(at * :unit + last_at)
FROM {table} WHERE series_id = :series AND at >= :begin / :unit AND at * :unit < :end GROUP BY bucket ORDER BY bucket
"""


class Behind(Exception):
    """Too many samples wait for being rolled up."""


@dataclass(kw_only=True, slots=True)
class _Sum:
    """What has been found of one stretch so far, in order of time."""

    count: int = 0
    good: int = 0
    low: float | None = None
    high: float | None = None
    total: float = 0.0
    last: float | str | None = None
    last_ms: int = 0
    last_quality: int = 0

    def bucket(self, at_ms: int) -> Bucket:
        mean = None
        if self.low is not None and self.high is not None:
            # Rounding must not take the mean of equal numbers out of their bounds.
            mean = min(max(self.total / self.good, self.low), self.high)
        return Bucket(
            at_ms=at_ms,
            count=self.count,
            low=self.low,
            high=self.high,
            mean=mean,
            last=self.last,
            last_ms=self.last_ms,
            last_quality=self.last_quality,
        )


def read_series(
    connection: sqlite3.Connection, *, device_id: int, point: str, from_ms: int, to_ms: int, max_points: int
) -> tuple[Bucket, ...]:
    """Give the buckets that hold anything, in order of time. Behind when that would read too many rows."""
    row = connection.execute("SELECT id FROM series WHERE device_id = ? AND point = ?", (device_id, point)).fetchone()
    if row is None or from_ms >= to_ms:
        return ()
    series_id = row[0]
    connection.execute("BEGIN")  # everything from one moment
    state = read_state(connection)
    asked = grid(from_ms, to_ms, max_points)
    if asked.level is Level.SAMPLE and _too_many(connection, series_id, asked, state):
        asked = grid(from_ms, to_ms, max_points, finest=Level.MINUTE)
    if _too_many(connection, series_id, asked, state):
        raise Behind(f"more than {MOST_SAMPLES:,} samples of {point} are not rolled up yet")
    sums: dict[int, _Sum] = {}
    for level, begin_ms, end_ms in parts(asked, state):
        _collect(connection, sums, asked, series_id=series_id, level=level, begin_ms=begin_ms, end_ms=end_ms)
    return tuple(sums[bucket].bucket(asked.first_ms + bucket * asked.width_ms) for bucket in sorted(sums))


def parts(asked: Grid, state: State) -> Iterator[tuple[Level, int, int]]:
    """Divide a grid's span by the level that each part is read from, in order of time. Pure."""
    swept_hour_ms = state.swept_ms // Level.HOUR * Level.HOUR
    borders = (
        (Level.HOUR, swept_hour_ms if asked.level is Level.HOUR else state.minute_ms),
        (Level.MINUTE, state.sample_ms if asked.level is Level.SAMPLE else state.swept_ms),
        (Level.SAMPLE, asked.end_ms),
    )
    begin_ms = asked.first_ms
    for level, border_ms in borders:
        end_ms = min(border_ms, asked.end_ms)
        if end_ms > begin_ms:
            yield level, begin_ms, end_ms
            begin_ms = end_ms


def _too_many(connection: sqlite3.Connection, series_id: int, asked: Grid, state: State) -> bool:
    for level, begin_ms, end_ms in parts(asked, state):
        if level is Level.SAMPLE:
            found = connection.execute(
                "SELECT 1 FROM sample WHERE series_id = ? AND at_ms >= ? AND at_ms < ? LIMIT 1 OFFSET ?",
                (series_id, begin_ms, end_ms, MOST_SAMPLES),
            )
            return found.fetchone() is not None
    return False


def _collect(
    connection: sqlite3.Connection,
    sums: dict[int, _Sum],
    asked: Grid,
    *,
    series_id: int,
    level: Level,
    begin_ms: int,
    end_ms: int,
) -> None:
    values = {
        "series": series_id,
        "first": asked.first_ms,
        "width": asked.width_ms,
        "begin": begin_ms,
        "end": end_ms,
        "unit": int(level),
    }
    table = _TABLES[level]
    figures = _OF_SAMPLES if level is Level.SAMPLE else _OF_ROLLUPS.format(table=table)
    lasts = _LAST_OF_SAMPLES if level is Level.SAMPLE else _LAST_OF_ROLLUPS.format(table=table)
    for bucket, count, good, low, high, total in connection.execute(figures, values):
        one = sums.setdefault(bucket, _Sum())
        one.count += count
        one.good += good
        one.total += total
        if low is not None:
            one.low = float(low) if one.low is None else min(one.low, float(low))
            one.high = float(high) if one.high is None else max(one.high, float(high))
    for bucket, value, quality, at_ms in connection.execute(lasts, values):
        one = sums[bucket]
        one.last, one.last_quality, one.last_ms = shown(value), quality, at_ms

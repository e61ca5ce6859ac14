"""Questions about a series in the embedded store, answered from the coarsest rows that are fine enough.

Where finer rows are no longer kept, coarser ones stand in for them, each in the stretch in which it begins.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from cloud.telemetry.api import Bucket
from cloud.telemetry.domain import Grid, Level, grid
from cloud.telemetry.sqlite_schema import SLOT_MS, State, read_state, shown
from wire.payload import Quality

MOST_SAMPLES = 500_000
"""How many rows of samples one question reads at most; beyond, it is answered from minutes."""

# Rows of a series by the table that they lie in, between two times.
_SETTLED = "settled WHERE series_id = :series AND at_ms >= :begin AND at_ms < :end"
_RECENT = f"""
slot CROSS JOIN recent ON recent.slot = slot.id AND recent.series_id = :series
WHERE slot.id >= :begin / {SLOT_MS} AND slot.id <= :end / {SLOT_MS} AND at_ms >= :begin AND at_ms < :end
"""
_ROLLED_UP = {
    level: f"{table} WHERE series_id = :series AND at >= :begin / :unit AND at * :unit < :end"
    for level, table in ((Level.MINUTE, "minute"), (Level.HOUR, "hour"))
}

# Figures and last values of each bucket. SQLite takes the other columns from the row that holds the maximum, when max()
# is the only aggregate.
_OF_SAMPLES = (
    """
SELECT (at_ms - :first) / :width AS bucket, count(*), count(CASE WHEN {good} THEN 1 END),
       min(CASE WHEN {good} THEN value END), max(CASE WHEN {good} THEN value END),
       total(CASE WHEN {good} THEN value END)
FROM {rows} GROUP BY bucket ORDER BY bucket
""".replace("{good}", f"quality = {int(Quality.GOOD)} AND typeof(value) IN ('integer', 'real')"),
    """
SELECT (at_ms - :first) / :width AS bucket, value, quality, max(at_ms) FROM {rows} GROUP BY bucket ORDER BY bucket
""",
)

# The beginning of a row may lie a little before the first stretch, where coarser rows stand in for finer ones.
_OF_ROLLUPS = (
    """
SELECT max((at * :unit - :first) / :width, 0) AS bucket, sum(samples), sum(good), min(low), max(coalesce(high, low)),
       total(coalesce(total, low * good))
FROM {rows} GROUP BY bucket ORDER BY bucket
""",
    """
SELECT max((at * :unit - :first) / :width, 0) AS bucket, last, last_quality, max(at * :unit + last_at)
FROM {rows} GROUP BY bucket ORDER BY bucket
""",
)


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
    for source in _sources(asked, state, series_id):
        _collect(connection, sums, asked, series_id=series_id, source=source)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """Where rows of one series and one stretch of time lie; the unit of their times in milliseconds."""

    rows: str
    unit_ms: int
    begin_ms: int
    end_ms: int

    @property
    def is_samples(self) -> bool:
        return self.unit_ms == Level.SAMPLE


def _sources(asked: Grid, state: State, series_id: int) -> Iterator[_Source]:
    """Divide a grid's span by the table that each part is read from, in order of time."""
    border_ms = state.border_ms(series_id)
    for level, begin_ms, end_ms in parts(asked, state):
        if level is not Level.SAMPLE:
            yield _Source(rows=_ROLLED_UP[level], unit_ms=int(level), begin_ms=begin_ms, end_ms=end_ms)
            continue
        middle_ms = min(max(border_ms, begin_ms), end_ms)
        if begin_ms < middle_ms:
            yield _Source(rows=_SETTLED, unit_ms=1, begin_ms=begin_ms, end_ms=middle_ms)
        if middle_ms < end_ms:
            yield _Source(rows=_RECENT, unit_ms=1, begin_ms=middle_ms, end_ms=end_ms)


def _too_many(connection: sqlite3.Connection, series_id: int, asked: Grid, state: State) -> bool:
    left = MOST_SAMPLES
    for source in _sources(asked, state, series_id):
        if source.is_samples:
            values = {"series": series_id, "begin": source.begin_ms, "end": source.end_ms, "most": left + 1}
            counted = connection.execute(f"SELECT count(*) FROM (SELECT 1 FROM {source.rows} LIMIT :most)", values)  # noqa: S608 - names of ours
            left -= counted.fetchone()[0]
    return left < 0


def _collect(
    connection: sqlite3.Connection, sums: dict[int, _Sum], asked: Grid, *, series_id: int, source: _Source
) -> None:
    values = {
        "series": series_id,
        "first": asked.first_ms,
        "width": asked.width_ms,
        "begin": source.begin_ms,
        "end": source.end_ms,
        "unit": source.unit_ms,
    }
    figures, lasts = _OF_SAMPLES if source.is_samples else _OF_ROLLUPS
    for bucket, count, good, low, high, total in connection.execute(figures.format(rows=source.rows), values):
        one = sums.setdefault(bucket, _Sum())
        one.count += count
        one.good += good
        one.total += total
        if low is not None:
            one.low = float(low) if one.low is None else min(one.low, float(low))
            one.high = float(high) if one.high is None else max(one.high, float(high))
    for bucket, value, quality, at_ms in connection.execute(lasts.format(rows=source.rows), values):
        one = sums[bucket]
        one.last, one.last_quality, one.last_ms = shown(value), quality, at_ms

"""The embedded store's upkeep: roll-ups to minutes and hours, and retention, in steps of one short transaction each.

Everything is made anew from the finer rows and never added to, so that a step that is done twice, or half done and then
rolled back by a crash, changes nothing. Finer rows are dropped only after coarser ones were made of them.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from cloud.telemetry.domain import HOUR_MS, MINUTE_MS
from cloud.telemetry.sqlite_schema import SLOT_MS, read_state
from wire.payload import Quality

SWEEP_MS = 5 * MINUTE_MS
"""How often what is new is rolled up; questions about the time since then read samples."""

SETTLE_MS = MINUTE_MS
"""How long the newest samples are left alone, because most of those that come late come within that time."""

LATE_KEPT_MS = 7 * 24 * HOUR_MS
"""How long samples are kept at least after they came late, so that their repetition is still known as one."""

# How many rows, minutes and slots are worked on at once; the rest waits for the next turn.
_CHUNK = 5_000
_DIRTY = 200
_SLOTS = 360

# `begin` and `end` lie between two slots.
_SETTLE = """
INSERT INTO settled
SELECT series_id, at_ms, value, quality
FROM slot CROSS JOIN recent ON recent.slot = slot.id AND recent.series_id = :series
WHERE slot.id >= :begin AND slot.id < :end
"""

_MAKE_MINUTES = """
WITH figures AS (
    SELECT at_ms / 60000 AS at, count(*) AS samples, count(CASE WHEN {good} THEN 1 END) AS good,
           min(CASE WHEN {good} THEN value END) AS low, max(CASE WHEN {good} THEN value END) AS high,
           total(CASE WHEN {good} THEN value END) AS total, max(at_ms) AS newest
    FROM settled WHERE series_id = :series AND at_ms >= :begin AND at_ms < :end GROUP BY at_ms / 60000
)
INSERT OR REPLACE INTO minute
SELECT :series, at, samples, good, low, nullif(high, low), CASE WHEN high > low THEN total END,
       settled.value, newest - at * 60000, settled.quality
FROM figures JOIN settled ON settled.series_id = :series AND settled.at_ms = newest
""".replace("{good}", f"quality = {int(Quality.GOOD)} AND typeof(value) IN ('integer', 'real')")

_MAKE_HOURS = """
WITH figures AS (
    SELECT at / 60 AS hour, sum(samples) AS samples, sum(good) AS good, min(low) AS low,
           max(coalesce(high, low)) AS high, total(coalesce(total, low * good)) AS total, max(at) AS newest
    FROM minute WHERE series_id = :series AND at >= :begin * 60 AND at < :end * 60 GROUP BY at / 60
)
INSERT OR REPLACE INTO hour
SELECT :series, hour, figures.samples, figures.good, figures.low, nullif(figures.high, figures.low),
       CASE WHEN figures.high > figures.low THEN figures.total END,
       minute.last, (newest - hour * 60) * 60000 + minute.last_at, minute.last_quality
FROM figures JOIN minute ON minute.series_id = :series AND minute.at = newest
"""

# What came late is kept longer, and what is dirty must be rolled up first.
_NOT_LATE = """
AND {hour} NOT IN (SELECT late.at FROM late WHERE late.series_id = :series)
AND {hour} NOT IN (SELECT dirty.at / 60 FROM dirty WHERE dirty.series_id = :series)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keep:
    """How long each level is kept after what it tells of; hours for ever without a figure."""

    samples: timedelta = timedelta(days=30)
    minutes: timedelta = timedelta(days=365)
    hours: timedelta | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Level:
    table: str
    column: str
    unit_ms: int


_LEVELS = {
    "sample": _Level(table="settled", column="at_ms", unit_ms=1),
    "minute": _Level(table="minute", column="at", unit_ms=MINUTE_MS),
    "hour": _Level(table="hour", column="at", unit_ms=HOUR_MS),
}


def upkeep_step(connection: sqlite3.Connection, keep: Keep, now_ms: int, *, more_time: Callable[[], bool]) -> bool:
    """Do some of what is due, in one transaction, for as long as there is time, and at least a little.

    Whether more is waiting. The connection is in no transaction, before and after.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        busy = True
        while busy:
            # Each in turn, so that a long replay does not keep the newest data from being rolled up.
            done = [_remake(connection, now_ms), _sweep(connection, now_ms), _clear(connection)]
            done += [_expire(connection, now_ms), _drop(connection, keep, now_ms)]
            busy = any(done)
            if not more_time():
                break
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return busy


# --- roll-ups ---------------------------------------------------------------------------------------------------------


def _remake(connection: sqlite3.Connection, now_ms: int) -> bool:
    """Make the minutes anew into which samples came late, and the hours that they belong to."""
    dirty = connection.execute("SELECT series_id, at FROM dirty ORDER BY series_id, at LIMIT ?", (_DIRTY,)).fetchall()
    if not dirty:
        return False
    state = read_state(connection)
    hours: set[tuple[int, int]] = set()
    for series_id, begin, end in _runs(dirty):
        _make_minutes(connection, series_id, begin * MINUTE_MS, end * MINUTE_MS)
        hours.update((series_id, hour) for hour in range(begin // 60, (end - 1) // 60 + 1))
    for series_id, hour in sorted(hours):
        if (hour + 1) * HOUR_MS <= state.frontier_ms:
            _make_hours(connection, series_id, hour, hour + 1)
        if hour * HOUR_MS < state.sample_ms + LATE_KEPT_MS:
            connection.execute(
                "INSERT INTO late VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)",
                (series_id, hour, now_ms + LATE_KEPT_MS),
            )
    connection.executemany("DELETE FROM dirty WHERE series_id = ? AND at = ?", dirty)
    return True


def _runs(dirty: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Join neighbouring minutes of a series: (series, first, end)."""
    runs: list[tuple[int, int, int]] = []
    for series_id, at in dirty:
        if runs and runs[-1][0] == series_id and runs[-1][2] == at:
            runs[-1] = (series_id, runs[-1][1], at + 1)
        else:
            runs.append((series_id, at, at + 1))
    return runs


def _sweep(connection: sqlite3.Connection, now_ms: int) -> bool:
    """Settle and roll up what is new: some rows of one series, or nothing when nothing is due."""
    job = _job(connection, "sweep")
    if job is None:
        state = read_state(connection)
        due_ms = (now_ms - SETTLE_MS) // SWEEP_MS * SWEEP_MS
        if due_ms <= state.frontier_ms:
            return False
        _begin(connection, "sweep", state.frontier_ms, due_ms)
        connection.execute("UPDATE state SET frontier_ms = ?", (due_ms,))
        return True
    from_ms, to_ms, series_id, at_ms = job
    if series_id == 0 and (series_id := _series_after(connection, 0)) == 0:
        _end_sweep(connection, to_ms)
        return True
    begin_ms = max(at_ms, from_ms)
    end_ms = _cut_slots(connection, begin_ms, to_ms)
    connection.execute(_SETTLE, {"series": series_id, "begin": begin_ms // SLOT_MS, "end": end_ms // SLOT_MS})
    _make_minutes(connection, series_id, begin_ms, end_ms)
    _make_hours(connection, series_id, begin_ms // HOUR_MS, end_ms // HOUR_MS)
    if end_ms < to_ms:
        _move(connection, "sweep", series_id, end_ms)
    elif following := _series_after(connection, series_id):
        _move(connection, "sweep", following, from_ms)
    else:
        _end_sweep(connection, to_ms)
    return True


def _end_sweep(connection: sqlite3.Connection, to_ms: int) -> None:
    connection.execute("DELETE FROM job WHERE name = 'sweep'")
    connection.execute("UPDATE state SET swept_ms = ?", (to_ms,))


def _cut_slots(connection: sqlite3.Connection, begin_ms: int, end_ms: int) -> int:
    """Give an end between two minutes that takes in about `_SLOTS` slots at most, and at least one."""
    slots = connection.execute(
        "SELECT id FROM slot WHERE id >= ? AND id < ? ORDER BY id LIMIT 1 OFFSET ?",
        (begin_ms // SLOT_MS, end_ms // SLOT_MS, _SLOTS),
    ).fetchone()
    if slots is None:
        return end_ms
    (first,) = connection.execute("SELECT min(id) FROM slot WHERE id >= ?", (begin_ms // SLOT_MS,)).fetchone()
    return int(max(slots[0] * SLOT_MS // MINUTE_MS, first * SLOT_MS // MINUTE_MS + 1) * MINUTE_MS)


def _clear(connection: sqlite3.Connection) -> bool:
    """Drop some rows of the oldest slot, once everything in it is settled."""
    (slot,) = connection.execute("SELECT min(id) FROM slot").fetchone()
    if slot is None or (slot + 1) * SLOT_MS > read_state(connection).swept_ms:
        return False
    row = connection.execute(
        "SELECT series_id FROM recent WHERE slot = ? ORDER BY series_id LIMIT 1 OFFSET ?", (slot, _CHUNK)
    ).fetchone()
    if row is not None:
        connection.execute("DELETE FROM recent WHERE slot = ? AND series_id <= ?", (slot, row[0]))
    else:
        connection.execute("DELETE FROM recent WHERE slot = ?", (slot,))
        connection.execute("DELETE FROM slot WHERE id = ?", (slot,))
    return True


def _make_minutes(connection: sqlite3.Connection, series_id: int, begin_ms: int, end_ms: int) -> None:
    connection.execute(_MAKE_MINUTES, {"series": series_id, "begin": begin_ms, "end": end_ms})


def _make_hours(connection: sqlite3.Connection, series_id: int, begin: int, end: int) -> None:
    if begin < end:
        connection.execute(_MAKE_HOURS, {"series": series_id, "begin": begin, "end": end})


# --- retention --------------------------------------------------------------------------------------------------------


def _drop(connection: sqlite3.Connection, keep: Keep, now_ms: int) -> bool:
    """Drop rows of one series that are too old; one level after the other, each no further than the finer one."""
    state = read_state(connection)
    for name, kept, limit_ms, done_ms in (
        ("sample", keep.samples, state.swept_ms, state.sample_ms),
        ("minute", keep.minutes, state.sample_ms, state.minute_ms),
        ("hour", keep.hours, state.minute_ms, state.hour_ms),
    ):
        if _job(connection, name) is not None:
            return _drop_some(connection, name)
        if kept is None:
            continue
        due_ms = min(now_ms - round(kept / timedelta(milliseconds=1)), limit_ms) // HOUR_MS * HOUR_MS
        if due_ms > done_ms:
            _begin(connection, name, done_ms, due_ms)
            # Readers and writers know at once from when on they may count on rows of this level.
            connection.execute(f"UPDATE state SET {name}_ms = ?", (due_ms,))  # noqa: S608 - one of three names
            return True
    return False


def _drop_some(connection: sqlite3.Connection, name: str) -> bool:
    job = _job(connection, name)
    if job is None:
        return False
    from_ms, to_ms, series_id, at_ms = job
    level = _LEVELS[name]
    if series_id == 0:
        series_id = _series_after(connection, 0)
    begin_ms = max(at_ms, from_ms)
    end_ms = _cut(connection, level, series_id, begin_ms, to_ms, unit_ms=HOUR_MS)
    hour = f"{level.column} / {HOUR_MS // level.unit_ms}"
    connection.execute(
        f"DELETE FROM {level.table} WHERE series_id = :series AND {level.column} >= :begin AND {level.column} < :end"  # noqa: S608 - names of ours
        + _NOT_LATE.replace("{hour}", hour),
        {"series": series_id, "begin": begin_ms // level.unit_ms, "end": end_ms // level.unit_ms},
    )
    if end_ms < to_ms:
        _move(connection, name, series_id, end_ms)
    elif following := _series_after(connection, series_id):
        _move(connection, name, following, from_ms)
    else:
        connection.execute("DELETE FROM job WHERE name = ?", (name,))
    return True


def _expire(connection: sqlite3.Connection, now_ms: int) -> bool:
    """Drop one hour's rows that came late and were kept for long enough."""
    row = connection.execute(
        "SELECT series_id, at FROM late WHERE until_ms <= ? ORDER BY until_ms LIMIT 1", (now_ms,)
    ).fetchone()
    if row is None:
        return False
    series_id, hour = row
    again = connection.execute(
        "SELECT 1 FROM dirty WHERE series_id = ? AND at >= ? AND at < ? LIMIT 1", (series_id, hour * 60, hour * 60 + 60)
    ).fetchone()
    if again is not None:
        return False  # it is rolled up first, and then kept for longer
    state = read_state(connection)
    for name, kept_from_ms in (("sample", state.sample_ms), ("minute", state.minute_ms), ("hour", state.hour_ms)):
        level = _LEVELS[name]
        if (hour + 1) * HOUR_MS <= kept_from_ms:
            connection.execute(
                f"DELETE FROM {level.table} WHERE series_id = ? AND {level.column} >= ? AND {level.column} < ?",  # noqa: S608 - names of ours
                (series_id, hour * HOUR_MS // level.unit_ms, (hour + 1) * HOUR_MS // level.unit_ms),
            )
    connection.execute("DELETE FROM late WHERE series_id = ? AND at = ?", (series_id, hour))
    return True


# --- work that goes through all series --------------------------------------------------------------------------------


def _job(connection: sqlite3.Connection, name: str) -> tuple[int, int, int, int] | None:
    """Give (from, to, series, at) of a job that has begun; series 0 stands before the first one."""
    row = connection.execute("SELECT from_ms, to_ms, series_id, at_ms FROM job WHERE name = ?", (name,)).fetchone()
    return None if row is None else (row[0], row[1], row[2], row[3])


def _begin(connection: sqlite3.Connection, name: str, from_ms: int, to_ms: int) -> None:
    connection.execute("INSERT INTO job VALUES (?, ?, ?, 0, ?)", (name, from_ms, to_ms, from_ms))


def _move(connection: sqlite3.Connection, name: str, series_id: int, at_ms: int) -> None:
    connection.execute("UPDATE job SET series_id = ?, at_ms = ? WHERE name = ?", (series_id, at_ms, name))


def _series_after(connection: sqlite3.Connection, series_id: int) -> int:
    row = connection.execute("SELECT min(id) FROM series WHERE id > ?", (series_id,)).fetchone()
    return row[0] or 0


def _cut(
    connection: sqlite3.Connection, level: _Level, series_id: int, begin_ms: int, end_ms: int, *, unit_ms: int
) -> int:
    """Give an end that takes in about `_CHUNK` rows at most, and at least one whole unit."""
    row = connection.execute(
        f"SELECT {level.column} FROM {level.table} WHERE series_id = ? AND {level.column} >= ? AND {level.column} < ? "  # noqa: S608 - names of ours
        f"ORDER BY {level.column} LIMIT 1 OFFSET ?",
        (series_id, begin_ms // level.unit_ms, end_ms // level.unit_ms, _CHUNK),
    ).fetchone()
    if row is None:
        return end_ms
    first = connection.execute(
        f"SELECT min({level.column}) FROM {level.table} WHERE series_id = ? AND {level.column} >= ?",  # noqa: S608 - names of ours
        (series_id, begin_ms // level.unit_ms),
    ).fetchone()
    least_ms = (first[0] * level.unit_ms // unit_ms + 1) * unit_ms
    return int(min(max(row[0] * level.unit_ms // unit_ms * unit_ms, least_ms), end_ms))

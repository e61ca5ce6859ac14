"""Writing samples to the embedded store: what is new in bulk, what is late or there already row by row."""

import sqlite3
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from operator import itemgetter

from cloud.telemetry.api import Sample
from cloud.telemetry.domain import HOUR_MS, MINUTE_MS
from cloud.telemetry.sqlite_schema import SLOT_MS, State, read_state, stored

Row = tuple[int, int, int, float | str | None, int]
"""A sample as it lies in `recent`: slot, series, time, value, quality."""

_MOST_BESIDE = 20
"""Milliseconds after its own at which a sample may lie."""

_ADD_RECENT = "INSERT INTO recent VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_ADD_SLOT = "INSERT INTO slot VALUES (?) ON CONFLICT DO NOTHING"
_HELD_RECENT = "SELECT value, quality FROM recent WHERE slot = ? AND series_id = ? AND at_ms = ?"
_HELD_SETTLED = "SELECT value, quality FROM settled WHERE series_id = ? AND at_ms = ?"


def rows_of(samples: Sequence[Sample], ids: Mapping[int, Mapping[str, int]]) -> list[Row]:
    """Give samples in the order of the file's pages; KeyError when a series has no number yet.

    `ids` is by device and point: a message is of one device, so most of what it needs is at hand in the processor.
    """
    rows = [
        (at_ms // SLOT_MS, ids[device_id][point], at_ms, stored(value), quality)
        for device_id, point, at_ms, value, quality in samples
    ]
    rows.sort(key=itemgetter(0, 1))
    return rows


def write_rows(connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
    """Store ordered rows within the transaction that is open; how many were new."""
    state = read_state(connection)
    border = bisect_left(rows, (state.frontier_ms // SLOT_MS,))  # sweeps end between two slots
    recent, late = rows[border:], rows[:border]
    made = connection.total_changes
    connection.executemany(_ADD_RECENT, recent)
    written = connection.total_changes - made
    connection.executemany(_ADD_SLOT, [(slot,) for slot in sorted({row[0] for row in recent})])
    if written < len(recent):
        written += sum(_store_beside(connection, row, state) is not None for row in recent)
    return written + _write_late(connection, late, state) if late else written


def _store_beside(connection: sqlite3.Connection, row: Row, state: State) -> int | None:
    """Store a sample, at the next free millisecond when another one has its own; when it is there, None.

    An agent whose clock was set back may give a time twice: both values were measured, and neither is lost.
    """
    _, series, at_ms, value, quality = row
    border_ms = state.border_ms(series)
    for moved_ms in range(at_ms, at_ms + _MOST_BESIDE):
        slot = moved_ms // SLOT_MS
        if moved_ms < border_ms:
            held = connection.execute(_HELD_SETTLED, (series, moved_ms)).fetchone()
        else:
            held = connection.execute(_HELD_RECENT, (slot, series, moved_ms)).fetchone()
        if held == (value, quality):
            return None
        if held is not None:
            continue
        if moved_ms < border_ms:
            connection.execute("INSERT INTO settled VALUES (?, ?, ?, ?)", (series, moved_ms, value, quality))
        else:
            connection.execute(_ADD_RECENT, (slot, series, moved_ms, value, quality))
            connection.execute(_ADD_SLOT, (slot,))
        return moved_ms
    return None


def _write_late(connection: sqlite3.Connection, rows: Sequence[Row], state: State) -> int:
    """Store samples of a time that a sweep has come to, and mark the minutes that are rolled up; how many were new."""
    sealed: dict[tuple[int, int], bool] = {}
    dirty: set[tuple[int, int]] = set()
    written = 0
    for row in rows:
        _, series, at_ms, _, _ = row
        if at_ms < state.sample_ms:
            minute = (series, at_ms // MINUTE_MS)
            if minute not in sealed:
                sealed[minute] = _is_sealed(connection, *minute, state)
            if sealed[minute]:
                continue
        stored_ms = _store_beside(connection, row, state)
        if stored_ms is not None:
            written += 1
            if stored_ms < state.border_ms(series):
                dirty.add((series, stored_ms // MINUTE_MS))
    connection.executemany("INSERT INTO dirty VALUES (?, ?) ON CONFLICT DO NOTHING", sorted(dirty))
    return written


def _is_sealed(connection: sqlite3.Connection, series_id: int, minute: int, state: State) -> bool:
    """Whether what a minute is made of has been dropped, so that nothing can be told from a repetition any more."""
    if minute * MINUTE_MS < state.hour_ms:
        return True
    if _exists(connection, "minute", series_id, minute, minute + 1):
        return not _exists(connection, "settled", series_id, minute * MINUTE_MS, (minute + 1) * MINUTE_MS)
    hour = minute * MINUTE_MS // HOUR_MS
    return (
        _exists(connection, "hour", series_id, hour, hour + 1)
        and not _exists(connection, "minute", series_id, hour * 60, hour * 60 + 60)
    )  # fmt: skip


def _exists(connection: sqlite3.Connection, table: str, series_id: int, begin: int, end: int) -> bool:
    column = "at_ms" if table == "settled" else "at"
    found = connection.execute(
        f"SELECT 1 FROM {table} WHERE series_id = ? AND {column} >= ? AND {column} < ? LIMIT 1",  # noqa: S608 - names of ours
        (series_id, begin, end),
    )
    return found.fetchone() is not None

"""Telemetry in a SQLite file of its own: small, durable, and written by one thread of a process at a time."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from cloud.platform.errors import Unavailable
from cloud.telemetry.api import Bucket, Sample
from cloud.telemetry.domain import HOUR_MS, MINUTE_MS, is_storable
from cloud.telemetry.sqlite_schema import State, TooNew, prepare, read_state, stored
from cloud.telemetry.sqlite_series import Behind, read_series
from cloud.telemetry.sqlite_upkeep import Keep, upkeep_step
from runtime.health import Check, Status
from runtime.logs import get_log

_STEP_S = 0.02
_MOST_BESIDE = 20  # milliseconds after its own at which a sample may lie
"""For how long a step of the upkeep may hold the file."""

_REMEDIES = (
    ("full", "free some space on its disk; nothing is lost meanwhile, agents keep what is not acknowledged"),
    ("malformed", "the file is damaged and stays as it is: stop the service, then restore a backup or move it away"),
    ("not a database", "this is no telemetry file and stays as it is: name another one, or move it away"),
    ("locked", "another process holds the file; it is tried again"),
)

T = TypeVar("T")


class EmbeddedTelemetry:
    """A `TelemetryStore` in one file. The file is opened when it is first needed, and again after a failure.

    `patience` is how long a write waits for another process that holds the file. A sample for a minute (hour) whose own
    samples (minutes) have been dropped is taken as a repetition and changes nothing.
    """

    def __init__(self, file: Path, *, patience: timedelta = timedelta(seconds=5), keep: Keep | None = None) -> None:
        self._file = file
        self._patience = patience
        self._keep = keep or Keep()
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="telemetry-write")
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="telemetry-read")
        self._writer: sqlite3.Connection | None = None
        self._ids: dict[tuple[int, str], int] = {}
        self._trouble = ""
        self._log = get_log("cloud.telemetry")

    async def write(self, samples: Sequence[Sample]) -> int:
        """Store samples in one transaction that is on the disk before this returns."""
        storable = [one for one in samples if is_storable(one.at_ms)]
        if len(storable) < len(samples):
            self._log.warning("samples with impossible times are left out", count=len(samples) - len(storable))
        if not storable:
            return 0
        return await self._run(self._writing, lambda: self._write(storable))

    async def series(
        self, *, device_id: int, point: str, from_ms: int, to_ms: int, max_points: int
    ) -> tuple[Bucket, ...]:
        """Give the buckets that hold anything, in order of time; a bounded number of rows is read for it.

        What came late is told after the next steps of the upkeep. Below a minute a stretch may be longer than asked
        for, when the span holds more samples than one question may read.
        """
        return await self._run(self._reading, lambda: self._series(device_id, point, from_ms, to_ms, max_points))

    async def maintain(self, now_ms: int) -> bool:
        """Roll up and drop a little, in one transaction of some hundredths of a second."""
        return await self._run(self._writing, lambda: self._maintain(now_ms))

    def health(self) -> Check:
        """Whether the file could be used when it was last needed."""
        return Check(status=Status.DOWN, detail=self._trouble) if self._trouble else Check(status=Status.OK)

    async def close(self) -> None:
        """Close the file when the write in progress has ended."""
        await self._run(self._writing, self._drop)
        self._writing.shutdown()
        self._reading.shutdown()

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            done = await asyncio.get_running_loop().run_in_executor(pool, work)
        except (sqlite3.Error, OSError, TooNew) as error:
            why = str(error)
            self._trouble = f"the telemetry store does not work: {why} ({self._file})"
            remedy = next((text for word, text in _REMEDIES if word in why), None)
            raise Unavailable(self._trouble + (f": {remedy}" if remedy else ""), remedy=remedy) from error
        except Behind as error:
            remedy = "start the worker (`linli cloud worker`), or ask for a shorter span"
            raise Unavailable(str(error), remedy=remedy) from error
        self._trouble = ""
        return done

    # --- in the threads ----------------------------------------------------------------------------------------------

    def _connection(self) -> sqlite3.Connection:
        if self._writer is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # It belongs to the pool's one thread, which may be another object after a restart of the pool.
            connection = sqlite3.connect(
                self._file, timeout=self._patience.total_seconds(), isolation_level=None, check_same_thread=False
            )
            try:
                prepare(connection)
            except (sqlite3.Error, TooNew):
                connection.close()
                raise
            self._writer = connection
        return self._writer

    def _maintain(self, now_ms: int) -> bool:
        if self._writer is None and not self._file.exists():
            return False  # nothing was ever written
        end = time.monotonic() + _STEP_S
        try:
            return upkeep_step(self._connection(), self._keep, now_ms, more_time=lambda: time.monotonic() < end)
        except sqlite3.Error:
            self._drop()
            raise

    def _write(self, samples: Sequence[Sample]) -> int:
        connection = self._connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            ids = self._ids
            try:
                rows = _rows(samples, ids)
            except KeyError:  # series that are new are rare, and looking for them costs as much as the rest
                fresh = {(one.device_id, one.point) for one in samples} - ids.keys()
                ids = {**ids, **{key: self._series_id(connection, *key) for key in fresh}}
                rows = _rows(samples, ids)
            state = read_state(connection)
            rows.sort(key=itemgetter(0, 1))  # in the order of the file's pages
            made = connection.total_changes
            recent = [row for row in rows if row[1] >= state.frontier_ms]
            connection.executemany("INSERT INTO sample VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", recent)
            written = connection.total_changes - made
            if written < len(recent):
                written += sum(_store_beside(connection, row) is not None for row in recent)
            late = [row for row in rows if row[1] < state.frontier_ms]
            if late:
                written += _write_late(connection, late, state)
            connection.execute("COMMIT")
        except sqlite3.Error:
            self._drop()
            raise
        self._ids = ids
        return written

    @staticmethod
    def _series_id(connection: sqlite3.Connection, device_id: int, point: str) -> int:
        connection.execute(
            "INSERT INTO series (device_id, point) VALUES (?, ?) ON CONFLICT DO NOTHING", (device_id, point)
        )
        row = connection.execute("SELECT id FROM series WHERE device_id = ? AND point = ?", (device_id, point))
        return int(row.fetchone()[0])

    def _drop(self) -> None:
        """Forget the connection, and with it a half-done transaction."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._ids = {}

    def _series(self, device_id: int, point: str, from_ms: int, to_ms: int, max_points: int) -> tuple[Bucket, ...]:
        if not self._file.exists():
            return ()  # nothing was ever written
        with closing(
            sqlite3.connect(self._file, timeout=self._patience.total_seconds(), isolation_level=None)
        ) as connection:
            return read_series(
                connection, device_id=device_id, point=point, from_ms=from_ms, to_ms=to_ms, max_points=max_points
            )


Row = tuple[int, int, float | str | None, int]


def _rows(samples: Sequence[Sample], ids: Mapping[tuple[int, str], int]) -> list[Row]:
    """Give samples as they lie in the file; KeyError when a series has no number yet."""
    return [
        (ids[device_id, point], at_ms, stored(value), quality) for device_id, point, at_ms, value, quality in samples
    ]


def _store_beside(connection: sqlite3.Connection, row: Row) -> int | None:
    """Store a sample, at the next free millisecond when another one has its own; when it is there, None.

    An agent whose clock was set back may give a time twice: both values were measured, and neither is lost.
    """
    series, at_ms, value, quality = row
    for moved_ms in range(at_ms, at_ms + _MOST_BESIDE):
        query = "SELECT value, quality FROM sample WHERE series_id = ? AND at_ms = ?"
        held = connection.execute(query, (series, moved_ms)).fetchone()
        if held is None:
            connection.execute("INSERT INTO sample VALUES (?, ?, ?, ?)", (series, moved_ms, value, quality))
            return moved_ms
        if held == (value, quality):
            return None
    return None


def _write_late(connection: sqlite3.Connection, rows: Sequence[Row], state: State) -> int:
    """Store samples of a time that is rolled up already, and mark their minutes; how many were new."""
    sealed: dict[tuple[int, int], bool] = {}
    dirty: set[tuple[int, int]] = set()
    written = 0
    for row in rows:
        minute = (row[0], row[1] // MINUTE_MS)
        if row[1] < state.sample_ms:
            if minute not in sealed:
                sealed[minute] = _is_sealed(connection, *minute, state)
            if sealed[minute]:
                continue
        at_ms = _store_beside(connection, row)
        if at_ms is not None:
            written += 1
            dirty.add((row[0], at_ms // MINUTE_MS))
    connection.executemany("INSERT INTO dirty VALUES (?, ?) ON CONFLICT DO NOTHING", sorted(dirty))
    return written


def _is_sealed(connection: sqlite3.Connection, series_id: int, minute: int, state: State) -> bool:
    """Whether what a minute is made of has been dropped, so that nothing can be told from a repetition any more."""
    if minute * MINUTE_MS < state.hour_ms:
        return True
    if _exists(connection, "minute", series_id, minute, minute + 1):
        return not _exists(connection, "sample", series_id, minute * MINUTE_MS, (minute + 1) * MINUTE_MS)
    hour = minute * MINUTE_MS // HOUR_MS
    return (
        _exists(connection, "hour", series_id, hour, hour + 1)
        and not _exists(connection, "minute", series_id, hour * 60, hour * 60 + 60)
    )  # fmt: skip


def _exists(connection: sqlite3.Connection, table: str, series_id: int, begin: int, end: int) -> bool:
    column = "at_ms" if table == "sample" else "at"
    found = connection.execute(
        f"SELECT 1 FROM {table} WHERE series_id = ? AND {column} >= ? AND {column} < ? LIMIT 1",  # noqa: S608 - names of ours
        (series_id, begin, end),
    )
    return found.fetchone() is not None

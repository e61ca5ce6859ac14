"""Telemetry in a SQLite file of its own: small, durable, and written by one thread of a process at a time."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from cloud.platform.errors import Unavailable
from cloud.telemetry.api import Bucket, Sample
from cloud.telemetry.domain import is_storable
from cloud.telemetry.sqlite_schema import TooNew, bring_up, has_table, prepare
from cloud.telemetry.sqlite_series import Behind, read_series
from cloud.telemetry.sqlite_upkeep import Keep, upkeep_step
from cloud.telemetry.sqlite_write import rows_of, write_rows
from runtime.health import Check, Status
from runtime.logs import get_log

_STEP_S = 0.03
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
        self._ids: dict[int, dict[str, int]] = {}
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
                rows = rows_of(samples, ids)
            except KeyError:  # series that are new are rare, and looking for them costs as much as the rest
                ids = self._with_new(connection, samples)
                rows = rows_of(samples, ids)
            written = write_rows(connection, rows)
            connection.execute("COMMIT")
        except sqlite3.Error:
            self._drop()
            raise
        self._ids = ids
        return written

    def _with_new(self, connection: sqlite3.Connection, samples: Sequence[Sample]) -> dict[int, dict[str, int]]:
        """Give the numbers of all series that are known, and of those that are new in these samples."""
        ids = dict(self._ids)
        for one in samples:
            known = ids.get(one.device_id, {})
            if one.point not in known:
                ids[one.device_id] = {**known, one.point: self._series_id(connection, one.device_id, one.point)}
        return ids

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
            if not has_table(connection, "series"):
                return ()  # another process is about to make it
            bring_up(connection)
            return read_series(
                connection, device_id=device_id, point=point, from_ms=from_ms, to_ms=to_ms, max_points=max_points
            )

"""Telemetry in a SQLite file of its own: small, durable, and written by one thread."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from cloud.platform.errors import Unavailable
from cloud.telemetry.api import Bucket, Sample
from wire.payload import Quality

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, device_id INTEGER NOT NULL, point TEXT NOT NULL, UNIQUE (device_id, point)
);
CREATE TABLE IF NOT EXISTS sample (
    series_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, value, quality INTEGER NOT NULL, PRIMARY KEY (series_id, at_ms)
) WITHOUT ROWID;
"""

_FIGURES = """
SELECT (at_ms - :from_ms) / :width AS bucket, count(*),
       min(CASE WHEN quality = :good THEN value END), max(CASE WHEN quality = :good THEN value END),
       avg(CASE WHEN quality = :good AND typeof(value) <> 'text' THEN value END)
FROM sample WHERE series_id = :series AND at_ms >= :from_ms AND at_ms < :to_ms GROUP BY bucket ORDER BY bucket
"""

# SQLite takes the other columns from the row that holds the maximum, when max() is the only aggregate.
_LAST = """
SELECT (at_ms - :from_ms) / :width AS bucket, value, quality, max(at_ms)
FROM sample WHERE series_id = :series AND at_ms >= :from_ms AND at_ms < :to_ms GROUP BY bucket ORDER BY bucket
"""

T = TypeVar("T")


class EmbeddedTelemetry:
    """A `TelemetryStore` in one file. The file is opened when it is first needed, and again after a failure.

    `patience` is how long a write waits for another process that holds the file.
    """

    def __init__(self, file: Path, *, patience: timedelta = timedelta(seconds=5)) -> None:
        self._file = file
        self._patience = patience
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="telemetry-write")
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="telemetry-read")
        self._writer: sqlite3.Connection | None = None
        self._ids: dict[tuple[int, str], int] = {}

    async def write(self, samples: Sequence[Sample]) -> int:
        """Store samples in one transaction that is on the disk before this returns."""
        if not samples:
            return 0
        return await self._run(self._writing, lambda: self._write(samples))

    async def series(
        self, *, device_id: int, point: str, from_ms: int, to_ms: int, max_points: int
    ) -> tuple[Bucket, ...]:
        """Give the buckets that hold anything, in order of time."""
        span = max(to_ms - from_ms, 1)
        width = max(-(-span // max(max_points, 1)), 1)
        return await self._run(self._reading, lambda: self._series(device_id, point, from_ms, to_ms, width))

    async def close(self) -> None:
        """Close the file when the write in progress has ended."""
        await self._run(self._writing, self._drop)
        self._writing.shutdown()
        self._reading.shutdown()

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"the telemetry store does not work: {error} ({self._file})") from error

    # --- in the threads ----------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # The connection belongs to the pool's one thread, which may be another object after a restart of the pool.
        connection = sqlite3.connect(
            self._file, timeout=self._patience.total_seconds(), isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _write(self, samples: Sequence[Sample]) -> int:
        if self._writer is None:
            self._writer = self._open()
        connection = self._writer
        try:
            connection.execute("BEGIN IMMEDIATE")
            fresh = {key for sample in samples if (key := (sample.device_id, sample.point)) not in self._ids}
            ids = {**self._ids, **{key: self._series_id(connection, *key) for key in fresh}} if fresh else self._ids
            made = connection.total_changes
            connection.executemany(
                "INSERT INTO sample VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(ids[one.device_id, one.point], one.at_ms, one.value, one.quality) for one in samples],
            )
            written = connection.total_changes - made
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

    def _series(self, device_id: int, point: str, from_ms: int, to_ms: int, width: int) -> tuple[Bucket, ...]:
        if not self._file.exists():
            return ()  # nothing was ever written
        with closing(sqlite3.connect(self._file, timeout=self._patience.total_seconds())) as connection:
            row = connection.execute("SELECT id FROM series WHERE device_id = ? AND point = ?", (device_id, point))
            found = row.fetchone()
            if found is None:
                return ()
            values = {"series": found[0], "from_ms": from_ms, "to_ms": to_ms, "width": width, "good": int(Quality.GOOD)}
            connection.execute("BEGIN")  # both answers from one moment
            figures = connection.execute(_FIGURES, values).fetchall()
            lasts = connection.execute(_LAST, values).fetchall()
        return tuple(
            Bucket(
                at_ms=from_ms + bucket * width,
                count=count,
                low=_number(low),
                high=_number(high),
                mean=mean,
                last=value,
                last_ms=at_ms,
                last_quality=quality,
            )
            for (bucket, count, low, high, mean), (_, value, quality, at_ms) in zip(figures, lasts, strict=True)
        )


def _number(value: float | str | None) -> float | None:
    return None if isinstance(value, str) else value

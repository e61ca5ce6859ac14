"""The tables of the embedded store, and how a value lies in them.

`sample` holds what was measured, `minute` and `hour` what is made of it: all samples counted, and of the good numbers
their count, lowest, highest and total. To be small, `high` is NULL where it equals `low`, and `total` is then NULL too.
`at` counts minutes or hours since 1970; `last_at` is milliseconds after the beginning of its minute or hour.

Below `state.frontier_ms` a new sample marks its minute in `dirty`; above, nothing was ever rolled up. `swept_ms` is
how far the roll-ups are complete (but for what is dirty). `sample_ms`, `minute_ms` and `hour_ms` tell from when on each
level is kept. `late` names the hours whose rows came late, and how long they are kept in spite of that. `job` is how
far work that goes through all series has come.
"""

import math
import sqlite3
from dataclasses import dataclass

VERSION = 1

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, device_id INTEGER NOT NULL, point TEXT NOT NULL, UNIQUE (device_id, point)
);
CREATE TABLE IF NOT EXISTS sample (
    series_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, value, quality INTEGER NOT NULL, PRIMARY KEY (series_id, at_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minute (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, samples INTEGER NOT NULL, good INTEGER NOT NULL,
    low, high, total, last, last_at INTEGER NOT NULL, last_quality INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hour (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, samples INTEGER NOT NULL, good INTEGER NOT NULL,
    low, high, total, last, last_at INTEGER NOT NULL, last_quality INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dirty (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS late (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS late_until ON late (until_ms);
CREATE TABLE IF NOT EXISTS job (
    name TEXT PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    series_id INTEGER NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (
    id INTEGER PRIMARY KEY CHECK (id = 1), frontier_ms INTEGER NOT NULL, swept_ms INTEGER NOT NULL,
    sample_ms INTEGER NOT NULL, minute_ms INTEGER NOT NULL, hour_ms INTEGER NOT NULL
);
INSERT INTO state VALUES (1, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING;
PRAGMA user_version = 1;
COMMIT;
"""

# Each series grows at a place of its own, so that a batch touches about as many pages as it has samples. Small pages,
# a cache that holds those places, and a log that takes several batches before it is copied back, are there for that.
_SETTINGS = (
    "page_size=2048",  # before the first table; a file that exists keeps its own
    "journal_mode=WAL",
    "synchronous=FULL",
    "cache_size=-65536",
    "wal_autocheckpoint=8192",
)

_SMALL = 2**31


class TooNew(Exception):
    """The file was written by a later version of Linli."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """How far the file's upkeep has come; all zero at first."""

    frontier_ms: int = 0
    swept_ms: int = 0
    sample_ms: int = 0
    minute_ms: int = 0
    hour_ms: int = 0


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a file that lacks them; TooNew when it is not ours to write."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise TooNew(f"a later version of Linli wrote it (format {version}, this one knows {VERSION})")
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    if version < VERSION:
        connection.executescript(_SCHEMA)


def read_state(connection: sqlite3.Connection) -> State:
    """Read how far the upkeep has come; a file of an earlier version has none."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        return State()
    row = connection.execute("SELECT frontier_ms, swept_ms, sample_ms, minute_ms, hour_ms FROM state").fetchone()
    frontier, swept, sample, minute, hour = row
    return State(frontier_ms=frontier, swept_ms=swept, sample_ms=sample, minute_ms=minute, hour_ms=hour)


def stored(value: float | str | None) -> float | str | None:
    """Give a value as it lies in the file: whole numbers as integers, which SQLite keeps in fewer bytes."""
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    if number.is_integer():
        return int(number) if -_SMALL <= number <= _SMALL else number
    return number if math.isfinite(number) else None


def shown(value: float | str | None) -> float | str | None:
    """Give a value of the file as it was measured."""
    return value if value is None or isinstance(value, str) else float(value)

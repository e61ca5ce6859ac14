"""The tables of the embedded store, and how a value lies in them.

What was measured lies in two tables, each row in one of them. `recent` takes what is new: it is ordered by slots of
time and then by series, so that a batch is written to neighbouring pages, however many series there are. Every few
minutes the upkeep settles it: it moves the rows of one series after the other to `settled`, which is ordered by series,
as questions ask. `slot` names the slots that have rows. The view `sample` shows both as one, for whoever looks from
outside; which rows of a series are in which table is told by its border (`State.border_ms`).

`minute` and `hour` hold what is made of settled samples: all samples counted, and of the good numbers their count,
lowest, highest and total. To be small, `high` is NULL where it equals `low`, and `total` is then NULL too. `at` counts
minutes or hours since 1970; `last_at` is milliseconds after the beginning of its minute or hour.

Below a series' border a new sample marks its minute in `dirty`; above, nothing was ever rolled up. `swept_ms` is how
far all samples are settled and rolled up (but for what is dirty), and `frontier_ms` how far they will be when the sweep
that is going on has been through all series. `sample_ms`, `minute_ms` and `hour_ms` tell from when on each level is
kept. `late` names the hours whose rows came late, and how long they are kept in spite of that. `job` is how far work
that goes through all series has come.
"""

import math
import sqlite3
from dataclasses import dataclass

VERSION = 2

SLOT_MS = 10_000
"""How long a slot is: so short that what a batch touches of it stays small, so long that a series has few of them."""

_TABLES = (
    """CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, device_id INTEGER NOT NULL, point TEXT NOT NULL, UNIQUE (device_id, point)
)""",
    "CREATE TABLE slot (id INTEGER PRIMARY KEY)",
    """CREATE TABLE recent (
    slot INTEGER NOT NULL, series_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, value, quality INTEGER NOT NULL,
    PRIMARY KEY (slot, series_id, at_ms)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS settled (
    series_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, value, quality INTEGER NOT NULL, PRIMARY KEY (series_id, at_ms)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS minute (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, samples INTEGER NOT NULL, good INTEGER NOT NULL,
    low, high, total, last, last_at INTEGER NOT NULL, last_quality INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS hour (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, samples INTEGER NOT NULL, good INTEGER NOT NULL,
    low, high, total, last, last_at INTEGER NOT NULL, last_quality INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS dirty (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS late (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS late_until ON late (until_ms)",
    """CREATE TABLE IF NOT EXISTS job (
    name TEXT PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    series_id INTEGER NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS state (
    id INTEGER PRIMARY KEY CHECK (id = 1), frontier_ms INTEGER NOT NULL, swept_ms INTEGER NOT NULL,
    sample_ms INTEGER NOT NULL, minute_ms INTEGER NOT NULL, hour_ms INTEGER NOT NULL
)""",
    "INSERT INTO state VALUES (1, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
)

# The same rule as `State.border_ms`, for whoever asks in SQL.
_VIEW = """
CREATE VIEW sample (series_id, at_ms, value, quality) AS
SELECT series_id, at_ms, value, quality FROM settled
UNION ALL
SELECT recent.series_id, recent.at_ms, recent.value, recent.quality
FROM series CROSS JOIN slot CROSS JOIN recent ON recent.slot = slot.id AND recent.series_id = series.id
WHERE recent.at_ms >= (
    SELECT CASE WHEN job.series_id IS NULL OR series.id < job.series_id THEN frontier_ms
                WHEN series.id = job.series_id THEN max(job.at_ms, swept_ms) ELSE swept_ms END
    FROM state LEFT JOIN job ON job.name = 'sweep'
)
"""

# Format 1 had one table, ordered by series. What no sweep has been through yet becomes recent, and the sweep that was
# going on begins anew, which changes nothing that it has made.
_TAKE_OVER = (
    """INSERT INTO recent
SELECT at_ms / 10000, series_id, at_ms, value, quality
FROM series CROSS JOIN settled ON series_id = series.id AND at_ms >= (SELECT swept_ms FROM state)""",
    "INSERT INTO slot SELECT DISTINCT slot FROM recent",
    "DELETE FROM settled WHERE series_id IN (SELECT id FROM series) AND at_ms >= (SELECT swept_ms FROM state)",
    "UPDATE job SET series_id = 0, at_ms = from_ms WHERE name = 'sweep'",
)

# Settled series grow each at a place of its own, so that a sweep touches at least as many pages as there are series:
# small ones. The cache holds a slot, and the log takes several batches before it is copied back.
_SETTINGS = (
    "page_size=2048",  # before the first table; a file that exists keeps its own
    "journal_mode=WAL",
    "synchronous=FULL",
    "cache_size=-24576",
    "wal_autocheckpoint=8192",
    "secure_delete=FAST",  # slots that are settled are dropped all the time: their pages need not be written once more
)

_SMALL = 2**31


class TooNew(Exception):
    """The file was written by a later version of Linli."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """How far the file's upkeep has come; all zero at first.

    `sweeping` is where the sweep that is going on stands: the series, and the time up to which it has been settled.
    """

    frontier_ms: int = 0
    swept_ms: int = 0
    sample_ms: int = 0
    minute_ms: int = 0
    hour_ms: int = 0
    sweeping: tuple[int, int] | None = None

    def border_ms(self, series_id: int) -> int:
        """Give the time before which a series is settled; from then on it is recent."""
        if self.sweeping is None or series_id < self.sweeping[0]:
            return self.frontier_ms
        return max(self.sweeping[1], self.swept_ms) if series_id == self.sweeping[0] else self.swept_ms


def prepare(connection: sqlite3.Connection) -> None:
    """Set a connection that writes up, and make the tables of a file that lacks them; TooNew when it is not ours."""
    _version(connection)
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    bring_up(connection)


def bring_up(connection: sqlite3.Connection) -> None:
    """Make of a file of any earlier format one of this format, at once or not at all; TooNew when it is not ours."""
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) < VERSION:  # nobody else was quicker
            old = has_table(connection, "sample")
            if old:
                connection.execute("ALTER TABLE sample RENAME TO settled")
            for statement in (*_TABLES, *(_TAKE_OVER if old else ()), _VIEW):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise TooNew(f"a later version of Linli wrote it (format {version}, this one knows {VERSION})")
    return int(version)


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the file has a table of this name."""
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (name,))
    return found.fetchone() is not None


_STATE = """
SELECT frontier_ms, swept_ms, sample_ms, minute_ms, hour_ms, job.series_id, job.at_ms
FROM state LEFT JOIN job ON job.name = 'sweep'
"""


def read_state(connection: sqlite3.Connection) -> State:
    """Read how far the upkeep has come."""
    frontier, swept, sample, minute, hour, series_id, at_ms = connection.execute(_STATE).fetchone()
    return State(
        frontier_ms=frontier,
        swept_ms=swept,
        sample_ms=sample,
        minute_ms=minute,
        hour_ms=hour,
        sweeping=None if series_id is None else (series_id, at_ms),
    )


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

"""The journal's tables, and what goes wrong with its file."""

import contextlib
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.losses import RecordClass, read_loss
from edge.overflow import Amount
from edge.records import Gap, Record, decode_body

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    offset INTEGER PRIMARY KEY, device TEXT NOT NULL, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS gaps (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS commands (
    id TEXT PRIMARY KEY, device TEXT NOT NULL, name TEXT NOT NULL, at_ms INTEGER NOT NULL, outcome TEXT, detail TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS commands_by_time ON commands (at_ms);
CREATE TABLE IF NOT EXISTS documents (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
"""
LATER_COLUMNS = (
    ("records", "birth", "TEXT NOT NULL DEFAULT ''"),  # empty: the present birth
    ("commands", "birth", "TEXT NOT NULL DEFAULT ''"),
    ("records", "class", "TEXT NOT NULL DEFAULT 'telemetry'"),
    ("records", "crc", "INTEGER"),  # null: it was written without one
    ("gaps", "loss", "TEXT NOT NULL DEFAULT ''"),
)
"""Columns that a journal of an earlier version does not have."""
RECORD_OVERHEAD = 48
"""Bytes that a row takes beside its body, about: key, device, time, page structure."""
KEEP_COMMANDS_MS = 7 * 86_400_000
"""How long a finished command's id is kept. Tokens live seconds, so an older one is refused by its token."""
DROPPED = "dropped:"
"""A prefix in `meta`: how many records of a class are lost."""
CLOCK = "clock_ms"
"""In `meta`: the floor for the clock of the next start, from the times of records."""
SPENT = "spent_times"
"""In `meta`: which times were ever given, as `edge.spent` writes them."""
FORMER = "former"
"""In `meta`: what is known of the journal that this one takes the place of, as JSON."""

Row = tuple[int, str, int, bytes, str, str, int | None]
"""A record as `ROW` selects it."""
ROW = "offset, device, at_ms, body, birth, class, crc"


class JournalError(Exception):
    """The journal could not do what was asked. `retry` says whether the same may work later."""

    retry = False


class JournalFull(JournalError):
    """The disk is full or does not take writes at this moment; nothing was changed."""

    retry = True


class JournalBroken(JournalError):
    """The file's content is damaged."""


class JournalDenied(JournalError):
    """This user may not write there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalStatus:
    """The journal in figures; of each class that is held, and of each that is lost. `oldest_ms` is None when empty."""

    journal_id: str
    records: int
    bytes: int
    first: int
    last: int
    acknowledged: int
    dropped: int
    oldest_ms: int | None
    unfinished_commands: int
    gaps: int
    held: Mapping[RecordClass, Amount]
    lost: Mapping[RecordClass, int]


def checksum(*, offset: int, device: str, at_ms: int, birth: str, kind: str, body: bytes) -> int:
    """Give the checksum of a record: SQLite has none of its own for what lies in the main file."""
    head = f"{offset}\0{device}\0{at_ms}\0{birth}\0{kind}\0"
    return zlib.crc32(body, zlib.crc32(head.encode()))


def read_row(row: Row) -> Record:
    """Read a record; ValueError when it is not what was written."""
    offset, device, at_ms, body, birth, kind, crc = row
    if not isinstance(body, bytes):
        raise ValueError(f"record {offset} is not what was written: it is no bytes")  # noqa: TRY004 one error for all
    if crc is not None and crc != checksum(
        offset=offset, device=device, at_ms=at_ms, birth=birth, kind=kind, body=body
    ):
        raise ValueError(f"record {offset} is not what was written: its checksum is wrong")
    return decode_body(offset=offset, device=device, at_ms=at_ms, body=body, birth=birth, kind=RecordClass(kind))


def read_gap(first: int, last: int, loss: str) -> Gap:
    """Read a tombstone."""
    return Gap(first=first, last=last, loss=read_loss(loss).within(last - first + 1))


def columns(db: sqlite3.Connection, table: str) -> set[str]:
    """Give the names of a table's columns."""
    return {row[1] for row in db.execute(f"PRAGMA table_info({table})")}


def status_of(db: sqlite3.Connection) -> JournalStatus:
    """Read the figures, also of a journal of an earlier version. sqlite3.DatabaseError."""
    meta = {str(key): str(value) for key, value in db.execute("SELECT key, value FROM meta")}
    kind = "class" if "class" in columns(db, "records") else f"'{RecordClass.TELEMETRY}'"
    held = {
        RecordClass(one): Amount(records=int(count), bytes=int(size))
        for one, count, size in db.execute(
            f"SELECT {kind}, count(*), total(length(body) + ?) FROM records GROUP BY 1",  # noqa: S608 ours
            (RECORD_OVERHEAD,),
        )
    }
    oldest = db.execute("SELECT at_ms FROM records ORDER BY offset LIMIT 1").fetchone()
    everything = sum(held.values(), Amount())
    acknowledged = int(meta["acknowledged"])
    return JournalStatus(
        journal_id=meta["journal_id"],
        records=everything.records,
        bytes=everything.bytes,
        first=acknowledged + 1,
        last=int(meta["last"]),
        acknowledged=acknowledged,
        dropped=int(meta["dropped"]),
        oldest_ms=None if oldest is None else int(oldest[0]),
        unfinished_commands=int(db.execute("SELECT count(*) FROM commands WHERE outcome IS NULL").fetchone()[0]),
        gaps=int(db.execute("SELECT count(*) FROM gaps").fetchone()[0]),
        held={one: held[one] for one in RecordClass if one in held},
        lost={
            RecordClass(key.removeprefix(DROPPED)): int(value)
            for key, value in meta.items()
            if key.startswith(DROPPED) and int(value)
        },
    )


def connect(file: Path) -> sqlite3.Connection:
    """Open the file. JournalError."""
    with translated():
        # Autocommit: transactions are written out. The thread that opens it is not the one that made the executor.
        return sqlite3.connect(file, isolation_level=None, timeout=5.0)


_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into ours: damaged content, or a disk that does not take (or give) the bytes now."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGED:
            raise JournalBroken(str(error)) from error
        if isinstance(error, sqlite3.OperationalError):
            raise JournalFull(str(error)) from error
        raise JournalBroken(str(error)) from error

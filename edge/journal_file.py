"""The journal's SQLite file: every statement of it, called from one thread only.

WAL with synchronous=FULL: what a method has done when it returns survives a kill and a power cut.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edge.records import CommandResult, Draft, Entry, Gap, decode_body, encode_body
from wire.contract import Outcome
from wire.edge_node import next_bdseq

_SCHEMA = """
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
_LATER_COLUMNS = (("records", "birth"), ("commands", "birth"))
"""Columns that a journal of an earlier version does not have; empty there, which stands for the present birth."""
_RECORD_OVERHEAD = 48
"""Bytes that a row takes beside its body, about: key, device, time, page structure."""
_KEEP_COMMANDS_MS = 7 * 86_400_000
"""How long a finished command's id is kept. Tokens live seconds, so an older one is refused by its token."""


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
class Limits:
    """How much the journal may hold; beyond that the oldest records become a tombstone."""

    max_records: int
    max_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalStatus:
    """The journal in figures. `oldest_ms` is None when it holds no record."""

    journal_id: str
    records: int
    bytes: int
    first: int
    last: int
    acknowledged: int
    dropped: int
    oldest_ms: int | None
    unfinished_commands: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NotedCommand:
    """A command that was noted; `result` is None while it has no outcome."""

    command_id: str
    device: str
    name: str
    at_ms: int
    result: CommandResult | None
    birth: str = ""


class JournalFile:
    """An open journal. Not thread-safe: one thread opens, uses and closes it."""

    def __init__(self, file: Path, *, new_id: str, limits: Limits) -> None:
        """Open or create the file; `new_id` names the journal when it is new. JournalError."""
        self._limits = limits
        file.parent.mkdir(parents=True, exist_ok=True)
        for place in (file.parent, file):
            if place.exists() and not os.access(place, os.W_OK):
                raise JournalDenied(f"{place} cannot be written by this user")
        self._db = _connect(file)
        try:
            with _translated():
                self._open(new_id)
        except JournalError:
            self._db.close()
            raise

    def _open(self, new_id: str) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise JournalBroken(str(verdict))
        self._db.executescript(_SCHEMA)
        self._add_columns()
        with self._transaction():
            first_values = (("journal_id", new_id), ("last", "0"), ("acknowledged", "0"), ("dropped", "0"))
            self._db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", first_values)
        meta = dict(self._db.execute("SELECT key, value FROM meta"))
        self.journal_id = str(meta["journal_id"])
        self._last, self._acknowledged, self._dropped = (int(meta[k]) for k in ("last", "acknowledged", "dropped"))
        count, size = self._db.execute(
            "SELECT count(*), total(length(body) + ?) FROM records", (_RECORD_OVERHEAD,)
        ).fetchone()
        self._count, self._bytes = int(count), int(size)

    def _add_columns(self) -> None:
        for table, column in _LATER_COLUMNS:
            columns = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
            if column not in columns:
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def append(
        self, drafts: Sequence[Draft], *, lost: int = 0, documents: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, ...]:
        """Make records durable, all or none, in one transaction; gives their offsets.

        A draft with a command's result finishes that command in the same transaction. `lost` is how many records
        before these could not be kept: they get offsets too, under a tombstone, so that the loss shows. `documents` are
        what their births say, by key.
        """
        last, count, size, dropped = self._last, self._count, self._bytes, self._dropped
        with _translated(), self._transaction():
            if lost:
                self._add_gap(last + 1, last + lost)
                last, dropped = last + lost, dropped + lost
            offsets = tuple(range(last + 1, last + 1 + len(drafts)))
            rows = [(o, d.device, d.at_ms, encode_body(d), d.birth) for o, d in zip(offsets, drafts, strict=True)]
            self._db.executemany(
                "INSERT INTO records (offset, device, at_ms, body, birth) VALUES (?, ?, ?, ?, ?)", rows
            )
            self._db.executemany("INSERT OR IGNORE INTO documents VALUES (?, ?)", documents.items())
            for draft in drafts:
                if draft.result is not None:
                    self._finish(draft, draft.result)
            last, count = last + len(drafts), count + len(drafts)
            size += sum(len(row[3]) + _RECORD_OVERHEAD for row in rows)
            removed, freed = self._make_room(count, size)
            count, size, dropped = count - removed, size - freed, dropped + removed
            self._set(last=last, dropped=dropped)
        self._last, self._count, self._bytes, self._dropped = last, count, size, dropped
        return offsets

    def read(self, *, after: int, limit: int) -> tuple[Entry, ...]:
        """Give at most `limit` entries with offsets above `after`, in order and without holes between them."""
        with _translated():
            rows = self._db.execute(
                "SELECT offset, device, at_ms, body, birth FROM records WHERE offset > ? ORDER BY offset LIMIT ?",
                (after, limit),
            ).fetchall()
            gaps = self._db.execute(
                "SELECT first, last FROM gaps WHERE last > ? ORDER BY first LIMIT ?", (after, limit)
            ).fetchall()
        try:
            found: list[Entry] = [
                decode_body(offset=o, device=d, at_ms=t, body=body, birth=birth) for o, d, t, body, birth in rows
            ]
        except ValueError as error:
            raise JournalBroken(str(error)) from error
        found.extend(Gap(first=max(first, after + 1), last=last) for first, last in gaps)
        found.sort(key=lambda entry: entry.first if isinstance(entry, Gap) else entry.offset)
        return tuple(found[:limit])

    def acknowledge(self, journal_id: str, offset: int) -> bool:
        """Forget everything up to `offset`; False (and no change) for another journal or an offset not in this one."""
        if journal_id != self.journal_id or not self._acknowledged < offset <= self._last:
            return False
        with _translated(), self._transaction():
            removed, freed = self._measure(offset)
            self._db.execute("DELETE FROM records WHERE offset <= ?", (offset,))
            self._db.execute("DELETE FROM gaps WHERE last <= ?", (offset,))
            # The first of a gap is its key, and the rest of a gap that is only partly acknowledged stays.
            self._db.execute("UPDATE gaps SET first = ? WHERE first <= ?", (offset + 1, offset))
            self._set(acknowledged=offset)
        self._acknowledged = offset
        self._count, self._bytes = self._count - removed, self._bytes - freed
        return True

    def status(self) -> JournalStatus:
        """Give the journal in figures."""
        with _translated():
            oldest = self._db.execute("SELECT at_ms FROM records ORDER BY offset LIMIT 1").fetchone()
            open_commands = self._db.execute("SELECT count(*) FROM commands WHERE outcome IS NULL").fetchone()[0]
        return JournalStatus(
            journal_id=self.journal_id,
            records=self._count,
            bytes=self._bytes,
            first=self._acknowledged + 1,
            last=self._last,
            acknowledged=self._acknowledged,
            dropped=self._dropped,
            oldest_ms=None if oldest is None else int(oldest[0]),
            unfinished_commands=int(open_commands),
        )

    def last_offsets(self) -> dict[str, int]:
        """Give the highest offset that is held about each device."""
        with _translated():
            return dict(self._db.execute("SELECT device, max(offset) FROM records GROUP BY device"))

    def documents(self) -> dict[str, str]:
        """Give the documents that records or open commands need, by key; forget the others, if the disk lets us."""
        with _translated():
            found = dict(self._db.execute("SELECT key, body FROM documents"))
            needed = {row[0] for row in self._db.execute("SELECT DISTINCT birth FROM records")}
            needed |= {row[0] for row in self._db.execute("SELECT birth FROM commands WHERE outcome IS NULL")}
        named = " ".join(found.get(key, "") for key in needed)  # a document names what it needs by its key
        useless = [(key,) for key in found if key not in needed and key not in named]
        with contextlib.suppress(JournalFull), _translated(), self._transaction():
            self._db.executemany("DELETE FROM documents WHERE key = ?", useless)
        return {key: body for key, body in found.items() if (key,) not in set(useless)}

    def next_bdseq(self) -> int:
        """Count one CONNECT, durably; gives its bdSeq."""
        with _translated(), self._transaction():
            row = self._db.execute("SELECT value FROM meta WHERE key = 'bdseq'").fetchone()
            number = next_bdseq(None if row is None else int(row[0]))
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('bdseq', ?)", (str(number),))
        return number

    def begin_command(self, *, command_id: str, device: str, name: str, at_ms: int, birth: str = "") -> bool:
        """Note a command before the device sees anything of it; False when the id was seen before."""
        with _translated(), self._transaction():
            self._db.execute(
                "DELETE FROM commands WHERE outcome IS NOT NULL AND at_ms < ?", (at_ms - _KEEP_COMMANDS_MS,)
            )
            added = self._db.execute(
                "INSERT OR IGNORE INTO commands (id, device, name, at_ms, birth) VALUES (?, ?, ?, ?, ?)",
                (command_id, device, name, at_ms, birth),
            )
            return added.rowcount == 1

    def command(self, command_id: str) -> NotedCommand | None:
        """Give what is noted about a command, or None when its id was never seen."""
        with _translated():
            row = self._db.execute(
                "SELECT id, device, name, at_ms, outcome, detail, birth FROM commands WHERE id = ?", (command_id,)
            ).fetchone()
        return None if row is None else _noted(row)

    def unfinished_commands(self) -> tuple[NotedCommand, ...]:
        """Give the commands that were noted and have no outcome, the oldest first."""
        with _translated():
            rows = self._db.execute(
                "SELECT id, device, name, at_ms, outcome, detail, birth FROM commands"
                " WHERE outcome IS NULL ORDER BY at_ms"
            ).fetchall()
        return tuple(_noted(row) for row in rows)

    def _finish(self, draft: Draft, result: CommandResult) -> None:
        self._db.execute(
            "INSERT INTO commands (id, device, name, at_ms, outcome, detail) VALUES (?, ?, '', ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, detail = excluded.detail",
            (result.command_id, draft.device, draft.at_ms, result.outcome.value, result.detail),
        )

    def _make_room(self, count: int, size: int) -> tuple[int, int]:
        """Turn the oldest records into tombstones until the limits hold; gives (records, bytes) removed."""
        if count <= self._limits.max_records and size <= self._limits.max_bytes:
            return 0, 0
        # Room for a hundredth more, so that a full journal does not pay for an overflow with every append.
        goal_count, goal_size = self._limits.max_records * 99 // 100, self._limits.max_bytes * 99 // 100
        removed = freed = 0
        through = 0
        rows = self._db.execute("SELECT offset, length(body) FROM records ORDER BY offset")
        for offset, length in rows:
            # The newest record stays whatever its size: a journal that holds nothing would report nothing.
            if (count - removed <= goal_count and size - freed <= goal_size) or count - removed == 1:
                break
            removed, freed, through = removed + 1, freed + length + _RECORD_OVERHEAD, offset
        rows.close()
        if removed:
            first = self._db.execute("SELECT min(offset) FROM records").fetchone()[0]
            self._db.execute("DELETE FROM records WHERE offset <= ?", (through,))
            self._add_gap(first, through)
        return removed, freed

    def _add_gap(self, first: int, last: int) -> None:
        """Add a tombstone, together with those that touch it or lie in it: neighbours are one gap."""
        low, high = self._db.execute(
            "SELECT min(first), max(last) FROM gaps WHERE first <= ? AND last >= ?", (last + 1, first - 1)
        ).fetchone()
        self._db.execute("DELETE FROM gaps WHERE first <= ? AND last >= ?", (last + 1, first - 1))
        self._db.execute("INSERT INTO gaps VALUES (?, ?)", (min(first, low or first), max(last, high or last)))

    def _measure(self, through: int) -> tuple[int, int]:
        count, size = self._db.execute(
            "SELECT count(*), total(length(body) + ?) FROM records WHERE offset <= ?", (_RECORD_OVERHEAD, through)
        ).fetchone()
        return int(count), int(size)

    def _set(self, **values: int) -> None:
        self._db.executemany("UPDATE meta SET value = ? WHERE key = ?", [(str(v), k) for k, v in values.items()])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite itself rolls back on some errors, a full disk among them.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def look_into(file: Path) -> JournalStatus:
    """Read a journal's figures without changing it, also while its agent runs. sqlite3.DatabaseError."""
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
        db.execute("BEGIN")  # one moment for all the figures
        meta = dict(db.execute("SELECT key, value FROM meta"))
        count, size, oldest = db.execute(
            "SELECT count(*), total(length(body) + ?), min(at_ms) FROM records", (_RECORD_OVERHEAD,)
        ).fetchone()
        unfinished = db.execute("SELECT count(*) FROM commands WHERE outcome IS NULL").fetchone()[0]
    acknowledged = int(meta["acknowledged"])
    return JournalStatus(
        journal_id=meta["journal_id"],
        records=count,
        bytes=int(size),
        first=acknowledged + 1,
        last=int(meta["last"]),
        acknowledged=acknowledged,
        dropped=int(meta["dropped"]),
        oldest_ms=oldest,
        unfinished_commands=unfinished,
    )


def _connect(file: Path) -> sqlite3.Connection:
    with _translated():
        # Autocommit: transactions are written out. The thread that opens it is not the one that made the executor.
        return sqlite3.connect(file, isolation_level=None, timeout=5.0)


_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@contextlib.contextmanager
def _translated() -> Iterator[None]:
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


def _noted(row: tuple[str, str, str, int, str | None, str | None, str]) -> NotedCommand:
    command_id, device, name, at_ms, outcome, detail, birth = row
    result = None
    if outcome is not None:
        result = CommandResult(command_id=command_id, outcome=Outcome(outcome), detail=detail or "")
    return NotedCommand(command_id=command_id, device=device, name=name, at_ms=at_ms, result=result, birth=birth)

"""The journal's SQLite file: every statement that changes it, called from one thread only.

WAL with synchronous=FULL: what a method has done when it returns survives a kill and a power cut.
"""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edge.clock import TimeQuality
from edge.journal_schema import (
    CLOCK,
    DROPPED,
    FORMER,
    KEEP_COMMANDS_MS,
    LATER_COLUMNS,
    RECORD_OVERHEAD,
    ROW,
    SCHEMA,
    SPENT,
    JournalBroken,
    JournalDenied,
    JournalError,
    JournalFull,
    JournalStatus,
    checksum,
    columns,
    connect,
    read_gap,
    read_row,
    status_of,
    translated,
)
from edge.losses import Loss, Reason, RecordClass, added, one_lost, read_loss
from edge.overflow import Amount, Limits, Removal, next_removal, total
from edge.records import CommandResult, Draft, Entry, Gap, encode_body
from edge.spent import Span, write_spans
from wire.contract import Outcome
from wire.edge_node import next_bdseq

__all__ = [
    "JournalBroken",
    "JournalDenied",
    "JournalError",
    "JournalFile",
    "JournalFull",
    "JournalStatus",
    "Limits",
    "NotedCommand",
    "look_into",
]


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

    def __init__(
        self, file: Path, *, new_id: str, limits: Limits, former: Mapping[str, object] = MappingProxyType({})
    ) -> None:
        """Open or create the file; `new_id` names the journal when it is new, `former` the one before. JournalError."""
        self._limits = limits
        file.parent.mkdir(parents=True, exist_ok=True)
        for place in (file.parent, file):
            if place.exists() and not os.access(place, os.W_OK):
                raise JournalDenied(f"{place} cannot be written by this user")
        self._db = connect(file)
        try:
            with translated():
                self._open(new_id, former)
        except JournalError:
            self._db.close()
            raise

    def _open(self, new_id: str, former: Mapping[str, object]) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise JournalBroken(str(verdict))
        self._db.executescript(SCHEMA)
        for table, column, declared in LATER_COLUMNS:
            if column not in columns(self._db, table):
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {declared}")
        with self._transaction():
            first_values = {"journal_id": new_id, "last": "0", "acknowledged": "0", "dropped": "0", CLOCK: "0"}
            first_values |= {DROPPED + one: "0" for one in RecordClass}
            is_new = self._db.execute("SELECT 1 FROM meta WHERE key = 'journal_id'").fetchone() is None
            if is_new and former:
                first_values[FORMER] = json.dumps(former)
            self._db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", first_values.items())
        meta = dict(self._db.execute("SELECT key, value FROM meta"))
        self.journal_id = str(meta["journal_id"])
        self.former = str(meta.get(FORMER, ""))
        try:
            status = status_of(self._db)
            self._clock_ms = int(meta[CLOCK])
        except (ValueError, KeyError) as error:
            raise JournalBroken(f"not a journal's content: {error}") from error
        self._last, self._acknowledged, self._dropped = status.last, status.acknowledged, status.dropped
        self._held, self._lost = dict(status.held), dict(status.lost)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def clock_ms(self) -> int:
        """The floor for the clock of the next start, in Unix ms: the time of the newest record, as of `_floor`."""
        return self._clock_ms

    def append(
        self,
        drafts: Sequence[Draft],
        *,
        lost: Loss | None = None,
        documents: Mapping[str, str] = MappingProxyType({}),
        spent: Iterable[Span] | None = None,
    ) -> tuple[int, ...]:
        """Make records durable, all or none, in one transaction; gives their offsets.

        A draft with a command's result finishes that command in the same transaction. `lost` are the records before
        these that could not be kept: they get offsets too, under a tombstone, so that the loss shows. `documents` are
        what their births say, by key, and `spent` all times that readings ever had, those of these drafts among them.
        """
        last, dropped = self._last, self._lost
        held = {one: self._held.get(one, Amount()) for one in RecordClass}
        with translated(), self._transaction():
            if lost is not None and lost.total:
                self._add_gap(Gap(first=last + 1, last=last + lost.total, loss=lost))
                last, dropped = last + lost.total, added(dropped, lost.counts)
            offsets = tuple(range(last + 1, last + 1 + len(drafts)))
            rows = [_row(offset, draft) for offset, draft in zip(offsets, drafts, strict=True)]
            self._db.executemany(f"INSERT INTO records ({ROW}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608 ours
            self._db.executemany("INSERT OR IGNORE INTO documents VALUES (?, ?)", documents.items())
            for draft, row in zip(drafts, rows, strict=True):
                held[draft.worth] += Amount(records=1, bytes=len(row[3]) + RECORD_OVERHEAD)
                if draft.result is not None:
                    self._finish(draft, draft.result)
            last += len(drafts)
            newest = drafts[-1].worth if drafts else None
            clock_ms = _floor(self._clock_ms, drafts[-1]) if drafts else self._clock_ms
            while (removal := next_removal(held, self._limits, newest=newest)) is not None:
                loss = self._remove(removal, held, newest=last)
                if loss is None:
                    break  # only the newest record is left
                dropped = added(dropped, loss)
            self._set(last=last, dropped=sum(dropped.values()) + self._unclassed, **{CLOCK: clock_ms})
            self._set(**{DROPPED + one: count for one, count in dropped.items()})
            if spent is not None:
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (SPENT, write_spans(spent)))
        self._dropped = sum(dropped.values()) + self._unclassed
        self._last, self._held, self._lost, self._clock_ms = last, held, dropped, clock_ms
        return offsets

    @property
    def _unclassed(self) -> int:
        """How many records were lost before losses were counted by class."""
        return self._dropped - sum(self._lost.values())

    def read(self, *, after: int, limit: int) -> tuple[Entry, ...]:
        """Give at most `limit` entries with offsets above `after`, in order and without holes between them.

        A record that is not what was written is a gap.
        """
        with translated():
            rows = self._db.execute(
                f"SELECT {ROW} FROM records WHERE offset > ? ORDER BY offset LIMIT ?",  # noqa: S608 ours
                (after, limit),
            ).fetchall()
            gaps = self._db.execute(
                "SELECT first, last, loss FROM gaps WHERE last > ? ORDER BY first LIMIT ?", (after, limit)
            ).fetchall()
        found: list[Entry] = []
        for row in rows:
            try:
                found.append(read_row(row))
            except ValueError:
                kind = row[5] if row[5] in set(RecordClass) else RecordClass.TELEMETRY
                loss = one_lost(Reason.DAMAGED, RecordClass(kind), at_ms=row[2])
                found.append(Gap(first=row[0], last=row[0], loss=loss))
        found.extend(read_gap(max(first, after + 1), last, loss) for first, last, loss in gaps)
        found.sort(key=lambda entry: entry.first if isinstance(entry, Gap) else entry.offset)
        return tuple(found[:limit])

    def acknowledge(self, journal_id: str, offset: int) -> bool:
        """Forget everything up to `offset`; False (and no change) for another journal or an offset not in this one."""
        if journal_id != self.journal_id or not self._acknowledged < offset <= self._last:
            return False
        held = dict(self._held)
        with translated(), self._transaction():
            for kind, count, size in self._db.execute(
                "SELECT class, count(*), total(length(body) + ?) FROM records WHERE offset <= ? GROUP BY 1",
                (RECORD_OVERHEAD, offset),
            ):
                held[kind] = held[RecordClass(kind)] - Amount(records=int(count), bytes=int(size))
            self._db.execute("DELETE FROM records WHERE offset <= ?", (offset,))
            self._db.execute("DELETE FROM gaps WHERE last <= ?", (offset,))
            # The first of a gap is its key, and the rest of a gap that is only partly acknowledged stays.
            self._db.execute("UPDATE gaps SET first = ? WHERE first <= ?", (offset + 1, offset))
            self._set(acknowledged=offset)
        self._acknowledged, self._held = offset, held
        return True

    def status(self) -> JournalStatus:
        """Give the journal in figures."""
        with translated():
            oldest = self._db.execute("SELECT at_ms FROM records ORDER BY offset LIMIT 1").fetchone()
            open_commands = self._db.execute("SELECT count(*) FROM commands WHERE outcome IS NULL").fetchone()[0]
            gaps = self._db.execute("SELECT count(*) FROM gaps").fetchone()[0]
        everything = total(self._held)
        return JournalStatus(
            journal_id=self.journal_id,
            records=everything.records,
            bytes=everything.bytes,
            first=self._acknowledged + 1,
            last=self._last,
            acknowledged=self._acknowledged,
            dropped=self._dropped,
            oldest_ms=None if oldest is None else int(oldest[0]),
            unfinished_commands=int(open_commands),
            gaps=int(gaps),
            held={one: amount for one, amount in self._held.items() if amount.records},
            lost=self._lost,
        )

    def last_offsets(self) -> dict[str, int]:
        """Give the highest offset that is held about each device."""
        with translated():
            return dict(self._db.execute("SELECT device, max(offset) FROM records GROUP BY device"))

    def documents(self) -> dict[str, str]:
        """Give the documents that records or open commands need, by key; forget the others, if the disk lets us."""
        with translated():
            found = dict(self._db.execute("SELECT key, body FROM documents"))
            needed = {row[0] for row in self._db.execute("SELECT DISTINCT birth FROM records")}
            needed |= {row[0] for row in self._db.execute("SELECT birth FROM commands WHERE outcome IS NULL")}
        named = " ".join(found.get(key, "") for key in needed)  # a document names what it needs by its key
        useless = [(key,) for key in found if key not in needed and key not in named]
        with contextlib.suppress(JournalFull), translated(), self._transaction():
            self._db.executemany("DELETE FROM documents WHERE key = ?", useless)
        return {key: body for key, body in found.items() if (key,) not in set(useless)}

    def next_bdseq(self) -> int:
        """Count one CONNECT, durably; gives its bdSeq."""
        with translated(), self._transaction():
            row = self._db.execute("SELECT value FROM meta WHERE key = 'bdseq'").fetchone()
            number = next_bdseq(None if row is None else int(row[0]))
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('bdseq', ?)", (str(number),))
        return number

    def begin_command(self, *, command_id: str, device: str, name: str, at_ms: int, birth: str = "") -> bool:
        """Note a command before the device sees anything of it; False when the id was seen before."""
        with translated(), self._transaction():
            self._db.execute(
                "DELETE FROM commands WHERE outcome IS NOT NULL AND at_ms < ?", (at_ms - KEEP_COMMANDS_MS,)
            )
            added = self._db.execute(
                "INSERT OR IGNORE INTO commands (id, device, name, at_ms, birth) VALUES (?, ?, ?, ?, ?)",
                (command_id, device, name, at_ms, birth),
            )
            return added.rowcount == 1

    def command(self, command_id: str) -> NotedCommand | None:
        """Give what is noted about a command, or None when its id was never seen."""
        with translated():
            row = self._db.execute(
                "SELECT id, device, name, at_ms, outcome, detail, birth FROM commands WHERE id = ?", (command_id,)
            ).fetchone()
        return None if row is None else _noted(row)

    def unfinished_commands(self) -> tuple[NotedCommand, ...]:
        """Give the commands that were noted and have no outcome, the oldest first."""
        with translated():
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

    def _remove(
        self, removal: Removal, held: dict[RecordClass, Amount], *, newest: int
    ) -> dict[RecordClass, int] | None:
        """Turn the oldest records of some classes into gaps, never `newest`; gives how many by class, None for none."""
        marks = ", ".join("?" * len(removal.classes))
        rows = self._db.execute(
            f"SELECT offset, length(body), class, at_ms FROM records WHERE offset < ? AND class IN ({marks})"  # noqa: S608 marks
            " ORDER BY offset",
            (newest, *removal.classes),
        )
        gaps: list[Gap] = []
        gone = Amount()
        for offset, length, name, at_ms in rows:
            if gone.records >= removal.excess.records and gone.bytes >= removal.excess.bytes:
                break
            kind = RecordClass(name)
            one = Amount(records=1, bytes=length + RECORD_OVERHEAD)
            gone, held[kind] = gone + one, held[kind] - one
            _lengthen(gaps, offset, one_lost(Reason.OVERFLOW, kind, at_ms=at_ms))
        rows.close()
        if not gaps:
            return None
        self._db.executemany(
            "DELETE FROM records WHERE offset BETWEEN ? AND ?", [(one.first, one.last) for one in gaps]
        )
        for gap in gaps:
            self._add_gap(gap)
        return added(*(one.loss.counts for one in gaps if one.loss is not None))

    def _add_gap(self, gap: Gap) -> None:
        """Add a tombstone, as one with those that touch it, where all are lost for one reason."""
        loss = gap.loss or read_loss("")
        first, last = gap.first, gap.last
        touching = self._db.execute(
            "SELECT first, last, loss FROM gaps WHERE last = ? OR first = ?", (first - 1, last + 1)
        ).fetchall()
        for other in (read_gap(*row) for row in touching):
            if other.loss is not None and other.loss.reason is loss.reason:
                self._db.execute("DELETE FROM gaps WHERE first = ?", (other.first,))
                first, last, loss = min(first, other.first), max(last, other.last), loss.joined(other.loss)
        self._db.execute("INSERT INTO gaps (first, last, loss) VALUES (?, ?, ?)", (first, last, loss.document()))

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
        return status_of(db)


def _floor(before_ms: int, newest: Draft) -> int:
    """Give the floor after this record. A clock that was set forward just now does not raise it: it may be wrong."""
    if newest.time is TimeQuality.STEPPED and newest.at_ms > before_ms:
        return before_ms
    return newest.at_ms


def _row(offset: int, draft: Draft) -> tuple[int, str, int, bytes, str, str, int]:
    body, kind = encode_body(draft), draft.worth.value
    crc = checksum(offset=offset, device=draft.device, at_ms=draft.at_ms, birth=draft.birth, kind=kind, body=body)
    return offset, draft.device, draft.at_ms, body, draft.birth, kind, crc


def _lengthen(gaps: list[Gap], offset: int, loss: Loss) -> None:
    """Add a lost record to gaps that are in order: to the last of them where it follows on that."""
    before = gaps[-1] if gaps else None
    if before is not None and before.loss is not None and before.last == offset - 1:
        gaps[-1] = Gap(first=before.first, last=offset, loss=before.loss.joined(loss))
    else:
        gaps.append(Gap(first=offset, last=offset, loss=loss))


def _noted(row: tuple[str, str, str, int, str | None, str | None, str]) -> NotedCommand:
    command_id, device, name, at_ms, outcome, detail, birth = row
    result = None
    if outcome is not None:
        result = CommandResult(command_id=command_id, outcome=Outcome(outcome), detail=detail or "")
    return NotedCommand(command_id=command_id, device=device, name=name, at_ms=at_ms, result=result, birth=birth)

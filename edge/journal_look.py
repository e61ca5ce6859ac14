"""Looking into a journal without changing it: a running agent's, a dead one's, a damaged one that was set aside."""

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.journal_schema import CLOCK, ROW, SPENT, JournalStatus, columns, read_gap, read_row, status_of
from edge.losses import RecordClass
from edge.records import Entry, Gap, Record
from edge.spent import Span, read_spans

_PARTS = ("-wal", "")
"""What is copied, in this order: what a checkpoint moves meanwhile is then seen twice, and never missed."""


@contextlib.contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal for reading, one moment of it. sqlite3.DatabaseError, OSError.

    Where the folder takes no file of SQLite's beside the journal (a disk mounted read-only), a copy is read.
    """
    if not file.exists():
        raise FileNotFoundError(f"there is no journal {file}")
    with contextlib.ExitStack() as stack:
        try:
            db = stack.enter_context(_opened(file))
        except sqlite3.OperationalError:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linli-journal-")))
            for part in _PARTS:
                source = file.with_name(file.name + part)
                if source.exists():
                    shutil.copyfile(source, folder / source.name)
            db = stack.enter_context(_opened(folder / file.name))
        yield db


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield db


def clock_floor(file: Path) -> int | None:
    """Give the time of the newest record that a journal ever had; None where there is none, or it cannot be read."""
    with contextlib.suppress(sqlite3.DatabaseError, OSError, ValueError), reading(file) as db:
        row = db.execute("SELECT value FROM meta WHERE key = ?", (CLOCK,)).fetchone()
        return None if row is None else int(row[0])
    return None


def spent_times(file: Path) -> tuple[Span, ...]:
    """Give all times that readings in a journal ever had; none where there is no journal, or it cannot be read."""
    with contextlib.suppress(sqlite3.DatabaseError, OSError, ValueError), reading(file) as db:
        row = db.execute("SELECT value FROM meta WHERE key = ?", (SPENT,)).fetchone()
        return () if row is None else read_spans(row[0])
    return ()


def look_at_name(file: Path) -> tuple[str, int]:
    """Give a journal's id and its last offset, also of a damaged one. sqlite3.DatabaseError, OSError, KeyError."""
    with reading(file) as db:
        meta = dict(db.execute("SELECT key, value FROM meta"))
        return str(meta["journal_id"]), int(meta["last"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a check has found. `problems` is empty for a journal that is as it should be."""

    status: JournalStatus | None
    problems: tuple[str, ...]


def check(file: Path, *, thorough: bool) -> Found:
    """Check a journal: SQLite's own pages, and, where `thorough`, every record and every offset. OSError."""
    problems: list[str] = []
    status: JournalStatus | None = None
    try:
        with reading(file) as db:
            pragma = "integrity_check(20)" if thorough else "quick_check(20)"
            problems += [str(row[0]) for row in db.execute(f"PRAGMA {pragma}") if row[0] != "ok"]
            status = status_of(db)
            if thorough:
                problems += _broken_promises(db, status)
    except (sqlite3.DatabaseError, KeyError, ValueError) as error:
        problems.append(f"not readable: {error}")
    return Found(status=status, problems=tuple(problems))


def _broken_promises(db: sqlite3.Connection, status: JournalStatus) -> Iterator[str]:
    """Find offsets that are neither a record nor in a gap, or are both, or lie outside; and unreadable records."""
    after = status.acknowledged
    for first, last, problem in _spans(db):
        if problem:
            yield problem
        if first > after + 1:
            yield f"offsets {after + 1} to {first - 1} are neither a record nor a gap"
        elif first <= after:
            yield f"offset {first} is there twice, or was acknowledged"
        after = max(after, last)
    if after != status.last:
        yield f"the last offset that was given out is {status.last}, and what is held ends with {after}"


def _spans(db: sqlite3.Connection) -> Iterator[tuple[int, int, str]]:
    selected = _selected(db)
    rows = db.execute(
        f"SELECT offset, offset, 0 FROM records UNION ALL SELECT first, last, 1 FROM gaps ORDER BY 1"  # noqa: F541
    )
    for first, last, is_gap in rows:
        problem = ""
        if not is_gap:
            row = db.execute(f"SELECT {selected} FROM records WHERE offset = ?", (first,)).fetchone()  # noqa: S608 ours
            try:
                read_row(row)
            except ValueError as error:
                problem = str(error)
        yield first, last, problem


def entries(db: sqlite3.Connection) -> Iterator[Entry | str]:
    """Give what a journal holds, in the order of the offsets; for what cannot be read, a text that says so."""
    selected = _selected(db)
    loss = "loss" if "loss" in columns(db, "gaps") else "''"
    gaps = [read_gap(*row) for row in db.execute(f"SELECT first, last, {loss} FROM gaps ORDER BY first")]  # noqa: S608
    for one in _records(db, selected):
        while gaps and isinstance(one, Record) and gaps[0].first < one.offset:
            yield gaps.pop(0)
        yield one
    yield from gaps


def _records(db: sqlite3.Connection, selected: str) -> Iterator[Record | str]:
    """Read record by record; beyond a damaged page each offset is tried by itself."""
    after = status_of_ends(db)[0]
    try:
        for row in db.execute(f"SELECT {selected} FROM records ORDER BY offset"):  # noqa: S608 ours
            yield _read(row)
            after = row[0]
    except sqlite3.DatabaseError as error:
        yield f"damaged after offset {after}: {error}"
        for offset in range(after + 1, status_of_ends(db)[1] + 1):
            with contextlib.suppress(sqlite3.DatabaseError):
                row = db.execute(f"SELECT {selected} FROM records WHERE offset = ?", (offset,)).fetchone()  # noqa: S608
                if row is not None:
                    yield _read(row)


def status_of_ends(db: sqlite3.Connection) -> tuple[int, int]:
    """Give the acknowledged and the last offset."""
    meta = dict(db.execute("SELECT key, value FROM meta"))
    return int(meta["acknowledged"]), int(meta["last"])


def _read(row: tuple[int, str, int, bytes, str, str, int | None]) -> Record | str:
    try:
        return read_row(row)
    except (ValueError, TypeError) as error:
        return str(error)


def _selected(db: sqlite3.Connection) -> str:
    """Give the columns of a record; those that an earlier version does not have as what they stand for."""
    there = columns(db, "records")
    instead = {"birth": "''", "class": f"'{RecordClass.TELEMETRY}'", "crc": "NULL"}
    return ", ".join(one if one in there else instead[one] for one in ROW.split(", "))


def as_json(entry: Entry | str) -> str:
    """Write an entry as one line for people and programs; times in Unix ms."""
    said: dict[str, object]
    match entry:
        case Gap():
            loss = None if entry.loss is None else json.loads(entry.loss.document())
            said = {"gap": [entry.first, entry.last], "loss": loss}
        case Record():
            said = {
                "offset": entry.offset,
                "device": entry.device,
                "at_ms": entry.at_ms,
                "class": entry.kind,
                "time": entry.time,
                "birth": entry.birth,
                "readings": [
                    {
                        "point": one.point,
                        "value": one.value,
                        "quality": one.quality.name,
                        "at_ms": one.at_ms,
                        "reason": one.reason,
                    }
                    for one in entry.readings
                ],
            }
            if (result := entry.result) is not None:
                said["command"] = {"id": result.command_id, "outcome": result.outcome, "detail": result.detail}
        case str():
            said = {"unreadable": entry}
    return json.dumps(said, ensure_ascii=False)

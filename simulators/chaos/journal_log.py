"""What a journal accepted: SQLite itself notes each record in the transaction that accepts it, and we copy it out.

The trigger is no code of the product, the copy lies outside its processes, and acknowledgements do not shorten it. So a
record that was accepted and is not stored shows, whichever part forgot it.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from drivers.api import Quality, Reading
from edge.journal_file import JournalFile, Limits
from edge.records import decode_body

FILE_NAME = "journal.sqlite"
_TRIGGER = """
CREATE TABLE IF NOT EXISTS chaos_accepted (
    id INTEGER PRIMARY KEY, offset INTEGER, device TEXT, at_ms INTEGER, body BLOB, birth TEXT);
CREATE TRIGGER IF NOT EXISTS chaos_accept AFTER INSERT ON records BEGIN
    INSERT INTO chaos_accepted (offset, device, at_ms, body, birth)
    VALUES (NEW.offset, NEW.device, NEW.at_ms, NEW.body, NEW.birth);
END;
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A reading that a journal accepted under `offset`."""

    agent: str
    journal: str
    offset: int
    device: str
    reading: Reading

    @property
    def is_good(self) -> bool:
        """Whether it is a measurement."""
        return self.reading.quality is Quality.GOOD


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A look into a journal: how many records wait, and which of those that were noted are gone."""

    records: int
    last: int
    acknowledged: int
    vanished: tuple[int, ...]


@dataclass(kw_only=True)
class JournalLog:
    """The log of one agent's journal, in the agent's `folder`."""

    agent: str
    folder: Path
    journal_id: str
    accepted: list[Accepted] = field(default_factory=list)
    _noted: int = 0

    @property
    def file(self) -> Path:
        """The journal."""
        return self.folder / FILE_NAME

    def prepare(self) -> None:
        """Create the journal as the agent would, with the trigger; before the agent's first start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        JournalFile(self.file, new_id=self.journal_id, limits=Limits(max_records=10**6, max_bytes=10**9)).close()
        with contextlib.closing(sqlite3.connect(self.file)) as db:
            db.executescript(_TRIGGER)

    def look(self) -> Look | None:
        """Copy out what was accepted since the last look, from a copy of the files; None while they are being changed.

        Only the look at an agent that is dead is sure to succeed.
        """
        with tempfile.TemporaryDirectory(prefix="linli-journal-") as folder:
            copy = Path(folder) / FILE_NAME
            try:
                for end in ("-wal", ""):  # in this order: what a checkpoint moves meanwhile is then seen twice
                    source = self.file.with_name(FILE_NAME + end)
                    if source.exists():
                        shutil.copyfile(source, copy.with_name(FILE_NAME + end))
                with contextlib.closing(sqlite3.connect(copy)) as db:
                    return self._take(db)
            except (sqlite3.DatabaseError, OSError):
                return None

    def _take(self, db: sqlite3.Connection) -> Look:
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("a copy made while it was written")
        meta = dict(db.execute("SELECT key, value FROM meta"))
        there = {row[0] for row in db.execute("SELECT id FROM chaos_accepted WHERE id <= ?", (self._noted,))}
        vanished = tuple(sorted(set(range(1, self._noted + 1)) - there))
        rows = db.execute(
            "SELECT id, offset, device, at_ms, body, birth FROM chaos_accepted WHERE id > ? ORDER BY id", (self._noted,)
        )
        for number, offset, device, at_ms, body, birth in rows:
            record = decode_body(offset=offset, device=device, at_ms=at_ms, body=body, birth=birth)
            for reading in record.readings:
                one = Accepted(
                    agent=self.agent, journal=meta["journal_id"], offset=offset, device=device, reading=reading
                )
                self.accepted.append(one)
            self._noted = number
        waiting = db.execute("SELECT count(*) FROM records").fetchone()[0]
        return Look(
            records=int(waiting),
            last=int(meta["last"]),
            acknowledged=int(meta["acknowledged"]),
            vanished=vanished,
        )

"""What a journal accepted: SQLite itself notes each record in the transaction that accepts it, and we copy it out.

The trigger is no code of the product, the copy lies outside its processes, and acknowledgements do not shorten it. So a
record that was accepted and is not stored shows, whichever part forgot it.
"""

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from drivers.api import Quality, Reading
from edge.records import decode_body

FILE_NAME = "journal.sqlite"
_NOW_MS = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
"""SQLite asks the system, whose clock nobody steps."""
_TRIGGER = f"""
BEGIN IMMEDIATE;
CREATE TABLE chaos_accepted (id INTEGER PRIMARY KEY, offset, device, at_ms, body, accepted_ms);
INSERT INTO chaos_accepted (offset, device, at_ms, body, accepted_ms)
    SELECT offset, device, at_ms, body, {_NOW_MS} FROM records ORDER BY offset;
CREATE TRIGGER chaos_accept AFTER INSERT ON records BEGIN
    INSERT INTO chaos_accepted (offset, device, at_ms, body, accepted_ms)
        VALUES (NEW.offset, NEW.device, NEW.at_ms, NEW.body, {_NOW_MS});
END;
COMMIT;
"""  # noqa: S608 - made of constants
_INSTALLED_WITHIN_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A reading that a journal accepted under `offset`, at a moment of Unix ms by a clock that nobody steps."""

    agent: str
    journal: str
    offset: int
    device: str
    reading: Reading
    accepted_ms: int

    @property
    def is_good(self) -> bool:
        """Whether it is a measurement."""
        return self.reading.quality is Quality.GOOD


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A look into a journal: which of the records that were noted before are gone."""

    vanished: tuple[int, ...]


@dataclass(kw_only=True)
class JournalLog:
    """The log of one agent's journal, in the agent's `folder`."""

    agent: str
    folder: Path
    accepted: list[Accepted] = field(default_factory=list)
    _noted: int = 0

    @property
    def file(self) -> Path:
        """The journal."""
        return self.folder / FILE_NAME

    async def install(self) -> None:
        """Wait until the agent has made its journal, and put the trigger in; TimeoutError when it makes none."""
        deadline = time.monotonic() + _INSTALLED_WITHIN_S
        while True:
            with contextlib.suppress(sqlite3.OperationalError):
                await asyncio.to_thread(self._put_trigger)
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.agent} has made no journal in {self.folder}")
            await asyncio.sleep(0.02)

    def _put_trigger(self) -> None:
        with contextlib.closing(self._open("rw")) as db:
            db.executescript(_TRIGGER)

    def waiting(self) -> int:
        """Count the records that are not acknowledged yet, also while the agent runs; sqlite3.OperationalError."""
        with contextlib.closing(self._open("ro")) as db:
            return int(db.execute("SELECT count(*) FROM records").fetchone()[0])

    def _open(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.file.absolute().as_uri()}?mode={mode}", uri=True, timeout=5.0)

    def look(self) -> Look | None:
        """Copy out what was accepted since the last look, from a copy of the files; None when they cannot be read.

        The agent is dead: what is copied while it writes may be no journal.
        """
        with tempfile.TemporaryDirectory(prefix="linli-journal-") as folder:
            copy = Path(folder) / FILE_NAME
            try:
                for end in ("", "-wal"):
                    source = self.file.with_name(FILE_NAME + end)
                    if source.exists():
                        shutil.copyfile(source, copy.with_name(FILE_NAME + end))
                with contextlib.closing(sqlite3.connect(copy)) as db:
                    return self._take(db)
            except (sqlite3.DatabaseError, OSError):
                return None

    def _take(self, db: sqlite3.Connection) -> Look:
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")
        meta = dict(db.execute("SELECT key, value FROM meta"))
        there = {row[0] for row in db.execute("SELECT id FROM chaos_accepted WHERE id <= ?", (self._noted,))}
        vanished = tuple(sorted(set(range(1, self._noted + 1)) - there))
        rows = db.execute(
            "SELECT id, offset, device, at_ms, body, accepted_ms FROM chaos_accepted WHERE id > ? ORDER BY id",
            (self._noted,),
        )
        for number, offset, device, at_ms, body, accepted_ms in rows:
            record = decode_body(offset=offset, device=device, at_ms=at_ms, body=body)
            for reading in record.readings:
                one = Accepted(
                    agent=self.agent,
                    journal=meta["journal_id"],
                    offset=offset,
                    device=device,
                    reading=reading,
                    accepted_ms=accepted_ms,
                )
                self.accepted.append(one)
            self._noted = number
        return Look(vanished=vanished)

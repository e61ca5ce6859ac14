"""What a gate must not forget when its power is cut: an opening under way, who is inside, which orders were used.

One SQLite file for the gates of an agent, `synchronous=FULL`: what a method has written when it returns is on disk.
People appear by their opaque ids only. Methods block, and may be called from any thread.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge.gate.durable import DurableFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS opening (
    id TEXT PRIMARY KEY, gate TEXT NOT NULL, at_ms INTEGER NOT NULL, said TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inside (
    area TEXT NOT NULL, person TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (area, person)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used_order (
    id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""
_ORDERS_KEPT_MS = 24 * 3600 * 1000
"""Far beyond the life of an order's token, whatever the clock does."""


class LedgerError(Exception):
    """The gate's ledger cannot be used; the text says why. Meanwhile the gate opens nothing by its own decision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfinished:
    """An opening whose end nobody knows. `said` is the decision as it would have been told."""

    id: str
    gate: str
    at_ms: int
    said: str


class GateLedger(DurableFile):
    """The file."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, _SCHEMA, LedgerError)

    def begin(self, opening: Unfinished) -> None:
        """Note that a pulse is about to be sent. LedgerError: then it must not be."""
        self._write(
            "INSERT OR REPLACE INTO opening VALUES (?, ?, ?, ?)", opening.id, opening.gate, opening.at_ms, opening.said
        )

    def end(self, opening_id: str) -> None:
        """Note that it was told how an opening ended."""
        self._write("DELETE FROM opening WHERE id = ?", opening_id)

    def unfinished(self, gate: str) -> tuple[Unfinished, ...]:
        """Give the openings of a gate that an earlier process began and did not end, the oldest first."""
        rows = self._rows("SELECT id, gate, at_ms, said FROM opening WHERE gate = ? ORDER BY at_ms", gate)
        return tuple(Unfinished(id=row[0], gate=row[1], at_ms=row[2], said=row[3]) for row in rows)

    def enter(self, area: str, person: str, at_ms: int) -> None:
        """Note that somebody went in."""
        self._write("INSERT OR REPLACE INTO inside VALUES (?, ?, ?)", area, person, at_ms)

    def leave(self, area: str, person: str) -> None:
        """Note that somebody went out."""
        self._write("DELETE FROM inside WHERE area = ? AND person = ?", area, person)

    def is_inside(self, area: str, person: str) -> bool:
        """Whether somebody went in and has not come out."""
        return bool(self._rows("SELECT 1 FROM inside WHERE area = ? AND person = ?", area, person))

    def forget_inside(self, area: str) -> int:
        """Begin anew with nobody inside, as after a fire; gives how many were."""
        with self._lock:
            try:
                with closing(self._db.execute("DELETE FROM inside WHERE area = ?", (area,))) as done:
                    return done.rowcount
            except sqlite3.Error as error:
                raise LedgerError(str(error)) from error

    def use_order(self, order_id: str, at_ms: int) -> bool:
        """Note that an order is carried out now; False when it was before."""
        self._write("DELETE FROM used_order WHERE at_ms < ?", at_ms - _ORDERS_KEPT_MS)
        with self._lock:
            try:
                done = self._db.execute("INSERT OR IGNORE INTO used_order VALUES (?, ?)", (order_id, at_ms))
            except sqlite3.Error as error:
                raise LedgerError(str(error)) from error
            return done.rowcount == 1

    def _write(self, statement: str, *values: object) -> None:
        with self._lock:
            try:
                self._db.execute(statement, values)
            except sqlite3.Error as error:
                raise LedgerError(str(error)) from error

    def _rows(self, statement: str, *values: object) -> list[tuple[str, str, int, str]]:
        with self._lock:
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise LedgerError(str(error)) from error

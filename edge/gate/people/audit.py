"""The audit: who looked up whom, when, with what outcome, by opaque ids. Append-only, each entry chained to the last.

The chain is keyed: who changes, drops or adds an entry in the database without the key breaks it. What is older than
the retention goes from the front, and the chain's start is kept for the rest.
"""

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from edge.gate.people.api import DAY_MS
from edge.gate.people.crypto import Unopenable
from edge.gate.people.store import Vault, meta, set_meta

KEEP_MS = 3 * 366 * DAY_MS
"""As long as records of handling personal data are asked for (PIPL: three years)."""
_START = bytes(32)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """One thing that was done. `person` is an opaque id or empty; `by` the gate, the staff member, or the program."""

    what: str
    outcome: str
    at_ms: int
    gate: str
    person: str = ""
    by: str = ""
    figures: Mapping[str, float | str] = field(default_factory=dict)

    def body(self) -> str:
        """Write it as JSON; equal entries give equal text."""
        said = {
            "what": self.what,
            "outcome": self.outcome,
            "gate": self.gate,
            "by": self.by,
            "figures": dict(self.figures),
        }
        return json.dumps(said, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """An entry as it stands in the database, with its number."""

    number: int
    at_ms: int
    person: str
    body: str

    def entry(self) -> AuditEntry:
        """Read the body."""
        said = json.loads(self.body)
        return AuditEntry(at_ms=self.at_ms, person=self.person, **said)


class Audit:
    """Writes and checks the audit, within the caller's transaction."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def append(self, db: sqlite3.Connection, entries: Iterable[AuditEntry]) -> None:
        """Write entries at the end."""
        key = self._key(db, make=True)
        number, chain = self._head(db)
        for one in entries:
            number += 1
            body = one.body()
            chain = _link(key, chain, number, at_ms=one.at_ms, person=one.person, body=body)
            db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", (number, one.at_ms, one.person, body, chain))
        self._mark(db, "audit_head", number, chain)

    def trim(self, db: sqlite3.Connection, before_ms: int) -> int:
        """Forget the oldest entries up to the first that is not older than `before_ms`; give how many."""
        row = db.execute("SELECT min(number) FROM audit WHERE at_ms >= ?", (before_ms,)).fetchone()
        last = db.execute(
            "SELECT number, chain FROM audit WHERE ?1 IS NULL OR number < ?1 ORDER BY number DESC LIMIT 1", (row[0],)
        ).fetchone()
        if last is None:
            return 0
        self._mark(db, "audit_start", last[0], last[1])
        return db.execute("DELETE FROM audit WHERE number <= ?", (last[0],)).rowcount

    def read(
        self, db: sqlite3.Connection, *, person: str | None = None, since_ms: int = 0, last: int = -1
    ) -> Iterator[Written]:
        """Give entries, the oldest first: those about somebody, since a time, the last so many."""
        rows = db.execute(
            "SELECT * FROM (SELECT number, at_ms, person, body FROM audit WHERE at_ms >= ?1"
            " AND (?2 IS NULL OR person = ?2) ORDER BY number DESC LIMIT ?3) ORDER BY number",
            (since_ms, person, last),
        ).fetchall()
        for number, at_ms, about, body in rows:
            yield Written(number=number, at_ms=at_ms, person=about, body=body)

    def verify(self, db: sqlite3.Connection) -> tuple[str, ...]:
        """Say what is wrong with the chain; empty when every entry is as it was written, and none is missing."""
        if not meta(db, "audit_key") and db.execute("SELECT 1 FROM audit").fetchone() is None:
            return ()
        try:
            key = self._key(db, make=False)
            number, chain = self._marked(db, "audit_start")
            head = self._marked(db, "audit_head")
        except (Unopenable, ValueError, TypeError) as error:
            return (f"the audit's own marks are damaged: {error}",)
        for found, at_ms, person, body, link in db.execute(
            "SELECT number, at_ms, person, body, chain FROM audit ORDER BY number"
        ):
            if found != number + 1:
                return (f"after entry {number} comes entry {found}",)
            chain = _link(key, chain, found, at_ms=at_ms, person=person, body=body)
            if not hmac.compare_digest(chain, link):
                return (f"entry {found} is not what was written",)
            number = found
        if (number, chain) != head:
            return (f"it ends with entry {number}, and {head[0]} were written",)
        return ()

    def head(self, db: sqlite3.Connection) -> tuple[int, str]:
        """Give the number of the last entry and its link: noted elsewhere, it shows that nothing was cut off."""
        number, chain = self._head(db)
        return number, chain.hex()

    def restate(self, db: sqlite3.Connection, entries: Iterable[Written]) -> None:
        """Write entries of another database, chained anew, before any other."""
        self.append(db, (one.entry() for one in entries))

    def reseal(self, db: sqlite3.Connection, opened: Mapping[str, bytes]) -> None:
        """Seal the marks with the key that is now in use; `opened` is what `marks` gave before."""
        for name, data in opened.items():
            set_meta(db, name, self._vault.seal(data, row=f"meta/{name}"))

    def marks(self, db: sqlite3.Connection) -> dict[str, bytes]:
        """Give the chain's key, start and end, opened."""
        found: dict[str, bytes] = {}
        for name in ("audit_key", "audit_start", "audit_head"):
            if (row := _blob(db, name)) is not None:
                found[name] = self._vault.open(row, row=f"meta/{name}")
        return found

    def _head(self, db: sqlite3.Connection) -> tuple[int, bytes]:
        row = db.execute("SELECT number, chain FROM audit ORDER BY number DESC LIMIT 1").fetchone()
        return (int(row[0]), bytes(row[1])) if row is not None else self._marked(db, "audit_start")

    def _key(self, db: sqlite3.Connection, *, make: bool) -> bytes:
        sealed = _blob(db, "audit_key")
        if sealed is None:
            if not make:
                raise ValueError("the key of the chain is gone")
            key = self._vault.random_bytes(32)
            set_meta(db, "audit_key", self._vault.seal(key, row="meta/audit_key"))
            return key
        return self._vault.open(sealed, row="meta/audit_key")

    def _mark(self, db: sqlite3.Connection, name: str, number: int, chain: bytes) -> None:
        set_meta(db, name, self._vault.seal(number.to_bytes(8, "big") + chain, row=f"meta/{name}"))

    def _marked(self, db: sqlite3.Connection, name: str) -> tuple[int, bytes]:
        sealed = _blob(db, name)
        if sealed is None:
            return 0, _START
        data = self._vault.open(sealed, row=f"meta/{name}")
        return int.from_bytes(data[:8], "big"), data[8:]


def _link(key: bytes, before: bytes, number: int, *, at_ms: int, person: str, body: str) -> bytes:
    text = f"{number}\0{at_ms}\0{person}\0{body}".encode()
    return hmac.new(key, before + text, hashlib.sha256).digest()


def _blob(db: sqlite3.Connection, name: str) -> bytes | None:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])

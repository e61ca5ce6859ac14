"""The roll as the gate holds it: people, what they show, rules, revoked passes; every body sealed."""

import sqlite3
from collections.abc import Iterable, Iterator

from pydantic import TypeAdapter, ValidationError

from edge.gate.people.api import RollMismatch
from edge.gate.people.crypto import Unopenable
from edge.gate.people.store import Vault, meta, meta_number, next_seq, set_meta
from wire.roll import Credential, CredentialKind, GateRule, Person, Roll, RollDelta

_PERSON = TypeAdapter(Person)
_CREDENTIAL = TypeAdapter(Credential)
_RULE = TypeAdapter(GateRule)


class RollStore:
    """Reads and changes the roll. Changes are made within the caller's transaction."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def state(self, db: sqlite3.Connection) -> tuple[str, int, int | None]:
        """Give the community (empty at first), the revision (0 at first), and when that was issued."""
        return meta(db, "community"), meta_number(db, "revision") or 0, meta_number(db, "issued_ms")

    def apply(self, db: sqlite3.Connection, change: Roll | RollDelta) -> frozenset[str] | None:
        """Apply a roll, or the changes of one; give whose faces must go. None: it was applied before. RollMismatch."""
        community, revision, issued = self.state(db)
        if community and community != change.community:
            raise RollMismatch(f"this is the roll of {change.community}, and the gate stands in {community}")
        if isinstance(change, Roll):
            if change.revision < revision and issued is not None and change.issued_ms <= issued:
                raise RollMismatch(f"the roll {change.revision} is older than the {revision} that the gate holds")
            for table in ("people", "credentials", "rules", "revoked"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - the names stand above
            rules: tuple[GateRule, ...] | None = change.rules
        else:
            if change.revision <= revision:
                return None
            if change.base != revision:
                raise RollMismatch(f"these are the changes since {change.base}, and the gate holds {revision}")
            touched = [(one.id,) for one in change.people] + [(one,) for one in change.gone]
            db.executemany("DELETE FROM credentials WHERE person = ?", touched)
            db.executemany("DELETE FROM people WHERE id = ?", touched)
            if change.rules is not None:
                db.execute("DELETE FROM rules")
            rules = change.rules
        self._write(db, change, rules or ())
        next_seq(db)
        for key, value in (
            ("community", change.community), ("revision", change.revision), ("issued_ms", change.issued_ms)
        ):  # fmt: skip
            set_meta(db, key, str(value))
        return self._without_face(db, change)

    def _write(self, db: sqlite3.Connection, change: Roll | RollDelta, rules: Iterable[GateRule]) -> None:
        seal, digest = self._vault.seal, self._vault.sealer.digest
        db.executemany(
            "INSERT OR REPLACE INTO people VALUES (?, ?)",
            ((one.id, seal(_PERSON.dump_json(one), row=f"people/{one.id}")) for one in change.people),
        )
        rows = ((digest(one.kind.value, normal(one.kind, one.value)), one) for one in change.credentials)
        db.executemany(
            "INSERT OR REPLACE INTO credentials VALUES (?, ?, ?)",
            (
                (key, one.person, seal(_CREDENTIAL.dump_json(one), row=f"credentials/{key.hex()}/{one.person}"))
                for key, one in rows
            ),
        )
        db.executemany(
            "INSERT OR REPLACE INTO rules VALUES (?, ?)",
            ((one.gate, seal(_RULE.dump_json(one), row=f"rules/{one.gate}")) for one in rules),
        )
        db.executemany("INSERT OR IGNORE INTO revoked VALUES (?)", ((one,) for one in change.revoked))

    def _without_face(self, db: sqlite3.Connection, change: Roll | RollDelta) -> frozenset[str]:
        enrolled = {row[0] for row in db.execute("SELECT DISTINCT person FROM faces")}
        listed = {row[0] for row in db.execute("SELECT id FROM people")}
        declined = {one.id for one in change.people if not one.face}
        return frozenset(enrolled - listed | enrolled & declined)

    def person(self, db: sqlite3.Connection, person: str) -> Person | None:
        """Give somebody; None when they are not on the roll, or their row does not open."""
        row = db.execute("SELECT sealed FROM people WHERE id = ?", (person,)).fetchone()
        return None if row is None else self._person(person, row[0])

    def people(self, db: sqlite3.Connection) -> Iterator[Person]:
        """Give everybody whose row opens, by id."""
        for person, sealed in db.execute("SELECT id, sealed FROM people ORDER BY id"):
            if (found := self._person(person, sealed)) is not None:
                yield found

    def damaged(self, db: sqlite3.Connection) -> int:
        """Count the people whose row does not open."""
        rows = db.execute("SELECT id, sealed FROM people").fetchall()
        return sum(self._person(person, sealed) is None for person, sealed in rows)

    def holder(self, db: sqlite3.Connection, kind: CredentialKind, text: str, *, now_ms: int) -> str | None:
        """Give whose card or PIN it is; None when nobody's, when it has expired, or when it is that of several."""
        key = self._vault.sealer.digest(kind.value, normal(kind, text))
        found = [
            one.person
            for person, sealed in db.execute("SELECT person, sealed FROM credentials WHERE digest = ?", (key,))
            if (one := self._credential(key, person, sealed)) is not None
            and (one.valid_until_ms is None or now_ms < one.valid_until_ms)
        ]
        return found[0] if len(found) == 1 else None

    def credentials(self, db: sqlite3.Connection, person: str | None = None) -> Iterator[Credential]:
        """Give the credentials of somebody, or of all."""
        where, values = ("", ()) if person is None else (" WHERE person = ?", (person,))
        rows = db.execute(
            f"SELECT digest, person, sealed FROM credentials{where} ORDER BY person, digest",  # noqa: S608 - ours
            values,
        ).fetchall()
        for key, holder, sealed in rows:
            if (one := self._credential(key, holder, sealed)) is not None:
                yield one

    def rule(self, db: sqlite3.Connection, gate: str) -> GateRule | None:
        """Give what the service says of a gate."""
        row = db.execute("SELECT sealed FROM rules WHERE gate = ?", (gate,)).fetchone()
        try:
            return None if row is None else _RULE.validate_json(self._vault.open(row[0], row=f"rules/{gate}"))
        except (Unopenable, ValidationError):
            return None

    def rules(self, db: sqlite3.Connection) -> tuple[GateRule, ...]:
        """Give all rules."""
        gates = [row[0] for row in db.execute("SELECT gate FROM rules ORDER BY gate")]
        return tuple(found for gate in gates if (found := self.rule(db, gate)) is not None)

    def revoked(self, db: sqlite3.Connection) -> tuple[str, ...]:
        """Give the passes that were revoked."""
        return tuple(row[0] for row in db.execute("SELECT pass FROM revoked ORDER BY pass"))

    def is_revoked(self, db: sqlite3.Connection, pass_id: str) -> bool:
        """Tell whether a pass was revoked."""
        return db.execute("SELECT 1 FROM revoked WHERE pass = ?", (pass_id,)).fetchone() is not None

    def _person(self, person: str, sealed: bytes) -> Person | None:
        try:
            found = _PERSON.validate_json(self._vault.open(sealed, row=f"people/{person}"))
        except (Unopenable, ValidationError):
            return None
        return found

    def _credential(self, key: bytes, person: str, sealed: bytes) -> Credential | None:
        try:
            data = self._vault.open(sealed, row=f"credentials/{key.hex()}/{person}")
            return _CREDENTIAL.validate_json(data)
        except (Unopenable, ValidationError):
            return None


def digest_text(data: bytes) -> tuple[str, str]:
    """Give what the digest of a credential is made of, from its opened row; ValidationError."""
    one = _CREDENTIAL.validate_json(data)
    return one.kind.value, normal(one.kind, one.value)


def normal(kind: CredentialKind, text: str) -> str:
    """Give what of a card's number or a PIN is compared: card readers differ in case and in separators."""
    if kind is CredentialKind.PIN:
        return text.strip()
    return "".join(one for one in text.upper() if one.isalnum())

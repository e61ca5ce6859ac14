"""Changing a gate's key: everything is sealed anew, and the old key is forgotten.

In an order that survives a power cut at any line: first the key file has both keys, then the database is sealed with
the new one in one transaction, then the key file loses the old one.
"""

import os
import sqlite3
from pathlib import Path

from edge.gate.people.audit import Audit
from edge.gate.people.crypto import Sealer
from edge.gate.people.evidence import reseal_snapshots
from edge.gate.people.keys import KeyRing, RandomBytes, new_key, read_keys, write_keys
from edge.gate.people.roll_store import digest_text
from edge.gate.people.store import Vault, next_seq

_ROWS = (
    ("people", "id", "people/{0}"),
    ("rules", "gate", "rules/{0}"),
    ("calibrations", "model", "calibrations/{0}"),
    ("consents", "id, person", "consents/{0}/{1}"),
    ("faces", "id, person, model", "faces/{0}/{1}/{2}"),
)


def rotate(vault: Vault, evidence: Path, *, random_bytes: RandomBytes = os.urandom) -> str:
    """Change the key; give the new one's name. Also ends a rotation that was cut off. PeopleError, Unopenable."""
    ring = read_keys(vault.key_file, apart_from=vault.folder)
    fresh = new_key(random_bytes)
    both = KeyRing(current=fresh, former=(ring.current, *ring.former))
    write_keys(vault.key_file, both)
    sealer = Sealer(both, random_bytes=random_bytes)
    with vault.write() as db:
        _reseal(db, vault, sealer)
    reseal_snapshots(evidence, sealer)
    vault.scrub()
    write_keys(vault.key_file, KeyRing(current=fresh))
    vault.use(Sealer(KeyRing(current=fresh), random_bytes=random_bytes))
    return fresh.id.hex()


def _reseal(db: sqlite3.Connection, vault: Vault, sealer: Sealer) -> None:
    audit = Audit(vault)
    marks = audit.marks(db)
    for table, key, row in _ROWS:
        names = key.split(", ")
        match = " AND ".join(f"{one} = ?" for one in names)
        for *values, sealed in db.execute(f"SELECT {key}, sealed FROM {table}").fetchall():  # noqa: S608 - ours
            place = row.format(*values)
            again = sealer.seal(vault.open(sealed, row=place), row=place)
            db.execute(f"UPDATE {table} SET sealed = ? WHERE {match}", (again, *values))  # noqa: S608 - ours
    _reseal_credentials(db, vault, sealer)
    vault.use(sealer)
    audit.reseal(db, marks)
    vault.mark_key(db)
    next_seq(db)


def _reseal_credentials(db: sqlite3.Connection, vault: Vault, sealer: Sealer) -> None:
    """Seal cards and PINs anew, under the digests that the new key gives them."""
    rows = db.execute("SELECT digest, person, sealed FROM credentials").fetchall()
    db.execute("DELETE FROM credentials")
    for digest, person, sealed in rows:
        data = vault.open(sealed, row=f"credentials/{digest.hex()}/{person}")
        again = sealer.digest(*digest_text(data))
        row = f"credentials/{again.hex()}/{person}"
        db.execute("INSERT INTO credentials VALUES (?, ?, ?)", (again, person, sealer.seal(data, row=row)))

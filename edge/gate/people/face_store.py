"""Faces on disk: sealed templates with the model that made them and the consent that they rest on."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from pydantic import TypeAdapter, ValidationError

from edge.gate.people.api import Consent
from edge.gate.people.crypto import Unopenable
from edge.gate.people.store import Vault, digest_of, next_seq
from models.api import Floats
from models.face.search import Metric

_CONSENT = TypeAdapter(Consent)


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceRecord:
    """One template. `metric` says how templates of its model are compared; `origin` is the gate that made it."""

    id: str
    person: str
    model: str
    metric: Metric
    template: Floats = field(repr=False)
    enrolled_ms: int
    expires_ms: int
    origin: str
    consent: str
    """The id of the consent."""


class FaceStore:
    """Reads and changes faces, within the caller's transaction."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def put(self, db: sqlite3.Connection, faces: Iterable[FaceRecord]) -> None:
        """Write faces; one that is there already, or that was erased, stays as it is."""
        for one in faces:
            if db.execute("SELECT 1 FROM tombstones WHERE face = ?", (one.id,)).fetchone():
                continue
            sealed = self._vault.seal(_packed(one), row=_row(one.id, one.person, one.model))
            db.execute(
                "INSERT OR IGNORE INTO faces (id, person, model, consent, expires_ms, seq, sealed)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (one.id, one.person, one.model, one.consent, one.expires_ms, next_seq(db), sealed),
            )

    def put_consent(self, db: sqlite3.Connection, consent_id: str, person: str, consent: Consent) -> None:
        """Write a consent."""
        sealed = self._vault.seal(_CONSENT.dump_json(consent), row=f"consents/{consent_id}/{person}")
        db.execute("INSERT OR IGNORE INTO consents VALUES (?, ?, ?)", (consent_id, person, sealed))

    def consents(self, db: sqlite3.Connection, person: str | None = None) -> dict[str, tuple[str, Consent]]:
        """Give (person, consent) by the consent's id, of somebody or of all; what does not open is left out."""
        everything = "SELECT id, person, sealed FROM consents"
        rows = db.execute(
            *((everything,) if person is None else (f"{everything} WHERE person = ?", (person,)))
        ).fetchall()
        found: dict[str, tuple[str, Consent]] = {}
        for consent_id, holder, sealed in rows:
            try:
                data = self._vault.open(sealed, row=f"consents/{consent_id}/{holder}")
                found[consent_id] = holder, _CONSENT.validate_json(data)
            except (Unopenable, ValidationError):
                continue
        return found

    def erase_people(self, db: sqlite3.Connection, people: Iterable[str], *, at_ms: int, lasting: bool) -> int:
        """Erase all faces and consents of people; give how many faces there were.

        `lasting`: what another gate enrolled before `at_ms` and tells of later is refused too.
        """
        count = 0
        for person in people:
            ids = [row[0] for row in db.execute("SELECT id FROM faces WHERE person = ?", (person,))]
            count += self.erase(db, ids, at_ms=at_ms)
            db.execute("DELETE FROM consents WHERE person = ?", (person,))
            if lasting:
                self.note_erasure(db, person, at_ms)
        return count

    def note_erasure(self, db: sqlite3.Connection, person: str, at_ms: int) -> None:
        """Remember that somebody's faces until then are erased."""
        db.execute(
            "INSERT INTO erasures VALUES (?, ?) ON CONFLICT (person) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)",
            (person, at_ms),
        )

    def erase(self, db: sqlite3.Connection, ids: Iterable[str], *, at_ms: int) -> int:
        """Erase faces, whether they are here or not, so that they never come back; give how many were here."""
        count = 0
        for one in ids:
            added = db.execute("INSERT OR IGNORE INTO tombstones VALUES (?, ?, ?)", (one, at_ms, next_seq(db))).rowcount
            gone = db.execute("DELETE FROM faces WHERE id = ?", (one,)).rowcount
            count += gone if added or gone else 0
        if count:
            db.execute("DELETE FROM consents WHERE id NOT IN (SELECT consent FROM faces)")
        return count

    def expired(self, db: sqlite3.Connection, now_ms: int) -> list[str]:
        """Give the faces whose consent has ended."""
        return [row[0] for row in db.execute("SELECT id FROM faces WHERE expires_ms <= ?", (now_ms,))]

    def since(
        self, db: sqlite3.Connection, seq: int, *, most: int = -1
    ) -> tuple[list[FaceRecord], list[str], int, int]:
        """Give what changed after `seq`: faces, erased ids, the newest number, and how many rows do not open.

        With `most` at most so many faces, and of the rest what lies before the last of them.
        """
        faces: list[FaceRecord] = []
        damaged, newest = 0, seq
        rows = db.execute(
            "SELECT id, person, model, sealed, seq FROM faces WHERE seq > ? ORDER BY seq LIMIT ?", (seq, most)
        ).fetchall()
        for face, person, model, sealed, number in rows:
            newest = max(newest, number)
            if (record := self._opened(face, person, model, sealed)) is None:
                damaged += 1
            else:
                faces.append(record)
        last = newest if len(rows) == most else None
        gone = db.execute(
            "SELECT face, seq FROM tombstones WHERE seq > ?1 AND (?2 IS NULL OR seq <= ?2) ORDER BY seq", (seq, last)
        ).fetchall()
        newest = max([newest, *(number for _, number in gone)])
        return faces, [face for face, _ in gone], newest, damaged

    def get(self, db: sqlite3.Connection, ids: Iterable[str]) -> Iterator[FaceRecord]:
        """Give faces by their ids; those that are not there or do not open are left out."""
        for one in ids:
            row = db.execute("SELECT id, person, model, sealed FROM faces WHERE id = ?", (one,)).fetchone()
            if row is not None and (record := self._opened(*row)) is not None:
                yield record

    def of_person(self, db: sqlite3.Connection, person: str) -> list[FaceRecord]:
        """Give the faces of somebody, the oldest first."""
        ids = [row[0] for row in db.execute("SELECT id FROM faces WHERE person = ? ORDER BY seq", (person,))]
        return list(self.get(db, ids))

    def ids(self, db: sqlite3.Connection) -> list[str]:
        """Give the ids of all faces, sorted."""
        return [row[0] for row in db.execute("SELECT id FROM faces ORDER BY id")]

    def tombstones(self, db: sqlite3.Connection) -> dict[str, int]:
        """Give the ids that were erased, with the time."""
        return {str(face): int(at_ms) for face, at_ms in db.execute("SELECT face, at_ms FROM tombstones ORDER BY face")}

    def erasures(self, db: sqlite3.Connection) -> dict[str, int]:
        """Give the people whose faces were erased, until when."""
        return {str(one): int(at_ms) for one, at_ms in db.execute("SELECT person, at_ms FROM erasures ORDER BY person")}

    def summary(self, db: sqlite3.Connection) -> str:
        """Give one digest of all that gates tell each other: equal where there is nothing to tell."""
        lines = [
            *self.ids(db),
            *(f"-{one}" for one in self.tombstones(db)),
            *(f"!{person} {at_ms}" for person, at_ms in self.erasures(db).items()),
        ]
        return digest_of(iter(lines))

    def _opened(self, face: str, person: str, model: str, sealed: bytes) -> FaceRecord | None:
        try:
            return _unpacked(face, person, model, self._vault.open(sealed, row=_row(face, person, model)))
        except (Unopenable, ValueError, KeyError, TypeError):
            return None


def _row(face: str, person: str, model: str) -> str:
    return f"faces/{face}/{person}/{model}"


def _packed(one: FaceRecord) -> bytes:
    head = {
        "metric": one.metric.value,
        "enrolled_ms": one.enrolled_ms,
        "expires_ms": one.expires_ms,
        "origin": one.origin,
        "consent": one.consent,
    }
    return json.dumps(head, separators=(",", ":")).encode() + b"\0" + one.template.astype("<f4").tobytes()


def _unpacked(face: str, person: str, model: str, data: bytes) -> FaceRecord:
    head, _, body = data.partition(b"\0")
    said = json.loads(head)
    return FaceRecord(
        id=face,
        person=person,
        model=model,
        metric=Metric(said["metric"]),
        template=np.frombuffer(body, dtype="<f4").astype(np.float32),
        enrolled_ms=int(said["enrolled_ms"]),
        expires_ms=int(said["expires_ms"]),
        origin=str(said["origin"]),
        consent=str(said["consent"]),
    )

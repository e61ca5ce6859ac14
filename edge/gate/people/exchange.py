"""What gates tell each other about faces, and what each takes over: sets of faces, and of what was erased.

A face has an id of its own and never changes; what was erased leaves its id. So two gates agree by telling each other
what they have, in whatever order and however often, and no clock decides.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Base64Bytes, TypeAdapter

from edge.gate.people.api import MOST_FACES, Consent, NoConsent
from edge.gate.people.consent import check_consent
from edge.gate.people.face_store import FaceRecord
from edge.gate.people.people import People
from edge.gate.people.store import set_meta
from edge.gate.people.upkeep import KEEP_TOMBSTONES_MS
from models.face.search import Metric
from runtime.config import Strict

_LARGEST_TEMPLATE = 1024


class SharedFace(Strict):
    """A face on its way, with the consent that it rests on."""

    id: str
    person: str
    model: str
    metric: Metric
    template: Base64Bytes
    enrolled_ms: int
    expires_ms: int
    origin: str
    consent_id: str
    consent: Consent


SHARED = TypeAdapter(tuple[SharedFace, ...])


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """What a gate has: whose each face is, by its id; what was erased, and whose faces, until when."""

    faces: Mapping[str, str]
    tombstones: Mapping[str, int]
    erasures: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What came of an exchange."""

    added: int = 0
    erased: int = 0
    refused: int = 0


def summary(people: People) -> str:
    """Give one digest of all that is told; equal at two gates that have nothing to tell each other."""
    with people.vault.snapshot() as db:
        return people.faces.summary(db)


def inventory(people: People) -> Inventory:
    """Say what this gate has."""
    with people.vault.snapshot() as db:
        return Inventory(
            faces=dict(db.execute("SELECT id, person FROM faces")),
            tombstones=people.faces.tombstones(db),
            erasures=people.faces.erasures(db),
        )


def erase_with(people: People, other: Inventory) -> Taken:
    """Erase here what was erased there, at once."""
    now_ms = people.now_ms()
    oldest = now_ms - KEEP_TOMBSTONES_MS
    with people.vault.write() as db:
        mine, until = people.faces.tombstones(db), people.faces.erasures(db)
        news = {face: at for face, at in other.tombstones.items() if face not in mine and at >= oldest}
        later = {who: at for who, at in other.erasures.items() if at > until.get(who, -1) and at >= oldest}
        touched = {row[0] for face in news for row in db.execute("SELECT person FROM faces WHERE id = ?", (face,))}
        count = 0
        for face, at_ms in news.items():
            count += people.faces.erase(db, [face], at_ms=at_ms)
        for person, at_ms in later.items():
            people.faces.note_erasure(db, person, at_ms)
            old = [one.id for one in people.faces.of_person(db, person) if one.enrolled_ms <= at_ms]
            if old:
                touched.add(person)
                count += people.faces.erase(db, old, at_ms=at_ms)
        bare = sorted(who for who in touched if not people.faces.of_person(db, who))
        if touched:
            set_meta(db, "backup_due", "1")
            people.audit.append(
                db, [people.entry("erase", "erased", person=one, by="another gate") for one in sorted(touched)]
            )
    if news or later:
        people.settle(bare)
    return Taken(erased=count)


def wanted(people: People, other: Inventory) -> list[str]:
    """Give the faces there that are not here, of people who are on the roll here and asked for it."""
    with people.vault.snapshot() as db:
        have = set(people.faces.ids(db)) | people.faces.tombstones(db).keys()
        listed = {one.id for one in people.roll.people(db) if one.face}
    return sorted(face for face, person in other.faces.items() if face not in have and person in listed)


def shared(people: People, ids: Iterable[str]) -> tuple[SharedFace, ...]:
    """Give faces as they are told; one without a consent is told to nobody."""
    with people.vault.snapshot() as db:
        records = list(people.faces.get(db, ids))
        consents = {
            key: one for who in {one.person for one in records} for key, one in people.faces.consents(db, who).items()
        }
    return tuple(
        SharedFace(
            id=one.id, person=one.person, model=one.model, metric=one.metric,
            template=base64.b64encode(one.template.astype("<f4").tobytes()), enrolled_ms=one.enrolled_ms,
            expires_ms=one.expires_ms, origin=one.origin, consent_id=one.consent, consent=consents[one.consent][1],
        )
        for one in records
        if one.consent in consents
    )  # fmt: skip


def take(people: People, faces: Iterable[SharedFace]) -> Taken:
    """Keep faces that another gate made, each by the rules that hold for one's own."""
    now_ms = people.now_ms()
    added = refused = 0
    with people.vault.write() as db:
        until = people.faces.erasures(db)
        for one in faces:
            known = people.roll.person(db, one.person)
            record = record_of(one)
            held = [face for face in people.faces.of_person(db, one.person) if face.model == one.model]
            if (
                known is None
                or record is None
                or len(held) >= MOST_FACES
                or one.enrolled_ms <= until.get(one.person, -1)
            ):
                refused += 1
                continue
            try:
                check_consent(one.consent, known, now_ms=now_ms)
            except NoConsent:
                refused += 1
                continue
            people.faces.put_consent(db, one.consent_id, one.person, one.consent)
            people.faces.put(db, [record])
            people.audit.append(db, [people.entry("share", "kept", person=one.person, by=one.origin)])
            added += 1
    if added:
        people.settle()
    return Taken(added=added, refused=refused)


def record_of(one: SharedFace) -> FaceRecord | None:
    """Read a face; None for what is no template, or outlives its consent."""
    size, rest = divmod(len(one.template), 4)
    if rest or not 0 < size <= _LARGEST_TEMPLATE or one.expires_ms > one.consent.expires_ms:
        return None
    values = np.frombuffer(one.template, dtype="<f4").astype(np.float32)
    if not np.isfinite(values).all():
        return None
    return FaceRecord(
        id=one.id, person=one.person, model=one.model, metric=one.metric, template=values, enrolled_ms=one.enrolled_ms,
        expires_ms=one.expires_ms, origin=one.origin, consent=one.consent_id,
    )  # fmt: skip

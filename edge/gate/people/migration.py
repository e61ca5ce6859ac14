"""A new model: people are enrolled in it as they pass, while the old one still decides."""

from typing import TYPE_CHECKING

from edge.gate.people.gallery import recognise
from edge.gate.people.keeping import Template, records_of

if TYPE_CHECKING:
    from edge.gate.people.people import People


def migrate(people: "People", person: str, *, old: Template, new: Template, by: str) -> bool:
    """Enrol somebody in the model of `new`, under the consent that the old template rests on; see `People.seen`."""
    now_ms = people.now_ms()
    force = people.in_force(old.model)
    limit = force.verify if force.threshold is None else force.threshold
    if recognise(people.alike(old.values, model=old.model), old.metric, limit).person != person:
        return False
    others = people.alike(new.values, model=new.model)
    verify = people.in_force(new.model).verify if new.model == people.model else None
    if any(one.person == person or (verify is not None and new.metric.accepts(one.score, verify)) for one in others):
        return False
    with people.vault.read() as db:
        held = people.faces.of_person(db, person)
        consents = people.faces.consents(db, person)
    if any(one.model == new.model for one in held):
        return False
    source = next((one for one in held if one.model == old.model and one.consent in consents), None)
    if source is None or now_ms >= source.expires_ms:
        return False
    records = records_of(
        person,
        [new],
        consent_id=source.consent,
        expires_ms=source.expires_ms,
        now_ms=now_ms,
        origin=people.gate,
        random_bytes=people.vault.random_bytes,
    )
    with people.vault.write() as db:
        if not db.execute("SELECT 1 FROM faces WHERE id = ?", (source.id,)).fetchone():
            return False  # erased meanwhile
        people.faces.put(db, records)
        people.audit.append(db, [people.entry("migrate", "kept", person=person, by=by)])
    people.settle()
    return True

"""Everything that a gate holds about one person, for them to have."""

import base64
from typing import Any

from pydantic import TypeAdapter

from edge.gate.people.api import Consent, UnknownPerson
from edge.gate.people.people import People
from wire.roll import Credential, Person

_PERSON = TypeAdapter(Person)
_CREDENTIALS = TypeAdapter(tuple[Credential, ...])
_CONSENT = TypeAdapter(Consent)


def export_person(people: People, person: str, *, by: str) -> dict[str, Any]:
    """Give it as JSON's types; noted in the audit. UnknownPerson when the gate holds nothing about them."""
    people.flush()
    with people.vault.snapshot() as db:
        known = people.roll.person(db, person)
        faces = people.faces.of_person(db, person)
        audit = [one.entry() for one in people.audit.read(db, person=person)]
        if known is None and not faces and not audit:
            raise UnknownPerson(f"the gate holds nothing about {person}")
        found = {
            "person": None if known is None else _PERSON.dump_python(known, mode="json"),
            "credentials": _CREDENTIALS.dump_python(tuple(people.roll.credentials(db, person)), mode="json"),
            "consents": [
                _CONSENT.dump_python(consent, mode="json") for _, consent in people.faces.consents(db, person).values()
            ],
            "faces": [
                {
                    "id": one.id,
                    "model": one.model,
                    "enrolled_ms": one.enrolled_ms,
                    "expires_ms": one.expires_ms,
                    "gate": one.origin,
                    "template": base64.b64encode(one.template.astype("<f4").tobytes()).decode(),
                }
                for one in faces
            ],
            "look_ups": [
                {
                    "at_ms": one.at_ms,
                    "what": one.what,
                    "outcome": one.outcome,
                    "gate": one.gate,
                    "by": one.by,
                    "figures": dict(one.figures),
                }
                for one in audit
            ],
        }
    people.note(people.entry("export", "given", person=person, by=by))
    return found

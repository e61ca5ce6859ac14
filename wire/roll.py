"""Who may pass a community's gates: people, what they show, visitor passes that were revoked, and gate policies.

The service signs a roll with a revision; gates pull it, whole or as the changes since the revision that they hold. No
face is in it: templates are made at the gate, and stay there.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class PersonKind(StrEnum):
    """What somebody is to the community."""

    RESIDENT = "resident"
    HOUSEHOLD = "household"
    """Somebody who lives with a resident, or helps there."""
    STAFF = "staff"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hours:
    """A time of the week, in the community's own time: minutes since midnight, the end not included.

    `days` has 0 for Monday to 6 for Sunday; a time that ends before it begins lasts over midnight, and belongs to
    the day on which it begins.
    """

    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    from_min: int = 0
    to_min: int = 1440


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody whom gates may let in. `id` is opaque and stands for them in journals; `name` is shown at the kiosk.

    Without `areas` every area of the community, without `hours` any hour. Times are Unix ms; None: no limit.
    `health_id` is what the providers of health codes and records know them by. `face` says whether they asked for their
    face to be a way in (consent is recorded where the face is enrolled); `minor` that a guardian consents.
    """

    id: str
    kind: PersonKind
    name: str
    areas: tuple[str, ...] = ()
    hours: tuple[Hours, ...] = ()
    valid_from_ms: int | None = None
    valid_until_ms: int | None = None
    blocked: bool = False
    health_id: str | None = None
    face: bool = False
    minor: bool = False


class CredentialKind(StrEnum):
    """What somebody shows or types."""

    CARD = "card"
    PIN = "pin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """A card's number as its reader tells it, or a PIN. It travels over HTTPS only, and lies encrypted at the gate."""

    kind: CredentialKind
    value: str = field(repr=False)
    person: str
    valid_until_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GateRule:
    """What the service says of one gate's checks beyond the site file: check id to demand ("required", …)."""

    gate: str
    demands: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Roll:
    """Everything of one revision."""

    community: str
    revision: int
    issued_ms: int
    people: tuple[Person, ...] = ()
    credentials: tuple[Credential, ...] = ()
    rules: tuple[GateRule, ...] = ()
    revoked: tuple[str, ...] = ()
    """The ids of visitor passes that are worth nothing any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RollDelta:
    """The changes from `base` to `revision`. A person who changed comes whole, with all their credentials."""

    community: str
    base: int
    revision: int
    issued_ms: int
    people: tuple[Person, ...] = ()
    credentials: tuple[Credential, ...] = ()
    """All credentials of each person in `people`."""
    gone: tuple[str, ...] = ()
    """The ids of people who are not there any more: their faces are erased at once."""
    rules: tuple[GateRule, ...] | None = None
    revoked: tuple[str, ...] = ()
    """Passes that were revoked since `base`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitorPass:
    """A visitor's pass, signed and shown as a QR code. `gates` are named as `edge-1/north`; without any it is for all.

    `uses` is how often it opens: 1 is bound to one gate, or to gates that share a ledger; None: as often as they like.
    """

    id: str
    community: str
    host: str
    """The person who invites."""
    name: str
    valid_from_ms: int
    valid_until_ms: int
    gates: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    uses: int | None = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class DoorOrder:
    """An order to open a gate now, signed by the service for this one gate.

    `token` is one that the agent published recently, so that an old order opens nothing; `id` is the command's, and an
    id opens once.
    """

    id: str
    community: str
    gate: str
    """Agent and gate, as `edge-1/north`."""
    token: str
    by: str
    """Who gave it, for the audit."""

"""What the people of a gate are to its other parts: values and errors. Pure, and loads nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.gate.api import Reason

FILING_AT = 100_000
"""So many people with faces must be filed with the authority, within 30 working days (China, in force 2025-06-01)."""
WARN_AT = 90_000

MOST_FACES = 5
"""Templates of one person by one model."""

DAY_MS = 86_400_000
LONGEST_CONSENT_MS = 3 * 366 * DAY_MS
"""Consent for longer is refused: it has to be asked for again."""

Mode = Literal["1:N", "1:1", "1:1 needed"]


class PeopleError(Exception):
    """Something about a gate's people cannot be done; the text says what, and what to do."""


class KeyRefused(PeopleError):
    """A key file is missing, damaged, readable by others, or lies where it must not."""


class StoreBroken(PeopleError):
    """The database is damaged, or not of this gate; the text names the way back."""


class StoreFull(PeopleError):
    """Nothing can be written now: the disk is full or refuses. Nothing of the change was made."""


class RollMismatch(PeopleError):
    """A roll or its changes do not follow what the gate holds: pull the whole roll."""


class UnknownPerson(PeopleError):
    """Nobody of this id is on the roll."""


class NoConsent(PeopleError):
    """A face may not be kept: not asked for, no guardian, or a consent that does not hold."""


class NotGoodEnough(PeopleError):
    """Pictures are no good for enrolment; `reasons` are those of `models.face.quality.Flaw`, and of `enrolment.py`."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons
        super().__init__(f"the pictures are not good enough: {', '.join(reasons)}")


class AlreadyEnrolled(PeopleError):
    """The face is enrolled as somebody else."""

    def __init__(self, person: str, score: float) -> None:
        self.person = person
        self.score = score
        super().__init__(f"this face is enrolled already, as {person}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Identification:
    """What the gallery says of a face. Scores are in the model's own terms; `second` is the next person's.

    `mode` says how it was looked up; with "1:1 needed" nothing was: a card or a pass comes first.
    """

    person: str | None
    score: float | None = None
    second: float | None = None
    reason: Reason = Reason.OK
    mode: Mode = "1:N"


@dataclass(frozen=True, kw_only=True, slots=True)
class Consent:
    """Somebody's consent to be recognised by face. Times are Unix ms.

    `given_by` says who consents, by id or name; for a minor that is a guardian, and `guardian` says who they are to the
    child. `text` is the version of the text that they were shown. The face is erased at `expires_ms`.
    """

    given_ms: int
    expires_ms: int
    text: str
    given_by: str = field(repr=False)
    guardian: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """A gate's people in figures. `by_model` counts templates; `damaged` are rows that do not open with their key."""

    people: int
    with_face: int
    faces: int
    credentials: int
    by_model: Mapping[str, int]
    damaged: int = 0
    audit_waiting: int = 0
    """Entries of the audit that are not on disk yet: more than a few means that the disk refuses."""

    @property
    def near_filing(self) -> bool:
        """Whether the number of people with faces comes near what must be filed."""
        return self.with_face >= WARN_AT


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolled:
    """What an enrolment has kept: the ids of the templates, and the scores of their pictures with each other."""

    person: str
    faces: tuple[str, ...]
    expires_ms: int
    alike: tuple[float, ...] = ()

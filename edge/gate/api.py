"""The vocabulary of the gate: what somebody presents, what a check says, what is decided. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Check(StrEnum):
    """One of the eight checks, in the order in which people are told what failed."""

    IDENTITY = "identity"
    ACCESS = "access"
    LIVENESS = "liveness"
    PASSAGE = "passage"
    TEMPERATURE = "temperature"
    HEALTH_CODE = "health_code"
    RECORD = "record"
    MASK = "mask"


class Demand(StrEnum):
    """What a gate's policy makes of a check. An advisory check is told and journalled, and never stops anybody."""

    REQUIRED = "required"
    ADVISORY = "advisory"
    OFF = "off"


class Standing(StrEnum):
    """How a check ended. UNCHECKED: it could not be made (no camera, no answer in time), and it says why."""

    PASSED = "passed"
    FAILED = "failed"
    UNCHECKED = "unchecked"


class Answer(StrEnum):
    """What the gate does."""

    OPEN = "open"
    STAFF = "staff"
    """It stays closed, and somebody is called who decides."""
    REFUSE = "refuse"


class Way(StrEnum):
    """How somebody says who they are. Face is never the only way."""

    FACE = "face"
    CARD = "card"
    PASS = "pass"
    PIN = "pin"
    REMOTE = "remote"
    """Opened from the cloud or a phone, by a signed order; there is nobody to check."""
    STAFF = "staff"
    """Opened by a guard at the kiosk."""
    EXIT = "exit"
    """The button inside: the door reports it, nothing is decided."""


class Guidance(StrEnum):
    """What somebody before the camera should do. OK: nothing, the face is clear. NONE: nobody is there."""

    NONE = "none"
    CLOSER = "closer"
    TURN = "turn"
    """Look straight at the camera."""
    ONE_PERSON = "one_person"
    HOLD_STILL = "hold_still"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    OK = "ok"


class Reason(StrEnum):
    """Why a check did not pass, or passed with something to tell. The texts are in `messages.toml`, area `reason`."""

    OK = "ok"
    # identity
    NOBODY = "nobody"
    UNKNOWN_FACE = "unknown_face"
    FACE_NOT_CLEAR = "face_not_clear"
    SEVERAL_FACES = "several_faces"
    FACE_OF_ANOTHER = "face_of_another"
    """The card or pass is one person's, and the face another's."""
    SECOND_WAY_NEEDED = "second_way_needed"
    """The gallery is too large, or the match too weak, for the face alone: card or QR first."""
    UNKNOWN_CARD = "unknown_card"
    UNKNOWN_PIN = "unknown_pin"
    TOO_MANY_TRIES = "too_many_tries"
    MALFORMED_PASS = "malformed_pass"
    FORGED_PASS = "forged_pass"
    REVOKED_PASS = "revoked_pass"
    USED_PASS = "used_pass"
    # access
    BLOCKED = "blocked"
    NOT_YET_VALID = "not_yet_valid"
    NO_LONGER_VALID = "no_longer_valid"
    WRONG_GATE = "wrong_gate"
    WRONG_HOUR = "wrong_hour"
    CLOCK_NOT_TRUSTED = "clock_not_trusted"
    LIST_TOO_OLD = "list_too_old"
    # liveness
    PICTURE_OF_A_FACE = "picture_of_a_face"
    NO_WARMTH = "no_warmth"
    NOT_FACE_LIKE = "not_face_like"
    """It is warm, and not as a living face is: a heated picture, a mask, a hand behind paper."""
    MISALIGNED = "misaligned"
    """The thermal picture lies elsewhere than the visible one: it shows nobody's warmth at the face's place."""
    # temperature
    FEVER = "fever"
    COLD_SURFACE = "cold_surface"
    NO_REFERENCE = "no_reference"
    """A blackbody is configured, and the thermal picture does not show it: no temperature can be trusted."""
    # mask
    NO_MASK = "no_mask"
    # health code, record
    HEALTH_CODE_NOT_GREEN = "health_code_not_green"
    RECORD_MISSING = "record_missing"
    PROVIDER_AWAY = "provider_away"
    # passage
    ALREADY_INSIDE = "already_inside"
    """Anti-passback: who came in has not gone out."""
    TAILGATING = "tailgating"
    STILL_OPEN = "still_open"
    """Interlock: the opening before this one has not ended."""
    # what is missing
    NO_CAMERA = "no_camera"
    NO_THERMAL_CAMERA = "no_thermal_camera"
    NO_MODEL = "no_model"
    TIMED_OUT = "timed_out"
    NOT_ASKED = "not_asked"
    STORE_FAILED = "store_failed"
    """The gate's own list or ledger cannot be read or written (a full disk, damage)."""
    # the door
    DOOR_FAULT = "door_fault"
    FIRE = "fire"


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """What one check says. `figures` are its numbers for journal and bench, raw and never corrected."""

    check: Check
    standing: Standing
    reason: Reason = Reason.OK
    figures: Mapping[str, bool | float | str] = field(default_factory=dict)
    took_ms: float = 0.0

    @classmethod
    def passed(cls, check: Check, **figures: bool | float | str) -> "CheckResult":
        """Say that it passed."""
        return cls(check=check, standing=Standing.PASSED, figures=figures)

    @classmethod
    def failed(cls, check: Check, reason: Reason, **figures: bool | float | str) -> "CheckResult":
        """Say that it did not."""
        return cls(check=check, standing=Standing.FAILED, reason=reason, figures=figures)

    @classmethod
    def unchecked(cls, check: Check, reason: Reason, **figures: bool | float | str) -> "CheckResult":
        """Say that it could not be made."""
        return cls(check=check, standing=Standing.UNCHECKED, reason=reason, figures=figures)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckPolicy:
    """What a gate makes of one check: the answers when it fails and when it could not be made, and its time budget."""

    demand: Demand
    failed: Answer = Answer.REFUSE
    unchecked: Answer = Answer.STAFF
    budget_ms: int = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What is decided, by which results. `reasons` has the decisive one first; empty when nothing speaks against it."""

    answer: Answer
    reasons: tuple[tuple[Check, Reason], ...] = ()
    advice: tuple[tuple[Check, Reason], ...] = ()
    """What advisory checks found."""
    results: tuple[CheckResult, ...] = ()

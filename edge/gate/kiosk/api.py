"""What the kiosk asks of the gate, and what it shows. Light: the gate imports this without loading a web server.

`KioskModel` is what anybody at the gate sees and can do; `Staff` is what somebody who has logged in can do. The gate
implements both; the kiosk knows nothing of cameras, models or doors.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from edge.gate.api import Answer, CheckResult, Guidance, Reason, Way


class Phase(StrEnum):
    """Where an attempt stands."""

    IDLE = "idle"
    """Nobody is there: the idle screen, and no picture is asked for."""
    LOOKING = "looking"
    """Somebody stands before the camera, and is guided."""
    WORKING = "working"
    """Something was presented, or a face is clear: the checks are running."""
    RESULT = "result"
    """`answer` and `reasons` are told until the gate goes back to idle or looking."""


class DoorShown(StrEnum):
    """The door, as people and staff are told."""

    CLOSED = "closed"
    OPEN = "open"
    FORCED = "forced"
    HELD = "held"
    FAULT = "fault"
    UNKNOWN = "unknown"
    """There is no contact, or nobody has heard of it yet."""


class StaffCall(StrEnum):
    """What became of calling staff."""

    NONE = "none"
    CALLED = "called"
    """It is on its way to whoever watches: written down, and sent as soon as there is a connection."""
    COMING = "coming"
    """Somebody has acknowledged it."""
    OFFLINE = "offline"
    """It is written down, and nobody hears it at present: the gate has no connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceBox:
    """Where the face is, as parts (0 to 1) of the picture's width and height, from its upper left, not mirrored."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class KioskState:
    """Everything that the page at the gate shows. A change of `attempt` is a new attempt: its result sounds once."""

    phase: Phase = Phase.IDLE
    attempt: int = 0
    guidance: Guidance = Guidance.NONE
    box: FaceBox | None = None
    way: Way | None = None
    answer: Answer | None = None
    """With `Phase.RESULT` only."""
    reasons: tuple[Reason, ...] = ()
    """Why not, the decisive one first; the page shows the first in large words, and a second one below."""
    advice: tuple[Reason, ...] = ()
    """What advisory checks found; told beside an open door too."""
    name: str = ""
    """Who was let in; empty where nobody should be named."""
    temperature_c: float | None = None
    """The raw skin temperature of this attempt; None where it was not taken, or where policy does not show it."""
    liveness_unchecked: bool = False
    """No check of liveness takes place at this gate at present; the page says so whatever the phase."""
    door: DoorShown = DoorShown.UNKNOWN
    fire: bool = False
    """The fire system has released the door: the page says only that it is open, and which way is out."""
    troubles: tuple[Reason, ...] = ()
    """What is wrong with the gate itself, such as NO_CAMERA, LIST_TOO_OLD, DOOR_FAULT, CLOCK_NOT_TRUSTED."""
    staff: StaffCall = StaffCall.NONE


@dataclass(frozen=True, kw_only=True, slots=True)
class KioskFacts:
    """What does not change while the agent runs. `ways` are those that this gate has a reader or a screen for."""

    gate: str
    """The gate's name in the site file."""
    label_zh: str
    label_en: str
    community_zh: str
    community_en: str
    ways: tuple[Way, ...] = (Way.FACE, Way.CARD, Way.PASS, Way.PIN)
    thermal: bool = False
    """There is a thermal camera: the privacy note names temperature."""
    keeps_snapshots: bool = False
    """Pictures of refusals are kept for a time, by policy: the privacy note says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A small JPEG of what the camera sees, as it sees it; the page mirrors it. `number` grows with each frame."""

    number: int
    jpeg: bytes = field(repr=False)


class KioskModel(Protocol):
    """The gate, as the kiosk sees it."""

    @property
    def facts(self) -> KioskFacts:
        """Give what stays the same."""
        ...

    def subscribe(self) -> AsyncIterator[KioskState]:
        """Give the present state at once, and each later one; a slow reader may miss some, never the newest."""
        ...

    def picture(self, after: int) -> Picture | None:
        """Give the newest picture if its number is not `after`; else None.

        Called in a worker thread, up to 15 times a second, and only while a page shows pictures, so that it may encode
        there and then. No picture in `Phase.IDLE` is fine.
        """
        ...

    async def present(self, way: Way, text: str) -> None:
        """Take a PIN (4 to 12 digits) that was typed on the screen. The text is a secret: never logged, never shown."""
        ...

    async def call_staff(self) -> None:
        """Call staff; calling again while called changes nothing. What becomes of it is in `KioskState.staff`."""
        ...


class Flaw(StrEnum):
    """Why a picture is not good enough to enrol a face from."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TURNED = "turned"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    UNEVEN_LIGHT = "uneven_light"
    CUT_OFF = "cut_off"
    COVERED = "covered"
    NOT_ALIVE = "not_alive"
    """A picture of a face, by the liveness check."""
    NOT_THE_SAME = "not_the_same"
    """The pictures are not all of one person."""
    NO_CAMERA = "no_camera"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One figure of a picture's quality, and what it should be. `name` is one of `Flaw` that it would be."""

    name: Flaw
    value: float
    limit: float
    good: bool
    unit: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """Whether a picture is good enough to enrol from, and by which figures."""

    flaws: tuple[Flaw, ...] = ()
    measures: tuple[Measure, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.flaws


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonLine:
    """Somebody on the roll, as staff choose them. `asked`: they asked for their face to be a way in."""

    id: str
    name: str
    kind: str
    minor: bool = False
    asked: bool = False
    enrolled: bool = False
    blocked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A picture that was taken for an enrolment; `id` names it until it is used, dropped, or five minutes old."""

    id: str
    quality: Quality


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsentGiven:
    """What was agreed to, by whom: `wording` identifies the text that was on the screen, in `language`."""

    wording: str
    language: str
    guardian: str | None = None
    """The guardian's name, for a minor; it is on record with the consent."""


class EnrolOutcome(StrEnum):
    """How an enrolment ended."""

    ENROLLED = "enrolled"
    NOT_GOOD_ENOUGH = "not_good_enough"
    SOMEBODY_ELSE = "somebody_else"
    """The face is enrolled as another person."""
    NOT_ON_ROLL = "not_on_roll"
    NOT_ASKED = "not_asked"
    """They have not asked for their face to be a way in."""
    PICTURES_GONE = "pictures_gone"
    """A picture is older than five minutes, or was dropped."""
    FAILED = "failed"
    """It could not be stored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnrolResult:
    """How an enrolment ended, and why not."""

    outcome: EnrolOutcome
    flaws: tuple[Flaw, ...] = ()
    other: str = ""
    """The name of the person whom the face is enrolled as."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """Whom the gate sees now, for a test: nothing of it is journalled as an entry.

    `score` is the model's own measure; `closer_is_better` says whether it is a distance. `mode` is `1:N` or `1:1`.
    """

    guidance: Guidance
    faces: int
    person: PersonLine | None = None
    reason: Reason = Reason.OK
    score: float | None = None
    second: float | None = None
    threshold: float | None = None
    closer_is_better: bool = True
    mode: str = "1:N"
    liveness: CheckResult | None = None
    temperature: CheckResult | None = None
    """Figures `raw_c`, `compensated_c`, `spot`, `how`, as the eyes give them."""
    mask: CheckResult | None = None
    took_ms: float = 0.0


class OpenOutcome(StrEnum):
    """What became of an opening by hand."""

    OPENED = "opened"
    """The relay's read-back confirms it."""
    UNCONFIRMED = "unconfirmed"
    """The pulse was sent, and nothing confirms it. It is not repeated by itself."""
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What became of an opening by hand, and why it was refused."""

    outcome: OpenOutcome
    reason: Reason = Reason.OK


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraLine:
    """One camera of the gate; `age_s` is how old its newest picture is, None while there is none."""

    name: str
    thermal: bool
    good: bool
    age_s: float | None = None
    size: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateStatus:
    """What staff see of the gate. Times are Unix ms; None: never, or there is none."""

    now_ms: int
    clock_trusted: bool
    time_source: str
    cameras: tuple[CameraLine, ...] = ()
    models: tuple[str, ...] = ()
    """The identities of the models in use."""
    threshold: float | None = None
    mode: str = "1:N"
    roll_revision: int | None = None
    roll_issued_ms: int | None = None
    roll_stale: bool = False
    people: int = 0
    faces: int = 0
    faces_limit: int = 100_000
    """From this many on, the law asks for a filing."""
    door: DoorShown = DoorShown.UNKNOWN
    fire: bool = False
    connected: bool = False
    """The agent has a connection to the cloud."""
    waiting: int = 0
    """Records that the cloud has not got yet."""
    troubles: tuple[Reason, ...] = ()


class Staff(Protocol):
    """What somebody who has logged in at the kiosk can do. `by` is their login, for the audit."""

    async def find(self, text: str, *, by: str) -> tuple[PersonLine, ...]:
        """Give people whose id or name has `text` in it, at most 50, by name; an empty text: the first ones."""
        ...

    async def quality(self) -> Quality:
        """Judge what the camera sees now, for an enrolment."""
        ...

    async def take(self, *, by: str) -> Taken:
        """Take a picture for an enrolment; one that is not good enough is told and not kept."""
        ...

    async def drop(self, taken: tuple[str, ...]) -> None:
        """Forget pictures that were taken; unknown ids are ignored."""
        ...

    async def enrol(self, person: str, taken: tuple[str, ...], consent: ConsentGiven, *, by: str) -> EnrolResult:
        """Make templates of the pictures and forget these, whatever comes of it."""
        ...

    async def test(self, *, by: str) -> Sight:
        """Say whom the gate sees now; it opens nothing, and counts as no entry."""
        ...

    async def open_door(self, why: str, *, by: str) -> Opening:
        """Open the door once; journalled with who and why."""
        ...

    async def erase(self, person: str, *, by: str) -> int:
        """Erase all templates of a person at once; gives how many there were."""
        ...

    async def status(self) -> GateStatus:
        """Give what staff should know."""
        ...

"""Who may pass, in values and rules: what a number or a pass may be, and what a gate's revision means. Pure."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from wire.roll import CredentialKind, Hours, PersonKind

GATE_KIND = "gate"
"""The kind of device by which a gate reports (profile `linli-gate`)."""
OPEN_COMMAND = "open"
REVISION_POINT = "roll_revision"
DECISION_POINT = "decision"
DOOR_POINT = "door"
NAME_POINT = "gate"
"""A point that tells the gate's own name, where its profile has one; else the gate is called like its device."""

CHECKS = ("identity", "access", "liveness", "passage", "temperature", "health_code", "record", "mask")
DEMANDS = ("required", "advisory", "off")
NEVER_WAIVED = frozenset({"identity", "access"})
"""Without these a gate opens to anybody: only its own settings, at the site, could say so."""

MOST_CREDENTIALS = 10
MOST_AREAS = 20
MOST_HOURS = 20
LONGEST_PASS_MS = 92 * 86_400_000
"""A pass for longer is a person on the list."""
LARGEST_ROLL = 200_000
OPENINGS_A_MINUTE = 6
"""Of one account at one gate: nobody opens a gate more often, and whoever stole a session is slowed down."""
PASSES_AN_HOUR = 200
WHOLE_EVERY_MS = 5_000
"""How often an agent may ask for the whole roll."""
CHANGES_KEPT_MS = 30 * 86_400_000
"""A gate that was away for longer gets the whole roll."""

MINUTES = 24 * 60
_PIN = re.compile(r"^[0-9]{6,10}$")
_CARD = re.compile(r"^[0-9A-Z]{4,40}$")
_GATE = re.compile(r"^[^/\s]{1,64}/[^/\s]{1,64}$")
DAYS = 7


class NotAccepted(ValueError):
    """Something about a person, a card, a pass or a rule does not fit; the text says what would."""


class ChangeKind(StrEnum):
    """What a revision changed. START is the beginning of a community's list."""

    START = "start"
    PERSON = "person"
    PASS = "pass"  # noqa: S105 - a visitor's pass
    RULE = "rule"


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonDraft:
    """Somebody as they are to be kept. Times are Unix ms; `health_id` None keeps what is there."""

    kind: PersonKind
    name: str
    unit: str = ""
    areas: tuple[str, ...] = ()
    hours: tuple[Hours, ...] = ()
    valid_from_ms: int | None = None
    valid_until_ms: int | None = None
    blocked: bool = False
    block_reason: str = ""
    health_id: str | None = field(default=None, repr=False)
    face: bool = False
    minor: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PassDraft:
    """A visitor's pass as it is to be issued."""

    host: str
    name: str
    valid_from_ms: int
    valid_until_ms: int
    gates: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    uses: int | None = 1


def check_person(draft: PersonDraft) -> PersonDraft:
    """Give somebody as they can be kept; NotAccepted says what would fit."""
    if not draft.name.strip():
        raise NotAccepted("a person has a name")
    if draft.valid_from_ms is not None and draft.valid_until_ms is not None:  # noqa: SIM102 - two thoughts
        if draft.valid_from_ms >= draft.valid_until_ms:
            raise NotAccepted("what somebody may ends after it begins")
    if len(draft.areas) > MOST_AREAS or len(draft.hours) > MOST_HOURS:
        raise NotAccepted(f"at most {MOST_AREAS} areas and {MOST_HOURS} times")
    if not all(area.strip() for area in draft.areas):
        raise NotAccepted("an area has a name")
    for hours in draft.hours:
        days = list(hours.days)
        ordered = bool(days) and days == sorted(set(days)) and days[0] >= 0 and days[-1] < DAYS
        if not (ordered and 0 <= hours.from_min < MINUTES and 0 <= hours.to_min <= MINUTES):
            raise NotAccepted("a time has days of 0 (Monday) to 6, once each in order, and minutes of a day")
    return draft


def normal_credential(kind: CredentialKind, value: str) -> str:
    """Give a card's number or a PIN as it is kept and compared; NotAccepted."""
    match kind:
        case CredentialKind.CARD:
            number = "".join(one for one in value.upper() if one.isalnum())
            if not _CARD.match(number):
                raise NotAccepted("a card's number has 4 to 40 digits and letters, as its reader tells them")
            return number
        case CredentialKind.PIN:
            pin = value.strip()
            if not _PIN.match(pin):
                raise NotAccepted("a PIN has 6 to 10 digits")
            if is_easy(pin):
                raise NotAccepted("this PIN is easy to guess")
            return pin


def is_easy(pin: str) -> bool:
    """Whether a PIN is one that people try first: one digit, a run, two digits in turn."""
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    return len(steps) == 1 or len(set(pin)) <= 2  # noqa: PLR2004 - two digits, in whatever order


def hint_of(kind: CredentialKind, value: str) -> str:
    """Give what may be shown of a number later: the end of a card's, nothing of a PIN."""
    return value[-3:] if kind is CredentialKind.CARD and len(value) > 3 else ""  # noqa: PLR2004 - the three shown


def check_gate(name: str) -> str:
    """Give a gate's name; NotAccepted when it is not one."""
    if not _GATE.match(name):
        raise NotAccepted(f"`{name}` is no gate: write agent and gate, as `edge-1/north`")
    return name


def agent_of(gate: str) -> str:
    """Give the agent of a gate."""
    return gate.partition("/")[0]


def check_pass(draft: PassDraft, *, now_ms: int) -> PassDraft:
    """Give a pass as it can be issued; NotAccepted.

    A pass with a limited number of uses is for gates of one agent, because only they share a ledger: two agents that do
    not hear of each other would each let it open.
    """
    for gate in draft.gates:
        check_gate(gate)
    if draft.uses is not None and len({agent_of(gate) for gate in draft.gates}) != 1:
        raise NotAccepted("a pass that opens a limited number of times is for gates of one agent: name them")
    if len(draft.areas) > MOST_AREAS or not all(area.strip() for area in draft.areas):
        raise NotAccepted(f"at most {MOST_AREAS} areas, each with a name")
    if not draft.name.strip():
        raise NotAccepted("a visitor has a name")
    if draft.valid_until_ms <= max(now_ms, draft.valid_from_ms):
        raise NotAccepted("a pass ends after it begins, and not in the past")
    if draft.valid_until_ms - draft.valid_from_ms > LONGEST_PASS_MS:
        raise NotAccepted("a pass holds for 92 days at most; for longer, put the person on the list")
    return draft


def demands_of(check: str) -> tuple[str, ...]:
    """Give what a rule may make of a check: who it is and whether they may pass is never waived from afar."""
    return DEMANDS[:1] if check in NEVER_WAIVED else DEMANDS


def check_demands(demands: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Give the demands of a gate's rule in the order of the checks; NotAccepted."""
    found = dict(demands)
    if len(found) != len(demands):
        raise NotAccepted("each check once")
    for check, demand in found.items():
        if check not in CHECKS or demand not in DEMANDS:
            raise NotAccepted(f"`{check} = {demand}`: checks are {', '.join(CHECKS)}; demands {', '.join(DEMANDS)}")
        if demand not in demands_of(check):
            raise NotAccepted(f"`{check} = {demand}`: {check} is never waived, the gate would open to anybody")
    return tuple((check, found[check]) for check in CHECKS if check in found)


def next_revision(revision: int | None, now_ms: int) -> int:
    """Give the revision of a change made now.

    Revisions are times, so that those of a service that was restored from a backup are new ones: no gate takes them for
    what it holds.
    """
    return now_ms if revision is None else max(revision + 1, now_ms)


def write_hours(hours: Sequence[Hours]) -> str:
    """Write times of the week as JSON."""
    return json.dumps([[list(one.days), one.from_min, one.to_min] for one in hours])


def read_hours(text: str) -> tuple[Hours, ...]:
    """Read what `write_hours` wrote."""
    return tuple(Hours(days=tuple(days), from_min=start, to_min=end) for days, start, end in json.loads(text))


def write_texts(texts: Sequence[str]) -> str:
    """Write texts as JSON."""
    return json.dumps(list(texts), ensure_ascii=False)


def read_texts(text: str) -> tuple[str, ...]:
    """Read what `write_texts` wrote."""
    return tuple(json.loads(text))


def write_demands(demands: Sequence[tuple[str, str]]) -> str:
    """Write demands as JSON."""
    return json.dumps([list(one) for one in demands])


def read_demands(text: str) -> tuple[tuple[str, str], ...]:
    """Read what `write_demands` wrote."""
    return tuple((check, demand) for check, demand in json.loads(text))


class Standing(StrEnum):
    """How a gate's list stands."""

    UP_TO_DATE = "up_to_date"
    BEHIND = "behind"
    AHEAD = "ahead"
    """It holds what this service does not know, because that was restored; its next pull mends it."""
    NONE = "none"
    """It has told no revision."""


def standing(held: int | None, revision: int | None, newer: int) -> Standing:
    """Say how a gate stands that holds a revision, of which `newer` later ones exist."""
    if not held:
        return Standing.NONE
    if revision is None or held > revision:
        return Standing.AHEAD
    return Standing.BEHIND if newer else Standing.UP_TO_DATE


HEALTH = "health"
"""The reason where a check of health decided: the gate tells no more, and not of whom."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """A decision as a gate told it. `who` is an id of the list, or empty; `opened` the outcome of the opening."""

    at_ms: int
    answer: str
    way: str
    who: str
    reasons: tuple[str, ...]
    opened: str
    by: str


def read_decision(text: str, at_ms: int) -> Decided | None:
    """Read the event `decision`; None when it is not one."""
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, Mapping):
        return None

    def word(key: str) -> str:
        found = said.get(key)
        return found if isinstance(found, str) else ""

    reasons = said.get("reasons")
    return Decided(
        at_ms=at_ms,
        answer=word("answer"),
        way=word("way"),
        who=word("who"),
        reasons=tuple(_reason(one) for one in reasons) if isinstance(reasons, list) else (),
        opened=word("opened"),
        by=word("by"),
    )


def _reason(told: object) -> str:
    """Give a reason's word: it is told beside its check, and of health only the check."""
    if not isinstance(told, list):
        return str(told)
    return next((str(word) for word in reversed(told) if word), "")


def changed(kinds: Collection[tuple[str, str]], kind: ChangeKind) -> tuple[str, ...]:
    """Give the subjects of one kind of change, each once, in order."""
    return tuple(sorted({subject for one, subject in kinds if one == kind}))

"""Who comes, and how: the words of `stage north resident 7 mask for 5s`, and what each kind of attempt is. Pure."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from runtime.durations import parse_duration
from simulators.people.cast import MOST, Role, look_number


class Kind(StrEnum):
    """What is before the cameras."""

    NOBODY = "nobody"
    PERSON = "person"
    TWO = "two"
    """A person, and a stranger beside."""
    PRINT = "print"
    """A photo on paper, held up by a stranger."""
    SCREEN = "screen"
    """A photo on a phone or a tablet."""
    WARM_PRINT = "warm-print"
    """A photo on paper that was warmed."""
    EYE_HOLES = "eye-holes"
    """A photo worn as a mask, with holes for the stranger's own eyes."""
    WARM_HAND = "warm-hand"
    """A photo on thin paper, with a warm hand pressed against its back."""


ATTACKS = (Kind.PRINT, Kind.SCREEN, Kind.WARM_PRINT, Kind.EYE_HOLES, Kind.WARM_HAND)
"""Those that present a face which is not there."""

_PRESENTED = " | ".join(kind.value for kind in (*ATTACKS, Kind.TWO))
WORDS = ("nobody", f"[{_PRESENTED}] resident N | visitor N | stranger N [fever] [mask] [at-once] [for 5s]")
"""How an act is written."""

FEVER_K = 2.2


class BadAct(ValueError):
    """Words that are no act; the text says how one is written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """Somebody comes: `number` counts within the role, from 1. They stand `stays` long; None: until others come.

    With `at_once` they neither walk up nor walk away.
    """

    kind: Kind
    role: Role = Role.RESIDENT
    number: int = 1
    fever: bool = False
    mask: bool = False
    at_once: bool = False
    stays: timedelta | None = None

    @property
    def look(self) -> int:
        """Whose face is seen."""
        return look_number(self.role, self.number)

    @property
    def person(self) -> str | None:
        """Who is there in the flesh, as people are named in the truth; None for nobody and for presented faces."""
        shown = self.kind in {Kind.PERSON, Kind.TWO}
        return f"{self.role.value}-{self.number}" if shown else None

    @property
    def words(self) -> str:
        """Write it as it is read."""
        if self.kind is Kind.NOBODY:
            return self.kind.value
        parts = [] if self.kind is Kind.PERSON else [self.kind.value]
        parts += [self.role.value, str(self.number)]
        parts += [word for word, on in (("fever", self.fever), ("mask", self.mask), ("at-once", self.at_once)) if on]
        return " ".join([*parts, *([] if self.stays is None else ["for", f"{self.stays.total_seconds():g}s"])])


NOBODY = Act(kind=Kind.NOBODY, at_once=True)
_SPACES = re.compile(r"\s+")
_KINDS = {kind.value: kind for kind in Kind if kind is not Kind.PERSON}
_ROLES = {role.value: role for role in Role}


def read_act(text: str) -> Act:
    """Read an act; BadAct."""
    words = [word for word in _SPACES.split(text.strip().lower()) if word]
    if words == [Kind.NOBODY.value]:
        return Act(kind=Kind.NOBODY)
    words, stays = _stays(words, text)
    flags = {"fever": False, "mask": False, "at-once": False}
    while words and words[-1] in flags:
        flags[words.pop()] = True
    kind = _KINDS[words.pop(0)] if words and words[0] in _KINDS else Kind.PERSON
    if len(words) != 2 or words[0] not in _ROLES or not words[1].isdecimal() or kind is Kind.NOBODY:  # noqa: PLR2004 - role and number
        raise BadAct(f"{text!r} is no act; write {' or '.join(WORDS)}")
    role, number = _ROLES[words[0]], int(words[1])
    if not 1 <= number <= MOST[role]:
        raise BadAct(f"there are {role.value}s 1 to {MOST[role]}, and no {number}")
    return Act(
        kind=kind, role=role, number=number, fever=flags["fever"], mask=flags["mask"], at_once=flags["at-once"],
        stays=stays,
    )  # fmt: skip


def _stays(words: list[str], text: str) -> tuple[list[str], timedelta | None]:
    if "for" not in words:
        return words, None
    at = words.index("for")
    try:
        (written,) = words[at + 1 :]
        stays = parse_duration(written)
    except ValueError as error:
        raise BadAct(f"{text!r}: say for how long at its end, such as `for 5s`") from error
    return words[:at], stays

"""Whom a piece of work goes to, and when shifts are. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cloud.access.domain import Role

FIELD_ROLES = frozenset({Role.ENGINEER, Role.TECHNICIAN})
"""Who is sent when nobody on shift has the skill."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """Somebody on shift who may do work at a place; `open_orders` are theirs that are not closed."""

    account_id: int
    roles: frozenset[Role]
    skills: frozenset[str]
    open_orders: int


def choose(candidates: Sequence[Candidate], skill: str) -> int | None:
    """Choose whom to send: has the skill (or is of the field when nobody has), least to do, lowest id."""
    able = [one for one in candidates if skill in one.skills]
    able = able or [one for one in candidates if one.roles & FIELD_ROLES]
    best = min(able, key=lambda one: (one.open_orders, one.account_id), default=None)
    return best.account_id if best is not None else None


def shift_on(day: date, starts: time, ends: time, zone: ZoneInfo) -> tuple[int, int]:
    """Give a shift that starts on a day by local clocks, as Unix ms; ending before it starts, it crosses midnight."""
    begin = datetime.combine(day, starts, zone)
    end = datetime.combine(day if ends > starts else day + timedelta(days=1), ends, zone)
    return int(begin.timestamp() * 1000), int(end.timestamp() * 1000)

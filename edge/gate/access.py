"""Whether somebody who is known may pass this gate now: blocked, areas, hours, validity. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from edge.gate.api import Check, CheckResult, Reason
from wire.roll import Hours, Person

_MINUTES_A_DAY = 1440


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When somebody stands at the gate. `trusted` is false while the clock is behind the last time that is known."""

    at_ms: int
    zone: tzinfo
    trusted: bool = True

    @property
    def minute_of_week(self) -> tuple[int, int]:
        """The day (Monday is 0) and the minute since midnight, in the community's time."""
        local = datetime.fromtimestamp(self.at_ms / 1000, UTC).astimezone(self.zone)
        return local.weekday(), local.hour * 60 + local.minute


def may_pass(person: Person, *, area: str, moment: Moment) -> CheckResult:
    """Judge a person of the roll. Without any time limit the clock does not matter, so it need not be trusted."""
    reason = _against(person, area=area, moment=moment)
    if reason is None:
        return CheckResult.passed(Check.ACCESS)
    if reason is Reason.CLOCK_NOT_TRUSTED:
        return CheckResult.unchecked(Check.ACCESS, reason)
    return CheckResult.failed(Check.ACCESS, reason)


def _against(person: Person, *, area: str, moment: Moment) -> Reason | None:
    if person.blocked:
        return Reason.BLOCKED
    if person.areas and area not in person.areas:
        return Reason.WRONG_GATE
    limited = person.valid_from_ms is not None or person.valid_until_ms is not None or person.hours
    if limited and not moment.trusted:
        return Reason.CLOCK_NOT_TRUSTED
    return _against_the_time(person, moment)


def _against_the_time(person: Person, moment: Moment) -> Reason | None:
    if person.valid_from_ms is not None and moment.at_ms < person.valid_from_ms:
        return Reason.NOT_YET_VALID
    if person.valid_until_ms is not None and moment.at_ms >= person.valid_until_ms:
        return Reason.NO_LONGER_VALID
    if person.hours and not within(person.hours, moment):
        return Reason.WRONG_HOUR
    return None


def within(hours: Sequence[Hours], moment: Moment) -> bool:
    """Whether a moment lies in one of these times of the week; a time over midnight belongs to the day it begins."""
    day, minute = moment.minute_of_week
    return any(_covers(one, day, minute) for one in hours)


def _covers(one: Hours, day: int, minute: int) -> bool:
    if one.from_min < one.to_min:
        return day in one.days and one.from_min <= minute < one.to_min
    after_midnight = (day - 1) % 7 in one.days and minute < one.to_min % _MINUTES_A_DAY
    return (day in one.days and minute >= one.from_min) or after_midnight


def staleness(*, issued_ms: int | None, now_ms: int, stale_after_ms: int) -> bool:
    """Whether a roll is too old; one that never came is. A gate whose list is kept by hand does not ask."""
    return issued_ms is None or now_ms - issued_ms > stale_after_ms

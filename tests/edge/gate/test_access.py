from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gate.access import Moment, may_pass, staleness, within
from edge.gate.api import Reason, Standing
from wire.roll import Hours, Person, PersonKind

ZONE = ZoneInfo("Asia/Shanghai")


def at(text: str, *, trusted: bool = True) -> Moment:
    local = datetime.fromisoformat(text).replace(tzinfo=ZONE)
    return Moment(at_ms=int(local.timestamp() * 1000), zone=ZONE, trusted=trusted)


def person(**more: object) -> Person:
    return Person(**({"id": "p1", "kind": PersonKind.RESIDENT, "name": "李"} | more))  # type: ignore[arg-type]


NOON = at("2026-11-23T12:00")  # a Monday


def test_a_resident_without_limits_may_pass_at_any_clock() -> None:
    assert may_pass(person(), area="public", moment=at("1970-01-01T09:00", trusted=False)).standing is Standing.PASSED


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"blocked": True}, Reason.BLOCKED),
        ({"areas": ("garage",)}, Reason.WRONG_GATE),
        ({"valid_from_ms": NOON.at_ms + 1}, Reason.NOT_YET_VALID),
        ({"valid_until_ms": NOON.at_ms}, Reason.NO_LONGER_VALID),
        ({"hours": (Hours(days=(1, 2), from_min=0, to_min=1440),)}, Reason.WRONG_HOUR),
        ({"hours": (Hours(from_min=12 * 60 + 1, to_min=1440),)}, Reason.WRONG_HOUR),
    ],
)
def test_each_limit_holds(limits: dict[str, object], reason: Reason) -> None:
    result = may_pass(person(**limits), area="public", moment=NOON)
    assert (result.standing, result.reason) == (Standing.FAILED, reason)


def test_a_clock_that_is_not_trusted_judges_no_window() -> None:
    moment = at("2026-11-23T12:00", trusted=False)
    result = may_pass(person(valid_until_ms=NOON.at_ms + 1000), area="public", moment=moment)
    assert (result.standing, result.reason) == (Standing.UNCHECKED, Reason.CLOCK_NOT_TRUSTED)
    assert may_pass(person(blocked=True), area="public", moment=moment).reason is Reason.BLOCKED


def test_a_time_over_midnight_belongs_to_the_day_it_begins() -> None:
    night = (Hours(days=(4,), from_min=22 * 60, to_min=6 * 60),)  # Friday night
    assert within(night, at("2026-11-27T22:00"))
    assert within(night, at("2026-11-28T05:59"))
    assert not within(night, at("2026-11-28T06:00"))
    assert not within(night, at("2026-11-27T05:00"))
    assert not within(night, at("2026-11-28T23:00"))


@given(st.integers(0, 6), st.integers(0, 1439), st.integers(0, 1440), st.integers(0, 7 * 1440 - 1))
def test_a_week_is_covered_by_exactly_the_minutes_that_are_said(day: int, begin: int, end: int, minute: int) -> None:
    hours = (Hours(days=(day,), from_min=begin, to_min=end),)
    monday = at("2026-11-23T00:00")
    moment = Moment(at_ms=monday.at_ms + minute * 60_000, zone=ZONE)
    length = end - begin if begin < end else end + 1440 - begin
    since = (minute - (day * 1440 + begin)) % (7 * 1440)
    assert within(hours, moment) == (since < length)


def test_a_list_grows_old() -> None:
    assert staleness(issued_ms=None, now_ms=5, stale_after_ms=10)
    assert not staleness(issued_ms=0, now_ms=10, stale_after_ms=10)
    assert staleness(issued_ms=0, now_ms=11, stale_after_ms=10)

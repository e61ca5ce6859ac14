import pytest
from hypothesis import given

from cloud.gate.domain import NotAccepted, agent_of, is_easy, read_decision, read_hours, write_hours
from cloud.gate.times import format_hours, format_local, parse_hours, parse_local
from tests.support.gate_rolls import hours
from wire.roll import Hours


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("06:00-23:00", (Hours(from_min=360, to_min=1380),)),
        (
            "1-5 06:00-23:00; 6,7 8:00-20:00",
            (Hours(days=(0, 1, 2, 3, 4), from_min=360, to_min=1380), Hours(days=(5, 6), from_min=480, to_min=1200)),
        ),
        ("1,3-5 22:00\N{EN DASH}02:00", (Hours(days=(0, 2, 3, 4), from_min=1320, to_min=120),)),
        ("7 0:00-24:00\N{FULLWIDTH SEMICOLON}", (Hours(days=(6,), from_min=0, to_min=1440),)),
    ],
)
def test_times_are_read_as_people_write_them(text: str, found: tuple[Hours, ...]) -> None:
    assert parse_hours(text) == found


@given(hours)
def test_times_are_read_as_they_were_written(one: Hours) -> None:
    assert parse_hours(format_hours((one,))) == (one,)
    assert read_hours(write_hours((one,))) == (one,)


@pytest.mark.parametrize(
    "text", ["always", "8 06:00-23:00", "5-1 06:00-23:00", "06:60-07:00", "24:00-25:00", "6-7", "06:00"]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(NotAccepted):
        parse_hours(text)


def test_moments_are_by_the_clocks_of_the_community() -> None:
    assert parse_local("2026-11-22T12:00", "Asia/Shanghai") == 1_795_320_000_000
    assert format_local(1_795_320_000_000, "Asia/Shanghai") == "2026-11-22T12:00"
    assert parse_local(" ", "UTC") is None
    assert format_local(None, "UTC") == ""
    with pytest.raises(NotAccepted):
        parse_local("noon", "UTC")


@pytest.mark.parametrize(
    ("pin", "easy"), [("111111", True), ("234567", True), ("987654", True), ("090909", True), ("482913", False)]
)
def test_pins_that_are_tried_first_are_easy(pin: str, easy: bool) -> None:  # noqa: FBT001 - a parameter of a test
    assert is_easy(pin) is easy


@pytest.mark.parametrize("text", ["", "[]", "1", "null", "{", '"x"'])
def test_what_is_no_decision_is_none(text: str) -> None:
    assert read_decision(text, 5) is None


def test_a_decision_that_lacks_something_is_still_one() -> None:
    found = read_decision('{"answer": 5, "reasons": [["access", "blocked"], [], "x", ["health", ""]], "who": null}', 5)
    assert found is not None
    assert (found.at_ms, found.answer, found.who, found.reasons) == (5, "", "", ("blocked", "", "x", "health"))


def test_a_gate_belongs_to_its_agent() -> None:
    assert agent_of("edge-1/north") == "edge-1"

"""Quality, deadband, heartbeat: what is reported and what is held back."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import PointResult, Quality, Reading, Value
from drivers.profile import Point
from edge.pipeline import DevicePipeline, judge

HEARTBEAT_MS = 60_000


def point(kind: str = "float32", **more: object) -> Point:
    sample: object = {"float32": 1.0, "uint16": 1, "string": "x"}[kind]
    length = {"length": 2} if kind == "string" else {}
    return Point.model_validate_json(
        json.dumps(
            {
                "label": {"zh": "点", "en": "Point"},
                "modbus": {"table": "holding", "address": 0, "type": kind, **length},
                "poll": "1s",
                "sample": sample,
                **more,
            }
        )
    )


def pipeline(**points: Point) -> DevicePipeline:
    return DevicePipeline(points or {"p": point()}, heartbeat=timedelta(milliseconds=HEARTBEAT_MS))


def take(pipe: DevicePipeline, value: Value | None, at_ms: int, reason: str = "") -> tuple[Reading, ...]:
    return pipe.take([PointResult(point="p", value=value, reason=reason)], at_ms=at_ms)


@pytest.mark.parametrize(
    ("value", "reason", "expected"),
    [
        (16.0, "", Quality.GOOD),
        (16.1, "", Quality.BAD),
        (-0.1, "", Quality.BAD),
        (float("nan"), "", Quality.BAD),
        (float("inf"), "", Quality.BAD),
        (None, "absent", Quality.BAD),
    ],
)
def test_a_value_that_no_working_sensor_shows_is_bad(value: Value | None, reason: str, expected: Quality) -> None:
    found = judge(point(range={"low": 0, "high": 16}), PointResult(point="p", value=value, reason=reason), at_ms=5)
    assert found.quality is expected
    assert bool(found.reason) == (expected is Quality.BAD)
    assert (found.value is None) == (expected is Quality.BAD)


def test_an_integer_too_large_for_the_wire_is_bad() -> None:
    found = judge(point("uint16"), PointResult(point="p", value=2**63), at_ms=5)
    assert found.quality is Quality.BAD


def test_the_first_reading_is_always_reported() -> None:
    assert len(take(pipeline(), 1.0, 1)) == 1
    assert len(take(pipeline(), None, 1, "absent")) == 1


def test_a_change_smaller_than_the_deadband_waits_until_it_adds_up() -> None:
    pipe = pipeline(p=point(deadband=0.5))
    reported = [bool(take(pipe, value, at)) for at, value in enumerate([1.0, 1.25, 1.49, 1.5, 1.75, 1.0])]
    assert reported == [True, False, False, True, False, True]
    assert (pipe.counts.made, pipe.counts.held_back) == (6, 3)


def test_without_a_deadband_any_change_is_reported() -> None:
    pipe = pipeline(p=point("string"))
    assert [bool(take(pipe, value, at)) for at, value in enumerate(["a", "a", "b", "a"])] == [True, False, True, True]


def test_an_unchanged_point_is_reported_by_its_heartbeat() -> None:
    pipe = pipeline()
    times = [0, 59_999, 60_000, 119_999, 120_000]
    assert [bool(take(pipe, 1.0, at)) for at in times] == [True, False, True, False, True]


def test_a_bad_point_keeps_its_last_value_and_the_time_of_the_change() -> None:
    pipe = pipeline()
    take(pipe, 4.0, 10)
    (bad,) = take(pipe, None, 20, "no answer")
    assert (bad.value, bad.quality, bad.at_ms, bad.reason) == (4.0, Quality.BAD, 20, "no answer")
    assert take(pipe, None, 30, "no answer") == ()
    assert pipe.last("p").at_ms == 20
    (good,) = take(pipe, 4.0, 40)
    assert (good.value, good.quality) == (4.0, Quality.GOOD)


def test_two_reports_in_one_millisecond_have_two_times() -> None:
    pipe = pipeline()
    (first,) = take(pipe, 4.0, 10)
    (second,) = take(pipe, 9.0, 10)
    assert (first.at_ms, second.at_ms) == (10, 11)


def test_an_unreachable_device_turns_every_point_bad_once() -> None:
    pipe = pipeline(p=point(), q=point())
    take(pipe, 4.0, 10)
    bad = pipe.unreachable("no answer", at_ms=20)
    assert [(one.point, one.value, one.quality) for one in bad] == [
        ("p", 4.0, Quality.BAD),
        ("q", None, Quality.BAD),
    ]
    assert pipe.unreachable("no answer", at_ms=30) == ()


def test_a_point_never_read_is_stale_and_has_no_value() -> None:
    last = pipeline().last("p")
    assert (last.value, last.quality) == (None, Quality.STALE)


def test_a_clock_that_was_set_back_does_not_silence_a_point() -> None:
    pipe = pipeline()
    take(pipe, 1.0, 1_000_000)
    assert len(take(pipe, 1.0, 5)) == 1


@given(values=st.lists(st.one_of(st.none(), st.floats(-5, 25)), min_size=1), deadband=st.floats(0.1, 3))
def test_what_is_held_back_is_never_further_away_than_the_deadband(values: list[float | None], deadband: float) -> None:
    pipe = pipeline(p=point(deadband=deadband, range={"low": 0, "high": 16}))
    shown: Reading | None = None
    for at, value in enumerate(values):
        reported = take(pipe, value, at)
        shown = reported[0] if reported else shown
        assert shown is not None
        good = value is not None and 0 <= value <= 16
        assert (shown.quality is Quality.GOOD) == good
        if good and isinstance(shown.value, float) and value is not None:
            assert abs(shown.value - value) < deadband or shown.value == value
    assert pipe.counts.made == len(values)

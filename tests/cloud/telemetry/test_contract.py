"""What every store promises: the same samples in, the same buckets out."""

import asyncio
import math
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.telemetry.api import Sample, TelemetryStore
from cloud.telemetry.domain import HOUR_MS, LATEST_MS, MINUTE_MS
from tests.support.series_reference import expected, same
from tests.support.telemetry_stores import STORES, open_store

NOON = 1_790_000_000_000 // HOUR_MS * HOUR_MS
DAY_MS = 24 * HOUR_MS
DEVICES = count(1)


class Home:
    """A store and the loop that it lives in, for tests that hypothesis runs many times."""

    def __init__(self, store: TelemetryStore, runner: asyncio.Runner) -> None:
        self.store = store
        self.runner = runner

    def write(self, *samples: Sample) -> None:
        self.runner.run(self.store.write(samples))

    def settle(self, now_ms: int) -> None:
        while self.runner.run(self.store.maintain(now_ms)):
            pass

    def ask(self, device_id: int, point: str, **asked: int) -> Any:
        return self.runner.run(self.store.series(device_id=device_id, point=point, **asked))


@pytest.fixture(scope="module", params=STORES)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with open_store(request.param, tmp_path_factory.mktemp("series")) as (store, runner):
        yield Home(store, runner)


values = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.floats(min_value=-1e9, max_value=1e9),
    st.integers(min_value=-(2**40), max_value=2**40).map(float),
    st.sampled_from([0.0, 1.0, -0.0, 0.1, 1e-300, 1e300, float(2**31), float(2**31 + 1)]),
    st.text(max_size=20),
    st.none(),
)
qualities = st.sampled_from([192, 192, 192, 0, 500])
spans = st.sampled_from([1000, MINUTE_MS, HOUR_MS, DAY_MS, 40 * DAY_MS])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[int, Any, int]], int]:
    """Give (at, value, quality) with each time once, in any order, and how far they reach."""
    span = draw(spans)
    times = draw(st.lists(st.integers(min_value=0, max_value=span - 1), min_size=1, max_size=40, unique=True))
    return [(NOON + at, draw(values), draw(qualities)) for at in times], span


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=histories(),
    point=st.one_of(st.text(min_size=1, max_size=64), st.sampled_from(["pressure", "Motor/转速 1", "a,b=c d", "\\"])),
    first=st.integers(min_value=-HOUR_MS, max_value=HOUR_MS),
    max_points=st.sampled_from([1, 2, 7, 240, 1000]),
)
def test_the_same_samples_give_the_same_buckets(
    home: Home, history: tuple[list[tuple[int, Any, int]], int], point: str, first: int, max_points: int
) -> None:
    device_id = next(DEVICES)
    rows, span = history
    samples = [Sample(device_id=device_id, point=point, at_ms=at, value=v, quality=q) for at, v, q in rows]
    home.write(*samples)
    home.settle(NOON + span // 2)  # what comes later is no longer new, what is newer is not yet rolled up
    home.write(*reversed(samples))
    home.settle(NOON + span // 2)
    asked = {"from_ms": NOON + first, "to_ms": NOON + first + span, "max_points": max_points}
    wanted = expected(samples, device_id=device_id, point=point, **asked)
    found = home.ask(device_id, point, **asked)
    assert same(found, wanted), f"{found}\nwanted\n{wanted}"


def test_numbers_that_are_none_are_stored_as_nothing(home: Home) -> None:
    device_id = next(DEVICES)
    for number, value in enumerate((math.nan, math.inf, -math.inf)):
        home.write(Sample(device_id=device_id, point="p", at_ms=NOON + number, value=value, quality=0))
    (bucket,) = home.ask(device_id, "p", from_ms=NOON, to_ms=NOON + 10, max_points=1)
    assert (bucket.count, bucket.low, bucket.last, bucket.last_ms) == (3, None, None, NOON + 2)


def test_series_do_not_mix(home: Home) -> None:
    device_id = next(DEVICES)
    names = ["a", "a ", "a%20", "%", "%25", "a\n", "A", "á", "a'", 'a"', "a\\", "a' OR '1'='1"]
    for number, name in enumerate(names):
        home.write(Sample(device_id=device_id, point=name, at_ms=NOON, value=float(number), quality=192))
    for number, name in enumerate(names):
        (bucket,) = home.ask(device_id, name, from_ms=NOON, to_ms=NOON + 10, max_points=1)
        assert (bucket.count, bucket.last) == (1, float(number))


def test_the_end_is_not_included_and_an_empty_span_is_empty(home: Home) -> None:
    device_id = next(DEVICES)
    home.write(*(Sample(device_id=device_id, point="p", at_ms=NOON + at, value=1.0, quality=192) for at in (0, 5, 10)))
    found = home.ask(device_id, "p", from_ms=NOON, to_ms=NOON + 10, max_points=10)
    assert [one.at_ms - NOON for one in found] == [0, 5]
    assert home.ask(device_id, "p", from_ms=NOON, to_ms=NOON, max_points=10) == ()
    assert home.ask(device_id, "q", from_ms=NOON, to_ms=NOON + 10, max_points=10) == ()


def test_more_samples_than_one_request_takes_are_all_stored(home: Home) -> None:
    device_id = next(DEVICES)
    samples = [
        Sample(device_id=device_id, point="p", at_ms=NOON + at, value=float(at), quality=192) for at in range(12_000)
    ]
    home.write(*samples)
    (bucket,) = home.ask(device_id, "p", from_ms=NOON, to_ms=NOON + 12_000, max_points=1)
    assert (bucket.count, bucket.low, bucket.high) == (12_000, 0.0, 11_999.0)


@pytest.mark.parametrize("at_ms", [-1, LATEST_MS + 1, 2**64 - 1])
def test_a_sample_with_a_time_that_no_store_can_hold_is_left_out(home: Home, at_ms: int) -> None:
    device_id = next(DEVICES)
    home.write(Sample(device_id=device_id, point="p", at_ms=at_ms, value=1.0, quality=192))
    home.write(*(Sample(device_id=device_id, point="p", at_ms=at, value=1.0, quality=192) for at in (at_ms, NOON)))
    (bucket,) = home.ask(device_id, "p", from_ms=NOON, to_ms=NOON + 10, max_points=1)
    assert (bucket.count, bucket.last_ms) == (1, NOON)


@pytest.mark.parametrize("at_ms", [0, LATEST_MS])
def test_the_first_and_the_last_time_can_be_stored(home: Home, at_ms: int) -> None:
    device_id = next(DEVICES)
    home.write(Sample(device_id=device_id, point="p", at_ms=at_ms, value=1.0, quality=192))
    home.settle(NOON)
    for from_ms, to_ms in ((max(at_ms - 5, 0), at_ms + 5), (0, 253_402_300_799_999)):
        (bucket,) = home.ask(device_id, "p", from_ms=from_ms, to_ms=to_ms, max_points=1)
        assert bucket.last_ms == at_ms
    assert home.ask(device_id, "p", from_ms=LATEST_MS + 1, to_ms=LATEST_MS + 10**9, max_points=1) == ()


def test_a_very_long_text_holds_nothing_up(home: Home) -> None:
    device_id = next(DEVICES)
    text = 'é"\\' * 40_000
    home.write(Sample(device_id=device_id, point="p", at_ms=NOON, value=text, quality=192))
    (bucket,) = home.ask(device_id, "p", from_ms=NOON, to_ms=NOON + 10, max_points=1)
    assert text.startswith(bucket.last)
    assert len(bucket.last) >= 15_000

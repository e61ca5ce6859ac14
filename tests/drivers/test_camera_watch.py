"""Rate, stillness and lag of a stream, by a clock of our own."""

import pytest

from drivers.camera.rtsp import Lag
from drivers.camera.watch import Rate, Stillness, is_covered


def test_a_rate_is_right_from_the_second_picture_on() -> None:
    rate = Rate()
    assert rate.at(0) == 0
    rate.add(0.0)
    assert rate.at(0) == 0
    rate.add(0.1)
    assert rate.at(0.1) == 10


def test_a_rate_forgets_and_falls_when_pictures_stay_away() -> None:
    rate = Rate()
    for number in range(100):
        rate.add(number * 0.1)
    assert rate.at(9.9) == 10
    assert rate.at(10.05) == 10
    assert 5 < rate.at(12) < 10
    assert rate.at(16) == 0


def test_a_rate_holds_little_however_many_come() -> None:
    rate = Rate()
    for number in range(10_000):
        rate.add(number * 1e-4)
    assert len(rate._times) <= 1000
    assert rate.at(1.0) == pytest.approx(10_000, rel=0.01)


def test_stillness_counts_from_the_first_of_the_same() -> None:
    still = Stillness()
    for at, imprint in [(0.0, b"a"), (1.0, b"b"), (2.0, b"b"), (3.5, b"b")]:
        still.see(imprint, at)
    assert still.for_s == 2.5
    still.see(b"c", 4.0)
    assert still.for_s == 0


@pytest.mark.parametrize(
    ("brightness", "spread", "covered"),
    [(3.0, 60.0, True), (120.0, 5.0, True), (240.0, 0.0, True), (120.0, 60.0, False), (20.0, 30.0, False)],
)
def test_covered_is_very_dark_or_very_even(brightness: float, spread: float, covered: bool) -> None:  # noqa: FBT001 - a case
    assert is_covered(brightness=brightness, spread=spread, dark_below=8, even_below=10) is covered


class TestLag:
    def test_a_backlog_is_old_until_it_is_worked_off(self) -> None:
        lag = Lag()
        shrinking = []
        for number in range(20):  # two seconds of pictures at once
            lag.at(10 + number * 0.001, number * 0.1)
            shrinking.append(lag.is_shrinking)
        for number in range(20, 25):
            late = lag.at(10.02 + (number - 20) * 0.1, number * 0.1)
            shrinking.append(lag.is_shrinking)
        assert all(shrinking[:20])
        assert not any(shrinking[21:])
        assert late < 0.1

    def test_pictures_that_fall_behind_are_late(self) -> None:
        lag = Lag()
        for number in range(100):
            late = lag.at(number * 0.12, number * 0.1)  # a machine that needs 120 ms for 100 ms
        assert late == pytest.approx(99 * 0.02, abs=0.05)

    def test_two_clocks_that_drift_are_no_lag(self) -> None:
        lag = Lag()
        assert max(lag.at(number * 0.1 * 1.0002, number * 0.1) for number in range(100_000)) < 0.2

    def test_a_stream_without_a_clock_is_never_late(self) -> None:
        lag = Lag()
        late = [lag.at(number * 0.5, 0.0) for number in range(10)]
        assert late == [0.0] * 10
        assert not lag.is_shrinking

    def test_a_clock_that_is_set_back_begins_anew(self) -> None:
        lag = Lag()
        for number in range(10):
            lag.at(number * 0.1, 100 + number * 0.1)
        assert lag.at(1.0, 5.0) == 0
        assert lag.at(1.1, 5.1) < 0.01

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cloud.telemetry.domain import HOUR_MS, MINUTE_MS, Grid, Level, grid
from cloud.telemetry.sqlite_schema import State
from cloud.telemetry.sqlite_series import parts

DAY_MS = 24 * HOUR_MS
times = st.integers(min_value=0, max_value=4_000_000_000_000)


@given(from_ms=times, span=st.integers(min_value=1, max_value=10 * 365 * DAY_MS), points=st.integers(1, 5000))
def test_a_grid_covers_the_span_in_few_enough_stretches(from_ms: int, span: int, points: int) -> None:
    made = grid(from_ms, from_ms + span, points)
    assert made.first_ms <= from_ms
    assert made.end_ms >= from_ms + span
    assert from_ms - made.first_ms < made.level
    assert made.end_ms - from_ms - span < made.level
    assert -(-(made.end_ms - made.first_ms) // made.width_ms) <= points
    assert made.width_ms % made.level == 0
    if made.level is not Level.SAMPLE:
        assert made.first_ms % made.level == 0


def test_a_stretch_has_the_finest_rows_that_it_can() -> None:
    now = 1_790_000_000_123
    for span, points, width, level in (
        (HOUR_MS, 240, 15_000, Level.SAMPLE),
        (DAY_MS, 240, 7 * MINUTE_MS, Level.MINUTE),
        (7 * DAY_MS, 240, 43 * MINUTE_MS, Level.MINUTE),
        (30 * DAY_MS, 240, 4 * HOUR_MS, Level.HOUR),
        (365 * DAY_MS, 1000, 9 * HOUR_MS, Level.HOUR),
    ):
        made = grid(now - span, now, points)
        assert (made.width_ms, made.level) == (width, level)


@given(
    first=times,
    span=st.integers(min_value=1, max_value=DAY_MS * 800),
    level=st.sampled_from(list(Level)),
    borders=st.lists(times, min_size=3, max_size=3).map(sorted),
)
def test_parts_follow_each_other_without_a_hole(first: int, span: int, level: Level, borders: list[int]) -> None:
    minute, sample, swept = (border // HOUR_MS * HOUR_MS for border in borders)
    asked = Grid(first_ms=first, end_ms=first + span, width_ms=int(level), level=level)
    found = list(parts(asked, State(frontier_ms=swept, swept_ms=swept, sample_ms=sample, minute_ms=minute)))
    assert found[0][1] == first
    assert found[-1][2] == first + span
    assert all(one[2] == other[1] for one, other in pairwise(found))
    assert all(one[0] > other[0] for one, other in pairwise(found))

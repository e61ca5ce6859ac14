from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.ui.trend import ticks

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ZONES = ("Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "UTC")


def shanghai(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (5 * 60_000, ["12:31", "12:32", "12:33", "12:34", "12:35"]),
        (HOUR_MS, ["11:40", "11:50", "12:00", "12:10", "12:20", "12:30"]),
        (DAY_MS, ["18:00", "11-22", "06:00", "12:00"]),
        (7 * DAY_MS, ["11-16", "11-17", "11-18", "11-19", "11-20", "11-21", "11-22"]),
        (30 * DAY_MS, ["10-26", "11-02", "11-09", "11-16"]),
        (365 * DAY_MS, ["2026-01", "2026-03", "2026-05", "2026-07", "2026-09", "2026-11"]),
    ],
)
def test_times_under_a_chart_are_round_in_the_community_s_zone(span: int, labels: list[str]) -> None:
    now = shanghai("2026-11-22T12:35:30")
    assert [text for _, text in ticks(now - span, now, "Asia/Shanghai")] == labels


@given(
    from_ms=st.integers(min_value=0, max_value=4_000_000_000_000),
    span=st.integers(min_value=1, max_value=20 * 365 * DAY_MS),
    zone=st.sampled_from(ZONES),
)
def test_there_are_few_of_them_in_order_and_within_the_span(from_ms: int, span: int, zone: str) -> None:
    found = [at for at, _ in ticks(from_ms, from_ms + span, zone)]
    assert found == sorted(set(found))
    assert len(found) <= 8
    assert all(from_ms <= at <= from_ms + span for at in found)
    assert found or span < 7000

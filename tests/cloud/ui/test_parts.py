import pytest

from cloud.alarms.domain import rules
from cloud.assets.domain import LastValue
from cloud.assets.view import alarming, comes_first, meter, own_limits, point_row, scale, value_text
from cloud.telemetry.api import Bucket
from cloud.ui.format import moment, number
from cloud.ui.login import inside, preferred_language
from cloud.ui.markup import Html, h, join
from cloud.ui.parts import Bar, bar, mark
from cloud.ui.rows import attention, gravity
from cloud.ui.texts import texts
from cloud.ui.trend import Curve, options
from tests.support.page_world import catalogue

NOON = 1_790_000_000_000


def test_texts_are_escaped_and_elements_are_not() -> None:
    assert h("a", "<b>", h("i", "&"), href='/x?"') == '<a href="/x?&quot;">&lt;b&gt;<i>&amp;</i></a>'
    assert join("<", Html("<br>"), None) == "&lt;<br>"
    assert h("input", disabled=True, hidden=False, aria_label="x") == '<input disabled aria-label="x">'


@pytest.mark.parametrize(
    ("value", "step", "shown"),
    [(7.8, 0.025, "7.800"), (198974, None, "198,974"), (0.117, None, "0.12"), (1234.56, None, "1,234.6"), (3, 1, "3")],
)
def test_numbers_have_the_decimals_that_count(value: float, step: float | None, shown: str) -> None:
    assert number(value, step) == shown


def test_moment_is_in_the_time_zone_of_the_community() -> None:
    assert moment(NOON, "Asia/Shanghai", NOON) == "22:13:20"
    assert moment(NOON - 86_400_000, "UTC", NOON) == "09-20 14:13"
    assert moment(None, "UTC", NOON) == "\N{EN DASH}"


def test_alarm_is_told_by_shape_and_not_by_colour_alone() -> None:
    shapes = {
        mark(priority).split("<path")[-1].split("<circle")[-1] for priority in ("urgent", "high", "medium", "low")
    }
    assert len(shapes) == 4
    assert "unacknowledged" in mark("high", unacknowledged=True)
    assert "hollow" in mark("high", active=False)


def test_bar_shows_band_limits_and_pointer() -> None:
    drawn = bar(Bar(value=5, low=0, high=10, below=(2,), above=(8,)), "described")
    assert 'class="band" style="left:20.00%;width:60.00%"' in drawn
    assert drawn.count("tick") == 2
    assert 'class="pointer" style="left:50.00%"' in drawn
    assert 'aria-label="described"' in drawn


def test_value_beyond_the_scale_stays_at_its_end() -> None:
    assert 'class="pointer beyond" style="left:100.00%"' in bar(Bar(value=12, low=0, high=10), "")


def test_scale_is_cut_short_where_values_fill_only_a_corner() -> None:
    assert scale(0, 500_000, (), 6200.0, 6200.0) == (0, 10_000)
    assert scale(-1, 16, (0.2,), 2.1, 2.1) == (0, 5)
    assert scale(-1, 16, (0.2,), -0.4, 2.1) == (-1, 16)
    assert scale(0, 25, (10.0,), 7.8, 7.8) == (0, 25)


def test_bad_value_has_no_pointer_and_says_so() -> None:
    profile = catalogue("grundfos-hydro-mpc")
    point = profile.points["discharge_pressure"]
    value = LastValue(device_id=1, point="discharge_pressure", value=7.8, quality=0, at_ms=NOON, received_ms=NOON)
    t = texts("en")
    _, row = point_row(t, "discharge_pressure", point, value=value, limits=((), (10.0,)), alarm=None)
    assert "pointer" not in row
    assert ">bad<" in row
    assert "bar" in value_text(t, point, value)
    assert meter(t, profile.points["alarm_code"], None, ((), ()), None) is None


def test_trends_and_watched_points_come_first() -> None:
    profile = catalogue("grundfos-hydro-mpc")
    known = rules(profile, {})
    first = comes_first(profile, known)
    assert profile.points[first[0]].trend
    assert "alarm_code" in first
    assert "energy" not in first


def test_limit_beside_a_switch_counts_and_one_beside_a_code_does_not() -> None:
    profile = catalogue("grundfos-hydro-mpc")
    known = rules(profile, {})
    assert own_limits(profile, known, "discharge_pressure") == ((), (10.0,))
    assert own_limits(profile, known, "suction_pressure") == ((0.2,), ())
    assert alarming(known, {"dry_run": "urgent"}, "suction_pressure") == "urgent"
    assert alarming(known, {"dry_run": "urgent"}, "flow") is None


def row(**values: object) -> dict[str, object]:
    base = {"id": 1, "priority": "low", "active": True, "acknowledged": False, "closed": False, "raised_ms": 0}
    return {**base, **values}


def test_newest_unacknowledged_alarm_stands_on_top() -> None:
    old = row(id=1, raised_ms=1)
    new = row(id=2, raised_ms=2)
    seen = row(id=3, raised_ms=3, acknowledged=True)
    assert [one["id"] for one in sorted([old, seen, new], key=attention)] == [2, 1, 3]


def test_highest_alarm_is_the_gravest_active_one() -> None:
    grave = row(id=1, priority="urgent", acknowledged=True)
    gone = row(id=2, priority="urgent", active=False)
    light = row(id=3, priority="low")
    assert [one["id"] for one in sorted([light, gone, grave], key=gravity)] == [1, 3, 2]


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/alarms?state=open", "/alarms?state=open"),
        ("https://example.org/", "/"),
        ("//example.org/", "/"),
        ("/\\example.org", "/"),
        ("/login?next=/login", "/"),
        ("", "/"),
    ],
)
def test_login_leads_back_but_never_elsewhere(target: str, leads_to: str) -> None:
    assert inside(target) == leads_to


@pytest.mark.parametrize(
    ("cookie", "accept", "language"),
    [("en", "zh-CN", "en"), (None, "fr;q=0.9, en;q=0.8", "en"), (None, "", "zh"), ("xx", "zh-CN,zh", "zh")],
)
def test_language_before_login(cookie: str | None, accept: str, language: str) -> None:
    assert preferred_language(cookie, accept) == language


def test_stretch_of_bad_data_is_a_gap_in_the_trend() -> None:
    good = Bucket(at_ms=0, count=2, low=1.0, high=3.0, mean=2.0, last=3.0, last_ms=5, last_quality=192)
    bad = Bucket(at_ms=10, count=1, low=None, high=None, mean=None, last=None, last_ms=12, last_quality=0)
    curve = Curve(point="p", label="P", unit="bar", limits=(10.0,))
    drawn = options(curve, (good, bad), from_ms=0, to_ms=20, zone="UTC", around_ms=None)
    assert drawn["series"][2]["data"] == [[0, 2.0], [10, None]]
    assert drawn["series"][1]["data"] == [[0, 2.0], [10, None]]
    assert drawn["series"][2]["markLine"]["data"][0]["yAxis"] == 10.0

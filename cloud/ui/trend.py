"""Trends: the curves of a device's points, drawn in the browser from the telemetry store."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import chain, count, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.assets import service as assets
from cloud.assets.view import own_limits
from cloud.telemetry.api import Bucket
from cloud.ui.markup import h
from cloud.ui.screen import Screen

_MAX_POINTS = 240
_EVERY_MS = 5_000
_AT_LEAST_EVERY_MS = 60_000
_DAY_MS = 24 * 3_600_000
_MOST_TICKS = 7
_MINUTE_S = 60
_CLOCK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
_DAY_STEPS = (1, 2, 7, 14)
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)
_MONTH_MS = 30 * _DAY_MS
# Middle greys that read on the light and on the dark ground alike; no alarm has them.
_LINE = "#5d7287"
_TEXT = "#727b85"
_GRID = "#8d959e55"


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A point that is drawn: `limits` are those of its alarms."""

    point: str
    label: str
    unit: str
    limits: tuple[float, ...] = ()


async def trend_points(screen: Screen, conn: AsyncConnection, device_id: int, points: Sequence[str]) -> list[Curve]:
    """Give the curves for some points of a device, or for those its profile draws when none of them is a number."""
    row, _ = await assets.describe_device(conn, screen.actor, device_id)
    known = await screen.services.profiles.get(conn, row["profile_hash"])
    if known is None:
        return []
    numbers = [name for name in points if known.profile.points[name].value_type in {int, float}]
    drawn = [name for name in numbers if not known.profile.points[name].enumeration]
    drawn += [name for name, point in known.profile.points.items() if point.trend and name not in drawn]
    return [
        Curve(
            point=name,
            label=known.profile.points[name].label.text(screen.t.language.value),
            unit=known.profile.points[name].unit,
            limits=tuple(chain(*own_limits(known.profile, known.rules.values(), name))),
        )
        for name in drawn
    ][: 4 if points else None]


class Trend:
    """The curves of one device, one below the other."""

    def __init__(
        self, screen: Screen, device_id: int, curves: Sequence[Curve], *, around_ms: int | None = None
    ) -> None:
        self._screen = screen
        self._device_id = device_id
        self._around_ms = around_ms
        self._charts: list[tuple[Curve, ui.echart]] = []
        self._shown: tuple[int, int] | None = None
        with ui.element("div").classes("trends"):
            for curve in curves:
                with ui.element("section").classes("panel"):
                    title = f"{curve.label}{f' ({curve.unit})' if curve.unit else ''}"
                    screen.live().show([("title", h("h2", title))])
                    chart = ui.echart(options(curve, (), from_ms=0, to_ms=1, zone="UTC", around_ms=around_ms)).classes(
                        "trend"
                    )
                    with chart.props.suspend_updates():
                        chart.props["role"] = "img"
                        chart.props["aria-label"] = title
                    self._charts.append((curve, chart))

    async def show(self, *, from_ms: int, to_ms: int, force: bool = False) -> None:
        """Draw a span of time; again only when it moved by more than one can see."""
        seen_ms = min(max((to_ms - from_ms) // _MAX_POINTS, _EVERY_MS), _AT_LEAST_EVERY_MS)
        if self._shown is not None and not force and abs(to_ms - self._shown[1]) < seen_ms:
            return
        self._shown = (from_ms, to_ms)
        telemetry = self._screen.services.telemetry
        # All at once: a store on another machine is asked for all curves in the time of one.
        found = await asyncio.gather(
            *(
                telemetry.series(
                    device_id=self._device_id, point=curve.point, from_ms=from_ms, to_ms=to_ms, max_points=_MAX_POINTS
                )
                for curve, _ in self._charts
            )
        )
        for (curve, chart), buckets in zip(self._charts, found, strict=True):
            chart.options.clear()
            chart.options.update(
                options(
                    curve,
                    buckets,
                    from_ms=from_ms,
                    to_ms=to_ms,
                    zone=self._screen.zone(),
                    around_ms=self._around_ms,
                )
            )
            chart.update()


def options(
    curve: Curve, buckets: Sequence[Bucket], *, from_ms: int, to_ms: int, zone: str, around_ms: int | None
) -> dict[str, Any]:
    """Give the chart's options. Times are written here, because a browser knows its own time zone only. Pure.

    A stretch of bad data is a gap. The band between the lowest and the highest value of each stretch is drawn behind
    the mean, so that a short spike is never averaged away.
    """
    mean = [[b.at_ms, _round(b.mean)] for b in buckets]
    low = [[b.at_ms, _round(b.low)] for b in buckets]
    spread = [[b.at_ms, None if b.low is None or b.high is None else _round(b.high - b.low)] for b in buckets]
    labels = {str(at): text for at, text in ticks(from_ms, to_ms, zone)}
    places = [int(at) for at in labels]
    lines: list[dict[str, Any]] = [
        {
            "yAxis": limit,
            "lineStyle": {"color": _TEXT, "type": "dashed", "width": 1},
            "label": {"show": True, "formatter": f"{limit:g}", "position": "end", "color": _TEXT},
        }
        for limit in curve.limits
    ]
    if around_ms is not None:
        lines.append({"xAxis": around_ms, "lineStyle": {"color": _TEXT, "type": "solid", "width": 1}})
    base = {"type": "line", "symbol": "none", "connectNulls": False, "animation": False, "stackStrategy": "all"}
    tip = (
        "ps => { const p = ps.find(x => x.seriesIndex === 2); if (!p || p.value[1] == null) return '';"
        f" const at = new Intl.DateTimeFormat('sv', {{timeZone: '{zone}', dateStyle: 'short', timeStyle: 'medium'}});"
        f" return at.format(p.value[0]) + '<br><b>' + p.value[1] + '</b> ' + {curve.unit!r}; }}"
    )
    return {
        "animation": False,
        "grid": {"left": 8, "right": 34, "top": 14, "bottom": 4, "containLabel": True},
        "tooltip": {"trigger": "axis", "confine": True, ":formatter": tip},
        "xAxis": {
            "type": "value",
            "min": from_ms,
            "max": to_ms,
            "axisTick": {"customValues": places},
            "axisLabel": {
                "color": _TEXT,
                "customValues": places,
                # A space elsewhere: room is made below for the labels of places that it would have chosen itself.
                ":formatter": f"v => ({labels!r})[String(Math.round(v))] || ' '",
                "hideOverlap": True,
            },
            "axisPointer": {"label": {"show": False}},
            "splitLine": {"show": False},
            "axisLine": {"lineStyle": {"color": _GRID}},
        },
        "yAxis": {
            "type": "value",
            "scale": True,
            "axisLabel": {"color": _TEXT},
            "splitLine": {"lineStyle": {"color": _GRID}},
            "splitNumber": 4,
        },
        "series": [
            {
                **base,
                "data": low,
                "stack": "band",
                "lineStyle": {"opacity": 0},
                "tooltip": {"show": False},
                "silent": True,
            },
            {
                **base,
                "data": spread,
                "stack": "band",
                "lineStyle": {"opacity": 0},
                "areaStyle": {"color": _LINE, "opacity": 0.22},
                "silent": True,
            },
            {
                **base,
                "name": curve.label,
                "data": mean,
                "lineStyle": {"color": _LINE, "width": 2},
                "itemStyle": {"color": _LINE},
                "markLine": {
                    "silent": True,
                    "symbol": "none",
                    "label": {"show": False},
                    "data": lines,
                    "animation": False,
                },
            },
        ],
    }


def ticks(from_ms: int, to_ms: int, zone: str) -> list[tuple[int, str]]:
    """Give round local times within a span, a handful, and how each is written. Pure.

    Midnight is written as its date; from a day's distance on they are days, then months.
    """
    tz = ZoneInfo(zone)
    begin = datetime.fromtimestamp(from_ms / 1000, tz).replace(tzinfo=None)
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    span_ms = max(to_ms - from_ms, 1)
    found: Iterator[tuple[datetime, str]]
    if clock_s := next((step for step in _CLOCK_STEPS_S if span_ms <= step * 1000 * _MOST_TICKS), None):
        skipped = (begin - midnight) // timedelta(seconds=clock_s)
        walls = (midnight + timedelta(seconds=clock_s) * (skipped + n) for n in count())
        form = "%H:%M:%S" if clock_s < _MINUTE_S else "%H:%M"
        found = ((at, "%m-%d" if at.time() == time.min else form) for at in walls)
    elif days := next((step for step in _DAY_STEPS if span_ms <= step * _DAY_MS * _MOST_TICKS), None):
        first = date.fromordinal(begin.toordinal() // days * days + 1)  # an even number of days later it is a Monday
        found = ((datetime.combine(first, time.min) + timedelta(days=days) * n, "%m-%d") for n in count())
    else:
        months = next((s for s in _MONTH_STEPS if span_ms <= s * _MONTH_MS * _MOST_TICKS), _MONTH_STEPS[-1])
        first_month = (begin.year * 12 + begin.month - 1) // months * months
        numbers = (first_month + months * n for n in count())
        found = ((datetime(number // 12, number % 12 + 1, 1), "%Y-%m") for number in numbers)  # noqa: DTZ001 - wall time
    placed = ((round(at.replace(tzinfo=tz).timestamp() * 1000), at.strftime(form)) for at, form in found)
    within = takewhile(lambda tick: tick[0] <= to_ms, placed)
    return [tick for tick in within if tick[0] >= from_ms]


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

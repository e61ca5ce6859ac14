"""Numbers and times as people read them. Pure: the time now and the time zone are arguments."""

from datetime import datetime
from zoneinfo import ZoneInfo

DASH = "\N{EN DASH}"
"""Stands where there is nothing to show, and between the ends of a span."""

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS


def number(value: float, step: float | None = None) -> str:
    """Write a number with as many decimals as `step` (the smallest change that counts) has; four digits without one."""
    if step is not None and step > 0:
        decimals = max(0, min(4, _decimals(step)))
        return f"{value:,.{decimals}f}"
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004 - where floats stop counting by ones
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.1f}"  # noqa: PLR2004 - four digits


def _decimals(step: float) -> int:
    text = f"{step:.6f}".rstrip("0")
    return len(text.partition(".")[2])


def moment(at_ms: int | None, zone: str, now_ms: int) -> str:
    """Write a moment in a time zone: the time alone on the same day, month and day before it on others."""
    if at_ms is None:
        return DASH
    tz = ZoneInfo(zone)
    at, now = (datetime.fromtimestamp(ms / 1000, tz) for ms in (at_ms, now_ms))
    if at.date() == now.date():
        return at.strftime("%H:%M:%S")
    return at.strftime("%m-%d %H:%M" if at.year == now.year else "%Y-%m-%d %H:%M")


def full_moment(at_ms: int, zone: str) -> str:
    """Write a moment with its date, for lists that are read later."""
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


def span(ms: int, unit_s: str, unit_min: str, unit_h: str, unit_d: str) -> str:
    """Write a length of time in its largest whole unit."""
    ms = max(ms, 0)
    for length, unit in ((_DAY_MS, unit_d), (_HOUR_MS, unit_h), (_MINUTE_MS, unit_min)):
        if ms >= 2 * length or (ms >= length and ms % length == 0):
            return f"{ms // length} {unit}"
    return f"{ms // 1000} {unit_s}"

"""What pages are put together from: marks of priority and state, ages, key figures, bars, lists. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.assets.domain import Presence
from cloud.ui.format import DASH
from cloud.ui.markup import Child, Html, h, join
from cloud.ui.texts import Texts

ENGINE_STALE_MS = 10_000
"""A worker that has not been heard of for so long does not watch over delays and deadlines."""
DATA_OLD_MS = 60_000
"""Values older than this are shown as old; a device with deadbands sends a beat more often than that."""
GOOD = 192
QUALITY = {0: "bad", 192: "good", 500: "stale"}

# Each priority has a colour and a shape of its own, and always its word beside it.
_SHAPES = {
    "urgent": '<path d="M8 .8 15.2 8 8 15.2.8 8z"/>',
    "high": '<path d="M8 1.2 15.4 14.6H.6z"/>',
    "medium": '<path d="M1.8 1.8h12.4v12.4H1.8z"/>',
    "low": '<circle cx="8" cy="8" r="6.6"/>',
}
PRIORITIES = tuple(_SHAPES)


def mark(priority: str, *, unacknowledged: bool = False, active: bool = True, quiet: bool = False) -> Html:
    """Draw a priority's shape: filled while active, hollow once the cause has gone, blinking until acknowledged.

    `quiet` draws it without colour, for a count of none.
    """
    classes = (
        "mark none"
        if quiet
        else f"mark {priority}{'' if active else ' hollow'}{' unacknowledged' if unacknowledged else ''}"
    )
    shape = _SHAPES.get(priority, _SHAPES["low"])
    return Html(f'<svg class="{classes}" viewBox="0 0 16 16" aria-hidden="true">{shape}</svg>')


def priority_word(t: Texts, priority: str) -> Html:
    """Write a priority's word."""
    return h("span", t.of("priority", priority), class_="priority")


def age(at_ms: int | None, *, old_ms: int | None = None) -> Html:
    """Show how long ago a moment was; the browser keeps it running."""
    if at_ms is None:
        return h("time", DASH)
    return h("time", data_age=at_ms, data_old=old_ms, class_="age")


def countdown(until_ms: int) -> Html:
    """Show how long there is until a moment, or how long it is overdue."""
    return h("time", data_until=until_ms, class_="until")


def tile(label: str, value: Child, *, note: Child = None, href: str | None = None, classes: str = "") -> Html:
    """Show one key figure."""
    body = join(h("span", value, class_="figure"), h("span", label, class_="label"), note)
    return h("a", body, href=href, class_=f"tile {classes}") if href else h("div", body, class_=f"tile {classes}")


def empty(text: str) -> Html:
    """Say that a list has nothing in it, and that this is so on purpose."""
    return h("p", text, class_="empty")


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Show names and values."""
    return h("dl", *(h("div", h("dt", name), h("dd", value)) for name, value in pairs), class_="facts")


def choices(name: str, options: Sequence[tuple[str, str]], chosen: str, label: str) -> Html:
    """Show a filter as a row of buttons, the chosen one pressed."""
    buttons = (
        h(
            "button",
            text,
            type="button",
            data_act="filter",
            data_id=f"{name}={value}",
            aria_pressed=str(value == chosen).lower(),
        )
        for value, text in options
    )
    return h("div", *buttons, class_="choices", role="group", aria_label=label)


def place(t: Texts, row: Mapping[Any, Any]) -> str:
    """Write where a row lies: community (where the reader sees several), building and place as far as known."""
    name = row.get("community_name") or {"zh": row.get("community_zh"), "en": row.get("community_en")}
    community = t.pick(str(name["zh"]), str(name["en"]))
    inner = [str(part) for part in (row.get("building"), row.get("place")) if part]
    return " · ".join(inner if inner and t.one_community else [community, *inner])


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """An analogue value between the ends of its scale, with its normal band and the limits of its alarms."""

    value: float | None
    low: float
    high: float
    below: tuple[float, ...] = ()
    above: tuple[float, ...] = ()
    alarm: str | None = None


def bar(one: Bar, describe: str) -> Html:
    """Draw a bar. The band without alarms is lighter; limits are ticks; the pointer is the value."""
    span = one.high - one.low

    def at(value: float) -> float:
        return min(max((value - one.low) / span, 0.0), 1.0) * 100

    left = at(max(one.below, default=one.low))
    right = at(min(one.above, default=one.high))
    ticks = [h("i", class_="tick", style=f"left:{at(limit):.2f}%") for limit in (*one.below, *one.above)]
    pointer = None
    if one.value is not None:
        outside = " beyond" if not one.low <= one.value <= one.high else ""
        kind = f" alarm {one.alarm}" if one.alarm else ""
        pointer = h("i", class_=f"pointer{kind}{outside}", style=f"left:{at(one.value):.2f}%")
    band = h("i", class_="band", style=f"left:{left:.2f}%;width:{max(right - left, 0):.2f}%")
    return h("span", band, *ticks, pointer, class_="meter", role="img", aria_label=describe)


def stepper(t: Texts, states: Sequence[str], reached: Sequence[str], current: str) -> Html:
    """Show a chain of states: passed, present, and to come."""
    items = []
    for state in states:
        kind = "now" if state == current else "passed" if state in reached else "ahead"
        items.append(
            h("li", h("span", t.of("order_state", state)), class_=kind, aria_current="step" if kind == "now" else None)
        )
    return h("ol", *items, class_="stepper")


def running_word(t: Texts, *, running: bool) -> Html:
    """Say on or off by brightness and a word, never by an alarm's colour."""
    return h("span", t("value.yes") if running else t("value.no"), class_="onoff on" if running else "onoff")


_LOOKS = {Presence.ONLINE: "onoff on", Presence.OFFLINE: "onoff", Presence.UNKNOWN: "onoff unknown"}


def presence_word(t: Texts, presence: Presence) -> Html:
    """Say whether something answers, or that nobody knows."""
    return h("span", t.of("device", presence), class_=_LOOKS[presence])


def online_word(t: Texts, *, online: bool) -> Html:
    """Say whether something answers that is either known to or known not to."""
    return presence_word(t, Presence.ONLINE if online else Presence.OFFLINE)

"""How a device's points and commands are drawn from its profile. Pure."""

from collections.abc import Iterable, Mapping

from cloud.alarms.domain import Rule
from cloud.assets.domain import OUTCOMES, CommandRow, CommandState, LastValue
from cloud.ui.format import DASH, number
from cloud.ui.markup import Html, h, join
from cloud.ui.parts import GOOD, QUALITY, Bar, age, bar, mark, running_word
from cloud.ui.texts import Texts
from drivers.profile import Command, Point, Profile

_LABEL_ROOM = 14.0  # percent of a bar's width that its labels keep from each other
Limits = tuple[tuple[float, ...], tuple[float, ...]]


def own_limits(profile: Profile, rules: Iterable[Rule], point: str) -> Limits:
    """Give the limits of a point that raise alarms: those it must not go below, and those it must not go above.

    A limit that stands beside a code or another measurement only narrows that one down; beside a switch ("while it
    runs") it is the matter itself.
    """
    below: set[float] = set()
    above: set[float] = set()
    for rule in rules:
        for test in rule.tests:
            others = (profile.points[one.point].value_type for one in rule.tests if one is not test)
            if test.point != point or not isinstance(test.operand, float) or any(kind is not bool for kind in others):
                continue
            if test.operator == "below":
                below.add(test.operand)
            elif test.operator == "above":
                above.add(test.operand)
    return tuple(sorted(below)), tuple(sorted(above))


def alarming(rules: Iterable[Rule], active: Mapping[str, str], point: str) -> str | None:
    """Give the priority of an active alarm that is about the point; `active` is rule id to priority.

    Where an alarm has a limit it is about the limited point, else about the first of its conditions.
    """
    for rule in rules:
        limited = {test.point for test in rule.tests if test.operator in {"above", "below"}}
        if rule.id in active and point in (limited or {rule.tests[0].point}):
            return active[rule.id]
    return None


def comes_first(profile: Profile, rules: Iterable[Rule]) -> list[str]:
    """Give the points that say how the device does: drawn as trends, watched by alarms, or shown by a command's effect.

    The trends stand first, then the rest in the order of their labels.
    """
    watched = {point for rule in rules for point in rule.points}
    proven = {command.read_back.point for command in profile.commands.values()}
    return sorted(
        (name for name, point in profile.points.items() if point.trend or name in watched | proven),
        key=lambda name: (not profile.points[name].trend, profile.points[name].range is None, name),
    )


def value_text(t: Texts, point: Point, value: LastValue | None) -> Html:
    """Write a value with its unit: a meaning for an enumeration, yes or no for a switch."""
    if value is None or value.value is None:
        return h("span", t("value.none"), class_="dim")
    if isinstance(value.value, str):
        return h("span", value.value)
    kind = point.value_type
    if kind is bool:
        return running_word(t, running=bool(value.value))
    meaning = point.enumeration.get(str(int(value.value))) if point.enumeration else None
    if meaning is not None:
        return h("span", meaning.text(t.language.value))
    step = 1.0 if kind is int else point.deadband / 2 if point.deadband else None
    return join(number(float(value.value), step), Html(" "), h("small", point.unit) if point.unit else None)


def meter(t: Texts, point: Point, value: LastValue | None, limits: Limits, alarm: str | None) -> Html | None:
    """Draw the analogue bar of a number that has a range."""
    if point.range is None or point.enumeration or point.value_type not in {int, float}:
        return None
    good = value is not None and value.quality == GOOD and isinstance(value.value, int | float)
    shown = float(value.value) if good and value is not None and not isinstance(value.value, str | None) else None
    below, above = limits
    low, high = scale(point.range.low, point.range.high, (*below, *above), shown, float(point.sample))
    span = f"{low:g} {DASH} {high:g} {point.unit}".strip()
    described = t(
        "value.bar", label=point.label.text(t.language.value), value=DASH if shown is None else f"{shown:g}", span=span
    )
    drawn = bar(Bar(value=shown, low=low, high=high, below=below, above=above, alarm=alarm), described)
    ends = [(low, 0.0), (high, 100.0)]
    shown_limits = [(one, (one - low) / (high - low) * 100) for one in (*below, *above) if low <= one <= high]
    # A limit says more than the end beside which there is no room for both.
    kept = [end for end in ends if all(abs(end[1] - at) >= _LABEL_ROOM for _, at in shown_limits)]
    marks = [h("i", number(one), style=f"left:{at:.1f}%", class_=_anchor(at)) for one, at in (*kept, *shown_limits)]
    return join(drawn, h("span", *marks, class_="ends", aria_hidden="true"))


def _anchor(at: float) -> str:
    return "left" if at < _LABEL_ROOM / 2 else "right" if at > 100 - _LABEL_ROOM / 2 else "middle"


def scale(
    low: float, high: float, limits: tuple[float, ...], value: float | None, sample: float
) -> tuple[float, float]:
    """Choose the ends of a bar: the sensor's range, cut short where values and limits fill only a corner of it."""
    top = max((sample, *limits, *(() if value is None else (value,))))
    bottom = min((sample, *limits, *(() if value is None else (value,))))
    if low <= 0 <= bottom and top > 0 and top * 4 < high:
        # A round number with room to spare; it grows in steps, so that the pointer does not carry its scale along.
        for factor in (1, 2, 5):
            for power in range(-2, 9):
                end = factor * 10.0**power
                if end >= top * 1.25 and end / 2.5 <= top * 1.25:
                    return max(low, 0.0), min(end, high)
    return low, high


def point_row(
    t: Texts, name: str, point: Point, *, value: LastValue | None, limits: Limits, alarm: str | None
) -> tuple[str, Html]:
    """Show one point: label, value, bar, age and quality."""
    quality = QUALITY.get(value.quality, "bad") if value is not None else "bad"
    number_like = point.value_type in {int, float} and not point.enumeration
    note = None if quality == "good" else h("span", t.of("quality", quality), class_="sub strong")
    doubt = None
    if value is not None and value.time_quality is not None:
        known = t.of("time_quality", value.time_quality)
        doubt = h("span", known if known != value.time_quality else t("value.doubtful"), class_="sub strong")
    cells = (
        h(
            "div",
            h("span", mark(alarm) if alarm else None, h("span", point.label.text(t.language.value)), class_="what"),
            doubt,
            class_="cell",
        ),
        h("div", value_text(t, point, value), class_="cell value" if number_like else "cell value text"),
        h("div", meter(t, point, value, limits, alarm), class_="cell meter-cell"),
        h("div", age(None if value is None else value.received_ms), note, class_="cell tight end age-cell dim"),
    )
    key = f"point-{name}"
    return key, h("div", *cells, class_=f"row {quality}", data_key=key, data_point=name)


def command_text(t: Texts, profile: Profile, row: CommandRow) -> str:
    """Write what was asked for."""
    command = profile.commands.get(row.name)
    if command is None:
        return row.name
    label = command.label.text(t.language.value)
    if row.value is None or isinstance(row.value, bool):
        return label
    return (
        f"{label} {row.value:g} {profile.points[command.point].unit}".rstrip()
        if not isinstance(row.value, str)
        else label
    )


def command_state(t: Texts, row: CommandRow) -> Html:
    """Say the truth about a command: what is known of it, in words."""
    running = row.state not in OUTCOMES
    word = h("b", t.of("command_state", row.state.value))
    meaning = t.of("command_meaning", row.state.value)
    detail = h("span", f" ({row.detail})", class_="dim") if row.detail and row.state is not CommandState.DONE else None
    return h("span", word, " ", h("span", meaning, class_="dim"), detail, class_="running" if running else None)


def command_form(
    t: Texts, name: str, command: Command, profile: Profile, *, asking: str | None, off: str | None
) -> Html:
    """Show the form of one command; `asking` is the value to be confirmed, `off` why it cannot be sent."""
    label = command.label.text(t.language.value)
    unit = profile.points[command.point].unit
    field = None
    if command.value is None and command.limits is not None:
        low, high = command.limits.low, command.limits.high
        field = h(
            "span",
            h(
                "input",
                name="value",
                type="number",
                min=f"{low:g}",
                max=f"{high:g}",
                step="any",
                required=True,
                aria_label=f"{label} ({low:g} {DASH} {high:g} {unit})",
                disabled=off is not None,
            ),
            f" {unit} ",
            h("small", f"{low:g} {DASH} {high:g}"),
        )
    ask = None
    if asking is not None:
        text = t("command.sure", label=f"{label} {asking} {unit}".replace("  ", " ").strip())
        ask = h(
            "span",
            h("b", text),
            h(
                "button",
                t("command.confirm"),
                type="button",
                class_="primary",
                data_act="confirm",
                data_id=name,
                data_focus=True,
            ),
            h("button", t("command.abort"), type="button", data_act="abort", data_id=name),
            class_="ask",
            role="alertdialog",
            aria_label=text,
        )
    send = h("button", t("command.send") if field else label, type="submit", disabled=off is not None, title=off)
    children = (h("span", label, class_="name") if field else None, field, send, ask)
    return h("form", *children, data_act="command", data_id=name, class_="command")

"""Rows of alarms and work orders, as the overview, the lists and the pages of devices show them. Pure.

A row is a document of `cloud.alarms.service` or `cloud.work_orders.service`.
"""

from collections.abc import Mapping
from typing import Any

from cloud.alarms.domain import Action, State
from cloud.ui.markup import Html, h
from cloud.ui.parts import PRIORITIES, age, countdown, mark, place, priority_word
from cloud.ui.texts import Texts
from cloud.work_orders.domain import ENDED
from cloud.work_orders.domain import State as OrderState

Row = Mapping[Any, Any]


def words(t: Texts, label: Mapping[str, str]) -> str:
    """Give a label of the data in the reader's language."""
    return t.pick(label["zh"], label["en"])


def waits(row: Row) -> bool:
    """Whether an alarm waits for somebody to acknowledge it."""
    return not row["closed"] and not row["acknowledged"]


def alarm_mark(row: Row) -> Html:
    """Draw an alarm's mark: blinking until it is acknowledged, hollow once its cause has gone."""
    return mark(row["priority"], unacknowledged=waits(row), active=row["active"])


def alarm_state(t: Texts, row: Row) -> str:
    """Name an alarm's state."""
    return t.of("alarm_state", State(row["state"]).name.lower())


def attention(row: Row) -> tuple[bool, int, int]:
    """Order alarms by what needs somebody first: unacknowledged, then the newest."""
    return (not waits(row), -row["raised_ms"], -row["id"])


def gravity(row: Row) -> tuple[int, bool, int]:
    """Order alarms by weight: active ones by priority, then unacknowledged, then the newest."""
    rank = PRIORITIES.index(row["priority"]) if row["priority"] in PRIORITIES else len(PRIORITIES)
    return (rank if row["active"] else rank + len(PRIORITIES), not waits(row), -row["raised_ms"])


def acknowledge_button(t: Texts, row: Row, *, primary: bool = False) -> Html:
    """Give the button that acknowledges an alarm; the key `a` presses the first one."""
    return h(
        "button",
        t("alarm.acknowledge"),
        type="button",
        class_="primary" if primary else None,
        data_act="acknowledge",
        data_id=row["id"],
        data_ack=True,
        aria_keyshortcuts="a",
        aria_label=f"{t('alarm.acknowledge')}: {words(t, row['label'])}",
    )


def alarm_row(t: Texts, row: Row, *, may_acknowledge: bool) -> tuple[str, Html]:
    """Show one alarm in a list."""
    waiting = waits(row)
    can = may_acknowledge and Action.ACKNOWLEDGE.value in row["allowed"]
    link = h("a", words(t, row["label"]), href=f"/alarms/{row['id']}", class_=None if waiting else "calm")
    notes = [alarm_state(t, row)]
    if row["occurrences"] > 1:
        notes.append(t("alarm.times", count=row["occurrences"]))
    if row["historical"]:
        notes.append(t("alarm.historical"))
    note = h("span", " · ".join(notes), class_="sub")
    key = f"alarm-{row['id']}"
    cells = (
        h("div", h("span", alarm_mark(row), priority_word(t, row["priority"]), class_="what"), class_="cell tight"),
        h("div", link, note, class_="cell grow"),
        h("div", words(t, row["device_label"]), h("span", place(t, row), class_="sub"), class_="cell full"),
        h("div", age(row["raised_ms"]), class_="cell tight end"),
        h("div", acknowledge_button(t, row) if can else None, class_="cell end"),
    )
    return key, h("div", *cells, class_="row unread" if waiting else "row", data_row=True, data_key=key)


_ARRIVING = frozenset({OrderState.NEW.value, OrderState.DISPATCHED.value, OrderState.ACCEPTED.value})


def due_ms(row: Row) -> int:
    """Give when the clock that runs on an order runs out: first that of arrival, then that of restoration."""
    return int(row["arrive_by_ms"] if row["state"] in _ARRIVING else row["restore_by_ms"])


def order_clock(t: Texts, row: Row) -> Html:
    """Show the clock that runs on an order: until arrival, until restoration, or what ended it."""
    if OrderState(row["state"]) in ENDED:
        return age(row["closed_ms"])
    if row["restored_ms"] is not None:
        return h("span", t("order.restored"))
    word = t("order.arrive") if row["state"] in _ARRIVING else t("order.restore")
    return h("span", word, " ", countdown(due_ms(row)))


def order_row(t: Texts, row: Row) -> tuple[str, Html]:
    """Show one work order in a list."""
    key = f"order-{row['id']}"
    thing = words(t, row["asset"]) if row["asset"] else ""
    where = h("span", place(t, row), class_="sub")
    link = h("a", words(t, row["title"]), href=f"/work-orders/{row['id']}")
    number = h("span", f"{row['number']} · {t.of('priority', row['priority'])}", class_="sub")
    who = h("span", row["assignee"] or t("order.nobody"), class_="sub")
    cells = (
        h("div", link, number, class_="cell full"),
        h("div", thing, where, class_="cell full"),
        h("div", h("span", t.of("order_state", row["state"]), class_="strong"), who, class_="cell"),
        h("div", order_clock(t, row), class_="cell end"),
    )
    return key, h("div", *cells, class_="row", data_row=True, data_key=key)

"""Pages of alarms: the list, and one alarm with what to do about it."""

from datetime import timedelta

from fastapi import Request, Response
from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Permission
from cloud.alarms import service
from cloud.alarms.domain import Action
from cloud.people.service import list_people
from cloud.platform.errors import NotFound
from cloud.ui.format import DASH
from cloud.ui.layout import Frame
from cloud.ui.live import Act
from cloud.ui.markup import Html, h, join
from cloud.ui.parts import PRIORITIES, age, choices, empty, facts, place, priority_word
from cloud.ui.rows import (
    Row,
    acknowledge_button,
    alarm_mark,
    alarm_row,
    alarm_state,
    attention,
    words,
)
from cloud.ui.screen import Screen, Services, open_page
from cloud.ui.trend import Trend, trend_points
from cloud.work_orders import service as work_orders
from drivers.profile import Priority

_STATES = ("open", "unacknowledged", "closed", "all")
_LIMIT = 200
_MINUTE_MS = 60_000
_AROUND_MS = 15 * _MINUTE_MS


def register(services: Services) -> None:
    """Add the pages."""

    @ui.page("/alarms")
    async def alarms(request: Request, state: str = "open", priority: str = "") -> Response | None:
        return await open_page(
            services, request, lambda screen: _list(screen, request, {"state": state, "priority": priority})
        )

    @ui.page("/alarms/{alarm_id}")
    async def alarm(request: Request, alarm_id: int) -> Response | None:
        return await open_page(services, request, lambda screen: _one(screen, request, alarm_id))


def acts(screen: Screen) -> None:
    """Let people acknowledge and reset alarms on a page."""

    async def acknowledge(act: Act) -> None:
        async with screen.transaction() as conn:
            await service.acknowledge(conn, screen.actor, int(act.id), now_ms=screen.now_ms())

    async def reset(act: Act) -> None:
        async with screen.transaction() as conn:
            await service.reset(conn, screen.actor, int(act.id), now_ms=screen.now_ms())

    screen.on("acknowledge", acknowledge)
    screen.on("reset", reset)


async def _list(screen: Screen, request: Request, chosen: dict[str, str]) -> None:
    t = screen.t
    if chosen["state"] not in _STATES:
        chosen["state"] = "open"
    if chosen["priority"] not in PRIORITIES:
        chosen["priority"] = ""
    frame = Frame(screen, request, t("alarm.title"))
    with frame.main():
        top = screen.live("head")
        part = screen.live("panel list alarms", label=t("alarm.title"))
    acts(screen)

    async def filtered(act: Act) -> None:
        name, _, value = act.id.partition("=")
        if name in chosen:
            chosen[name] = value
        query = f"?state={chosen['state']}" + (f"&priority={chosen['priority']}" if chosen["priority"] else "")
        screen.path = f"/alarms{query}"
        ui.navigate.history.replace(screen.path)

    screen.on("filter", filtered)

    async def refresh() -> None:
        wanted = Priority(chosen["priority"]) if chosen["priority"] in PRIORITIES else None
        state = chosen["state"] if chosen["state"] in _STATES else "open"
        async with screen.reading() as conn:
            await frame.refresh(conn)
            rows = await service.list_alarms(conn, screen.actor, state=state, priority=wanted, limit=_LIMIT)
        states = [(name, t.of("show", name)) for name in _STATES]
        kinds = [("", t("filter.every_priority")), *((name, t.of("priority", name)) for name in PRIORITIES)]
        top.show(
            [
                ("title", h("h1", t("alarm.title"))),
                ("state", choices("state", states, state, t("filter.state"))),
                ("priority", choices("priority", kinds, chosen["priority"], t("filter.priority"))),
            ]
        )
        may = screen.actor.may_anywhere(Permission.ACKNOWLEDGE)
        shown = [alarm_row(t, row, may_acknowledge=may) for row in sorted(rows, key=attention)]
        if len(rows) == _LIMIT:
            shown.append(("more", empty(t("filter.first", count=_LIMIT))))
        part.show(shown or [("empty", empty(t("alarm.none")))])

    await screen.every_second(refresh)


async def _one(screen: Screen, request: Request, alarm_id: int) -> None:
    t = screen.t
    frame = Frame(screen, request, t("alarm.one"))
    acts(screen)
    try:
        async with screen.reading() as conn:
            first = await service.get_alarm(conn, screen.actor, alarm_id)
            points = await trend_points(screen, conn, first["device_id"], first["points"])
    except NotFound:
        await _missing(screen, frame)
        return
    with frame.main():
        top = screen.live("head")
        deeds = screen.live("actions")
        story = screen.live("panel", label=t("alarm.story"))
        with ui.element("div").classes("columns wide-left"):
            with ui.element("div"):
                trend = Trend(screen, first["device_id"], points, around_ms=first["raised_ms"])
            with ui.element("div"):
                about = screen.live("panel", label=t("alarm.about"))
                history = screen.live("panel", label=t("alarm.history"))

    async def refresh() -> None:
        async with screen.reading() as conn:
            await frame.refresh(conn)
            row = await service.get_alarm(conn, screen.actor, alarm_id)
            contact = await _contact(screen, conn, row)
        top.show(_title(screen, row))
        deeds.show(_deeds(screen, row))
        story.show([("story", _story(screen, row))])
        about.show([("title", h("h2", t("alarm.about"))), ("facts", _about(screen, row, contact))])
        history.show([("title", h("h2", t("alarm.history"))), ("history", _history(screen, row))])
        to_ms = min(screen.now_ms(), (row["cleared_ms"] or screen.now_ms()) + _AROUND_MS)
        await trend.show(from_ms=min(row["raised_ms"], to_ms) - _AROUND_MS, to_ms=to_ms)

    await screen.every_second(refresh)


async def _missing(screen: Screen, frame: Frame) -> None:
    with frame.main():
        screen.live("panel").show([("none", empty(screen.t("notice.not_found")))])

    async def refresh() -> None:
        async with screen.reading() as conn:
            await frame.refresh(conn)

    await screen.every_second(refresh)


def _title(screen: Screen, row: Row) -> list[tuple[str, Html]]:
    t = screen.t
    return [
        ("mark", h("span", alarm_mark(row), priority_word(t, row["priority"]), class_="what")),
        ("title", h("h1", words(t, row["label"]))),
        ("state", h("span", alarm_state(t, row), class_="strong")),
        ("age", h("span", t("alarm.since"), " ", age(row["raised_ms"]), class_="dim")),
    ]


def _deeds(screen: Screen, row: Row) -> list[tuple[str, Html]]:
    t = screen.t
    deeds: list[tuple[str, Html]] = []
    may = screen.actor.may_anywhere(Permission.ACKNOWLEDGE)
    if may and Action.ACKNOWLEDGE.value in row["allowed"]:
        deeds.append(("acknowledge", acknowledge_button(t, row, primary=True)))
    if may and Action.RESET.value in row["allowed"]:
        deeds.append(("reset", h("button", t("alarm.reset"), type="button", data_act="reset", data_id=row["id"])))
    order = row["work_order"]
    if order is not None:
        text = f"{t('alarm.order')} {order['number']} · {t.of('order_state', order['state'])}"
        deeds.append(("order", h("a", text, href=f"/work-orders/{order['id']}", class_="button")))
    return deeds


def _story(screen: Screen, row: Row) -> Html:
    t = screen.t
    within = row["respond_within_ms"]
    minutes = None if within is None else timedelta(milliseconds=within) // timedelta(minutes=1)
    parts = [
        (t("alarm.cause"), row["cause"]),
        (t("alarm.consequence"), row["consequence"]),
        (t("alarm.response"), row["response"]),
    ]
    shown = [(name, words(t, label)) for name, label in parts if label is not None]
    if minutes is not None:
        shown.append((t("alarm.allowed"), t("alarm.within", minutes=minutes)))
    if not shown:
        return empty(t("alarm.no_story"))
    return h("dl", *(h("div", h("dt", name), h("dd", text)) for name, text in shown), class_="story")


async def _contact(screen: Screen, conn: AsyncConnection, row: Row) -> Html | None:
    """Say who looks after it and how to reach them: the assignee of the alarm's order."""
    if row["work_order"] is None:
        return None
    order = await work_orders.get_order(conn, screen.actor, row["work_order"]["id"])
    if order["assignee_id"] is None:
        return h("b", screen.t("order.nobody"))
    known = await list_people(conn, screen.actor, now_ms=screen.now_ms())
    phone = next((one.phone for one in known if one.id == order["assignee_id"]), "")
    call = h("a", phone, href=f"tel:{phone.replace(' ', '')}") if phone else None
    return h("span", order["assignee"], " ", call)


def _about(screen: Screen, row: Row, contact: Html | None) -> Html:
    t = screen.t
    at = row["community_id"]
    value = DASH if row["value"] is None else f"{row['value']:g} {row['unit']}".strip()
    device = h("a", words(t, row["device_label"]), href=f"/devices/{row['device_id']}")
    pairs: list[tuple[str, Html | str]] = [
        (t("alarm.device"), device),
        (t("alarm.place"), place(t, row)),
        (t("alarm.raised"), screen.at(row["raised_ms"], at)),
        (t("alarm.value"), value),
        (t("alarm.cleared"), screen.at(row["cleared_ms"], at)),
    ]
    if contact is not None:
        pairs.insert(0, (t("alarm.contact"), contact))
    if row["acknowledged_ms"] is not None:
        who = f"{screen.at(row['acknowledged_ms'], at)} · {row['acknowledged_by_name'] or ''}"
        pairs.append((t("alarm.acknowledged"), who))
    if row["occurrences"] > 1:
        pairs.append((t("alarm.occurrences"), str(row["occurrences"])))
    if row["historical"]:
        pairs.append((t("alarm.note"), t("alarm.historical")))
    return facts(pairs)


def _history(screen: Screen, row: Row) -> Html:
    t = screen.t
    items = []
    for event in reversed(row["history"]):
        who = event["account"]
        text = t.of("alarm_event", event["kind"])
        body = join(text, h("span", f" · {who}", class_="dim") if who else None)
        items.append(h("li", h("span", screen.at(event["at_ms"], row["community_id"]), class_="dim"), h("span", body)))
    return h("ol", *items, class_="history")

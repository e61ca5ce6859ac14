"""Pages of work orders: the list, and one order with its chain, clocks, checklist, history and deeds."""

from fastapi import Request, Response
from nicegui import ui

from cloud.access.domain import Role
from cloud.people.service import list_people
from cloud.platform.errors import NotFound
from cloud.ui.layout import Frame
from cloud.ui.live import Act
from cloud.ui.markup import Html, h, join
from cloud.ui.parts import choices, countdown, empty, facts, place, stepper
from cloud.ui.rows import Row, order_row, words
from cloud.ui.screen import Screen, Services, open_page
from cloud.work_orders import service
from cloud.work_orders.domain import ENDED, Action, State

_STATES = ("open", "all", *(state.value for state in State))
_LIMIT = 200
_CHAIN = (
    State.NEW,
    State.DISPATCHED,
    State.ACCEPTED,
    State.WORKING,
    State.DONE,
    State.VERIFIED,
    State.CLOSED,
)
_FORWARD = (Action.ACCEPT, Action.START, Action.RESUME, Action.COMPLETE, Action.CLOSE)


def register(services: Services) -> None:
    """Add the pages."""

    @ui.page("/work-orders")
    async def orders(request: Request, state: str = "open", mine: str = "") -> Response | None:
        return await open_page(
            services, request, lambda screen: _list(screen, request, {"state": state, "mine": mine or _default(screen)})
        )

    @ui.page("/work-orders/{order_id}")
    async def order(request: Request, order_id: int) -> Response | None:
        return await open_page(services, request, lambda screen: _one(screen, request, order_id))


def _default(screen: Screen) -> str:
    """Show people whose only task is the work itself their own orders first."""
    roles = {grant.role for grant in screen.actor.grants}
    return "yes" if roles and roles <= {Role.TECHNICIAN, Role.VIEWER} and Role.TECHNICIAN in roles else "no"


async def _list(screen: Screen, request: Request, chosen: dict[str, str]) -> None:
    t = screen.t
    frame = Frame(screen, request, t("order.title"))
    with frame.main():
        top = screen.live("head")
        part = screen.live("panel list orders", label=t("order.title"))

    async def filtered(act: Act) -> None:
        name, _, value = act.id.partition("=")
        if not name:
            name, value = "state", act.fields.get("state", "open")
        if name in chosen:
            chosen[name] = value
        screen.path = f"/work-orders?state={chosen['state']}&mine={chosen['mine']}"
        ui.navigate.history.replace(screen.path)

    screen.on("filter", filtered)

    async def refresh() -> None:
        state = chosen["state"] if chosen["state"] in _STATES else "open"
        mine = chosen["mine"] == "yes"
        async with screen.reading() as conn:
            await frame.refresh(conn)
            rows = await service.list_orders(conn, screen.actor, state=state, mine=mine, limit=_LIMIT)
        people = [("no", t("filter.everybody")), ("yes", t("filter.mine"))]
        top.show(
            [
                ("title", h("h1", t("order.title"))),
                ("mine", choices("mine", people, "yes" if mine else "no", t("filter.people"))),
                ("state", _state_choice(screen, state)),
            ]
        )
        shown = [order_row(t, row) for row in rows]
        if len(rows) == _LIMIT:
            shown.append(("more", empty(t("filter.first", count=_LIMIT))))
        part.show(shown or [("empty", empty(t("order.none")))])

    await screen.every_second(refresh)


def _state_choice(screen: Screen, state: str) -> Html:
    t = screen.t
    names = {"open": t.of("show", "open"), "all": t.of("show", "all")}
    options = [
        h("option", names.get(name) or t.of("order_state", name), value=name, selected=name == state)
        for name in _STATES
    ]
    return h("label", t("filter.state"), " ", h("select", *options, name="state", data_act="filter", data_id=""))


async def _one(screen: Screen, request: Request, order_id: int) -> None:
    t = screen.t
    frame = Frame(screen, request, t("order.one"))

    async def act(deed: Act) -> None:
        chosen = deed.fields.get("assignee", "")
        async with screen.transaction() as conn:
            await service.act(
                conn,
                screen.actor,
                order_id,
                Action(deed.id),
                note=deed.fields.get("note", "").strip(),
                now_ms=screen.now_ms(),
                assignee_id=int(chosen) if deed.id == Action.ASSIGN.value and chosen.isdigit() else None,
            )

    screen.on("order", act)
    with frame.main():
        top = screen.live("head")
        chain = screen.live("panel", label=t("order.chain"))
        deeds = screen.live("panel", label=t("order.deeds"))
        with ui.element("div").classes("columns wide-left"):
            with ui.element("div"):
                checklist = screen.live("panel", label=t("order.checklist"))
                history = screen.live("panel", label=t("order.history"))
            with ui.element("div"):
                about = screen.live("panel", label=t("order.about"))

    async def refresh() -> None:
        async with screen.reading() as conn:
            await frame.refresh(conn)
            try:
                row = await service.get_order(conn, screen.actor, order_id)
            except NotFound:
                top.show([("none", empty(t("notice.not_found")))])
                return
            people = []
            if Action.ASSIGN.value in row["allowed"]:
                everybody = await list_people(conn, screen.actor, now_ms=screen.now_ms())
                people = [one for one in everybody if one.active and one.on_shift]
        top.show(_title(screen, row))
        chain.show([("chain", _chain(screen, row)), ("clocks", _clocks(screen, row))])
        deeds.show([("deeds", _deeds(screen, row, [(one.id, one.name) for one in people]))])
        checklist.show([("title", h("h2", t("order.checklist"))), ("list", _checklist(screen, row))])
        about.show([("title", h("h2", t("order.about"))), ("facts", _about(screen, row))])
        history.show([("title", h("h2", t("order.history"))), ("history", _history(screen, row))])

    await screen.every_second(refresh)


def _title(screen: Screen, row: Row) -> list[tuple[str, Html]]:
    t = screen.t
    return [
        ("number", h("span", row["number"], class_="dim")),
        ("title", h("h1", words(t, row["title"]))),
        ("priority", h("span", t.of("priority", row["priority"]), class_="strong")),
    ]


def _chain(screen: Screen, row: Row) -> Html:
    state = row["state"]
    reached = {event["to_state"] for event in row["history"]}
    aside = (State.ON_HOLD.value, State.CANCELLED.value)
    steps = [one.value for one in _CHAIN]
    if state in aside:
        # A branch is shown where it left the chain.
        before = [one for one in steps if one in reached] or [State.NEW.value]
        steps.insert(steps.index(before[-1]) + 1, state)
    # An order that went back has its later steps before it again.
    passed = reached.intersection(steps[: steps.index(state)])
    return stepper(screen.t, steps, sorted(passed), state)


def _clocks(screen: Screen, row: Row) -> Html:
    t = screen.t
    at = row["community_id"]
    if row["restored_ms"] is not None:
        return h("p", h("b", t("order.verified_at", at=screen.at(row["restored_ms"], at))), class_="verified")
    if State(row["state"]) in ENDED:
        return h("p", t("order.ended_at", at=screen.at(row["closed_ms"], at)))
    pairs: list[tuple[str, Html]] = []
    if row["state"] in {State.NEW, State.DISPATCHED, State.ACCEPTED}:
        pairs.append((t("order.arrive_by"), _until(screen, row["arrive_by_ms"], at)))
    pairs.append((t("order.restore_by"), _until(screen, row["restore_by_ms"], at)))
    return facts(pairs)


def _until(screen: Screen, at_ms: int, community_id: int) -> Html:
    return join(screen.at(at_ms, community_id), Html(" · "), countdown(at_ms))


def _deeds(screen: Screen, row: Row, people: list[tuple[int, str]]) -> Html:
    t = screen.t
    if not row["allowed"]:
        return h("p", t("order.nothing"), class_="dim")
    first = next((one.value for one in _FORWARD if one.value in row["allowed"]), None)
    ordered = sorted(row["allowed"], key=lambda one: (one != first, one == Action.CANCEL.value))
    buttons = [
        h(
            "button",
            t.of("order_action", one),
            type="button",
            class_="primary" if one == first else None,
            data_act="order",
            data_id=one,
        )
        for one in ordered
        if one != Action.ASSIGN.value
    ]
    whom = None
    if Action.ASSIGN.value in row["allowed"]:
        options = [
            h("option", t("order.suggested"), value=""),
            *(h("option", name, value=number) for number, name in people),
        ]
        assign = h(
            "button", t.of("order_action", "assign"), type="button", data_act="order", data_id=Action.ASSIGN.value
        )
        chosen = h("label", t("order.assign_to"), " ", h("select", *options, name="assignee"))
        whom = h("span", chosen, assign, class_="group")
    placeholder = t("order.note_hint")
    note = h("input", name="note", maxlength=2000, placeholder=placeholder, aria_label=t("order.note"), class_="note")
    return h("form", *buttons, note, whom, class_="actions")


def _checklist(screen: Screen, row: Row) -> Html:
    if not row["checklist"]:
        return empty(screen.t("order.no_checklist"))
    return h("ol", *(h("li", words(screen.t, one)) for one in row["checklist"]), class_="checklist")


def _about(screen: Screen, row: Row) -> Html:
    t = screen.t
    at = row["community_id"]
    pairs: list[tuple[str, Html | str]] = [
        (t("order.assignee"), row["assignee"] or t("order.nobody")),
        (t("order.place"), place(t, row)),
        (t("order.category"), " / ".join(words(t, one) for one in row["category"])),
        (t("order.skill"), t.of("skill", row["skill"])),
        (t("order.opened"), screen.at(row["opened_ms"], at)),
        (t("order.source"), t.of("order_source", row["source"])),
        (t("order.closes"), t("order.closes_sensor") if row["closes"] == "sensor" else t("order.closes_person")),
    ]
    if row["asset"] is not None and row["device_id"] is not None:
        pairs.insert(1, (t("order.asset"), h("a", words(t, row["asset"]), href=f"/devices/{row['device_id']}")))
    if row["alarm_id"] is not None:
        pairs.append((t("order.alarm"), h("a", t("order.to_alarm"), href=f"/alarms/{row['alarm_id']}")))
    if row["historical"]:
        pairs.append((t("alarm.note"), t("alarm.historical")))
    return facts(pairs)


def _history(screen: Screen, row: Row) -> Html:
    t = screen.t
    items = []
    for event in reversed(row["history"]):
        who = event["account"] or t("order.system")
        deed = t.of("order_action", event["action"])
        state = t.of("order_state", event["to_state"])
        note = h("div", event["note"], class_="note-text") if event["note"] else None
        text = h("span", h("b", deed), f" → {state}", h("span", f" · {who}", class_="dim"), note)
        items.append(h("li", h("span", screen.at(event["at_ms"], row["community_id"]), class_="dim"), text))
    return h("ol", *items, class_="history")

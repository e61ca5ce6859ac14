"""The first page: the whole span in one view (level 1). What needs somebody stands on top."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request, Response
from nicegui import ui

from cloud.access.domain import Permission
from cloud.alarms import service as alarms
from cloud.alarms.pages import acts
from cloud.assets import repository as assets
from cloud.assets import service as devices
from cloud.assets.domain import Presence, presence
from cloud.ingest import repository as ingest
from cloud.ui.layout import Frame
from cloud.ui.markup import Html, h, join
from cloud.ui.parts import DATA_OLD_MS, PRIORITIES, age, empty, mark, tile
from cloud.ui.rows import Row, alarm_mark, alarm_row, attention, due_ms, gravity, order_row, words
from cloud.ui.screen import Screen, Services, open_page
from cloud.ui.texts import Texts
from cloud.work_orders import service as work_orders

_ALARMS = 60
_ORDERS = 40
_DEVICES = 150
_DATA_EVERY_MS = 5_000  # it looks at every value of every device


def register(services: Services) -> None:
    """Add the page."""

    @ui.page("/")
    async def overview(request: Request) -> Response | None:
        return await open_page(services, request, lambda screen: _show(screen, request))


async def _show(screen: Screen, request: Request) -> None:
    t = screen.t
    frame = Frame(screen, request, t("overview.title"))
    acts(screen)
    with frame.main():
        figures = screen.live("tiles", label=t("overview.figures"))
        with ui.element("div").classes("columns wide-left"):
            with ui.element("div"), ui.element("section").classes("panel"):
                title = screen.live("title")
                listed = screen.live("list alarms", label=t("overview.alarms"))
            with ui.element("div"), ui.element("section").classes("panel"):
                orders_title = screen.live("title")
                orders = screen.live("list orders", label=t("overview.orders"))
        with ui.element("section").classes("panel"):
            screen.live("title").show([("title", h("h2", t("overview.devices")))])
            wall = screen.live("wall", label=t("overview.devices"))

    newest: int | None = None
    looked_ms = 0

    async def refresh() -> None:
        nonlocal newest, looked_ms
        visible = screen.actor.visible()
        now = screen.now_ms()
        async with screen.reading() as conn:
            await frame.refresh(conn)
            summary = await alarms.overview(conn, screen.actor, now_ms=now)
            rows = await alarms.list_alarms(conn, screen.actor, state="open", limit=_ALARMS)
            jobs = await work_orders.list_orders(conn, screen.actor, state="open", limit=_ORDERS)
            things = await devices.list_devices(conn, screen.actor, limit=_DEVICES)
            nodes = await assets.nodes_for_page(conn, visible)
            if now - looked_ms >= _DATA_EVERY_MS:
                newest, looked_ms = await assets.newest_received_for_page(conn, visible), now
            odd = await ingest.quarantined_for_page(conn, visible)
        overdue = sum(1 for job in jobs if _overdue(job, now))
        figures.show(_figures(screen, summary, nodes=nodes, newest=newest, odd=odd, overdue=overdue))
        highest = min(rows, key=gravity, default=None)
        title.show([("title", h("h2", t("overview.alarms"))), ("highest", _highest(screen, highest))])
        may = screen.actor.may_anywhere(Permission.ACKNOWLEDGE)
        shown = [alarm_row(t, row, may_acknowledge=may) for row in sorted(rows, key=attention)]
        listed.show(shown or [("empty", empty(t("overview.no_alarms")))])
        orders_title.show(
            [("title", h("h2", t("overview.orders"))), ("all", h("a", t("overview.all_orders"), href="/work-orders"))]
        )
        jobs = sorted(jobs, key=_due)
        orders.show([order_row(t, job) for job in jobs] or [("empty", empty(t("overview.no_orders")))])

        wall.show(_wall(screen, things, rows) or [("empty", empty(t("device.none_yet")))])

    await screen.every_second(refresh)


def _wall(screen: Screen, things: Sequence[Row], rows: Sequence[Row]) -> list[tuple[str, Html]]:
    """Show every device as a cell, with its worst alarm; the quiet ones stay quiet."""
    t = screen.t
    worst: dict[int, Row] = {}
    for row in sorted(rows, key=gravity):
        worst.setdefault(row["device_id"], row)
    items = []
    for thing in things:
        alarm = worst.get(thing["id"])
        here = presence(online=thing["online"] and thing["node_online"], unheard_ms=thing["unheard_ms"])
        name = t.pick(thing["label_zh"], thing["label_en"])
        said = h("small", alarm_mark(alarm), h("span", words(t, alarm["label"]))) if alarm else None
        away = None if here is Presence.ONLINE else h("small", t.of("device", here))
        where = f"/devices/{thing['id']}"
        cell = h("a", h("span", name), away, said, href=where, class_="away" if away else None)
        items.append((f"device-{thing['id']}", cell))
    if len(things) == _DEVICES:
        items.append(("more", h("a", h("span", t("overview.all_devices")), href="/devices")))
    return items


def _due(job: Row) -> tuple[bool, int]:
    """Order jobs by the clock that runs out first; those whose sensor is back come last."""
    return (job["restored_ms"] is not None, due_ms(job))


def _overdue(job: Row, now_ms: int) -> bool:
    return job["restored_ms"] is None and now_ms > due_ms(job)


def _highest(screen: Screen, row: Row | None) -> Html:
    t = screen.t
    if row is None:
        return h("a", t("overview.all_alarms"), href="/alarms")
    text = join(alarm_mark({**row, "acknowledged": True}), t("overview.highest"), " ", h("b", words(t, row["label"])))
    return h("a", text, href=f"/alarms/{row['id']}", class_="what highest")


def _figures(
    screen: Screen, summary: dict[str, Any], *, nodes: Sequence[Row], newest: int | None, odd: int, overdue: int
) -> list[tuple[str, Html]]:
    t = screen.t
    by_priority = [
        h(
            "span",
            mark(name, quiet=not summary["alarms"][name]["open"]),
            h("span", summary["alarms"][name]["open"]),
            h("small", t.of("priority", name)),
            class_="byprio",
        )
        for name in PRIORITIES
    ]
    states = [
        h("span", h("span", count), h("small", t.of("order_state", state)), class_="byprio")
        for state, count in summary["work_orders"].items()
        if count
    ]
    agents = Counter(presence(online=node["online"], unheard_ms=node["unheard_ms"]) for node in nodes)
    late = h("span", overdue, h("small", t("overview.overdue")), class_="byprio overdue") if overdue else None
    some = join(*states, late) if states else "0"
    engine = h("span", t("overview.works") if summary["engine"]["alive"] else t("overview.stopped"))
    waiting = summary["unacknowledged"]
    return [
        ("alarms", tile(t("overview.open_alarms"), join(*by_priority), href="/alarms", classes="alarms")),
        ("waiting", tile(t("overview.waiting"), waiting, href="/alarms?state=unacknowledged")),
        ("engine", tile(t("overview.engine"), engine)),
        ("data", tile(t("overview.data"), age(newest, old_ms=DATA_OLD_MS))),
        ("odd", tile(t("overview.quarantined"), odd, href="/quarantine")),
        ("orders", tile(t("overview.open_orders"), some, href="/work-orders", classes="orders")),
        (
            "devices",
            tile(t("overview.devices"), _of(t, summary["devices"]), href="/devices", classes="devices"),
        ),
        (
            "agents",
            tile(t("overview.agents"), _of(t, agents), href="/quarantine", classes="agents"),
        ),
    ]


def _of(t: Texts, counts: Mapping[Any, int]) -> Html:
    """Show how many answer, and how many do not or are not known to, where there are any."""
    shown = [h("span", counts.get(Presence.ONLINE, 0), h("small", t("overview.online")), class_="byprio")]
    away = [one for one in (Presence.OFFLINE, Presence.UNKNOWN) if counts.get(one)]
    shown += [h("span", counts[one], h("small", t.of("overview", one)), class_="byprio overdue") for one in away]
    return join(*shown)

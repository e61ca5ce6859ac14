"""Pages of devices: the list, and one device (level 3) with live values, trends, commands, alarms and orders."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import assert_never

from fastapi import Request, Response
from nicegui import ui

from cloud.access.domain import Permission, Where
from cloud.alarms import service as alarms
from cloud.alarms.domain import Rule, rules
from cloud.alarms.pages import acts
from cloud.assets import service
from cloud.assets.domain import CommandRow, LastValue, Presence, presence
from cloud.assets.view import alarming, comes_first, command_form, command_state, command_text, own_limits, point_row
from cloud.platform.errors import Invalid, NotFound
from cloud.ui.layout import Frame
from cloud.ui.live import Act
from cloud.ui.markup import Html, h
from cloud.ui.parts import DATA_OLD_MS, age, choices, empty, facts, mark, place, presence_word
from cloud.ui.profiles import Known
from cloud.ui.rows import Row, alarm_row, attention, order_row, words
from cloud.ui.screen import Screen, Services, open_page
from cloud.ui.texts import Texts
from cloud.ui.trend import Curve, Trend, trend_points
from cloud.work_orders import service as work_orders
from drivers.api import Value
from drivers.profile import parse_overrides

_LIMIT = 200
_COMMANDS = 6
_DAY_MS = 24 * 3_600_000
_RANGES = {
    "5min": 5 * 60_000,
    "1h": 3_600_000,
    "24h": _DAY_MS,
    "7d": 7 * _DAY_MS,
    "30d": 30 * _DAY_MS,
    "365d": 365 * _DAY_MS,
}


_PRESENCES = {"on": Presence.ONLINE, "off": Presence.OFFLINE, "unknown": Presence.UNKNOWN}


def register(services: Services) -> None:
    """Add the pages."""

    @ui.page("/devices")
    async def devices(request: Request, q: str = "", kind: str = "", online: str = "") -> Response | None:
        return await open_page(
            services, request, lambda screen: _list(screen, request, {"q": q[:100], "kind": kind, "online": online})
        )

    @ui.page("/devices/{device_id}")
    async def device(request: Request, device_id: int) -> Response | None:
        return await open_page(services, request, lambda screen: _one(screen, request, device_id))


async def _list(screen: Screen, request: Request, chosen: dict[str, str]) -> None:
    t = screen.t
    frame = Frame(screen, request, t("device.title"))
    with frame.main():
        top = screen.live("head")
        part = screen.live("panel list devices", label=t("device.title"))

    async def filtered(act: Act) -> None:
        name, _, value = act.id.partition("=")
        if name == "q":
            value = act.fields.get("filter", "")[:100]
        if name in chosen:
            chosen[name] = value
        query = "&".join(f"{name}={value}" for name, value in chosen.items() if value)
        screen.path = f"/devices?{query}"
        ui.navigate.history.replace(screen.path)

    screen.on("filter", filtered)
    async with screen.reading() as conn:
        everything = await service.list_devices(conn, screen.actor, limit=_LIMIT)
    kinds = sorted({row["kind"] for row in everything})

    async def refresh() -> None:
        async with screen.reading() as conn:
            await frame.refresh(conn)
            rows = await service.list_devices(
                conn, screen.actor, kind=chosen["kind"] or None, text=chosen["q"] or None, limit=_LIMIT
            )
            open_alarms = await alarms.list_alarms(conn, screen.actor, state="open", limit=_LIMIT)
        worst: dict[int, list[Row]] = {}
        for alarm in open_alarms:
            worst.setdefault(alarm["device_id"], []).append(alarm)
        wanted = _PRESENCES.get(chosen["online"])
        rows = [row for row in rows if wanted is None or _presence(row) is wanted]
        options = [("", t.of("show", "all")), *((kind, t.of("kind", kind)) for kind in kinds)]
        states = [("", t.of("show", "all")), *((key, t.of("device", one)) for key, one in _PRESENCES.items())]
        top.show(
            [
                ("title", h("h1", t("device.title"))),
                ("q", _filter_box(screen, chosen["q"])),
                ("kind", choices("kind", options, chosen["kind"], t("device.kind"))),
                ("online", choices("online", states, chosen["online"], t("filter.state"))),
            ]
        )
        shown = [_device_row(screen, row, worst.get(row["id"], [])) for row in rows]
        if len(rows) == _LIMIT:
            shown.append(("more", empty(t("filter.first", count=_LIMIT))))
        part.show(shown or [("empty", empty(t("device.none") if chosen["q"] else t("device.none_yet")))])

    await screen.every_second(refresh)


def _no_commands(t: Texts, here: Presence) -> str | None:
    """Say why a device takes no commands; None when it does."""
    match here:
        case Presence.ONLINE:
            return None
        case Presence.OFFLINE:
            return t("command.offline")
        case Presence.UNKNOWN:
            return t("command.unheard")
        case _:
            assert_never(here)


def _presence(row: Row) -> Presence:
    return presence(online=row["online"] and row["node_online"], unheard_ms=row["unheard_ms"])


def _filter_box(screen: Screen, text: str) -> Html:
    label = screen.t("device.filter")
    return h(
        "input", type="search", name="filter", value=text, placeholder=label, aria_label=label,
        data_act="filter", data_id="q=",
    )  # fmt: skip


def _device_row(screen: Screen, row: Row, open_alarms: list[Row]) -> tuple[str, Html]:
    t = screen.t
    key = f"device-{row['id']}"
    marks = [
        mark(one["priority"], unacknowledged=not one["acknowledged"], active=one["active"]) for one in open_alarms[:4]
    ]
    alarm = None
    if open_alarms:
        alarm = h(
            "a",
            *marks,
            h("span", words(t, open_alarms[0]["label"])),
            class_="what",
            href=f"/alarms/{open_alarms[0]['id']}",
        )
    link = h("a", t.pick(row["label_zh"], row["label_en"]), href=f"/devices/{row['id']}", class_="strong")
    cells = (
        h("div", link, h("span", f"{row['node']}/{row['name']}", class_="sub"), class_="cell grow"),
        h("div", t.of("kind", row["kind"]), class_="cell"),
        h("div", place(t, row), class_="cell full"),
        h("div", alarm, class_="cell full"),
        h("div", presence_word(t, _presence(row)), class_="cell"),
        h("div", age(row["newest_ms"], old_ms=DATA_OLD_MS), class_="cell tight end"),
    )
    return key, h("div", *cells, class_="row", data_row=True, data_key=key)


async def _one(screen: Screen, request: Request, device_id: int) -> None:
    t = screen.t
    frame = Frame(screen, request, t("device.one"))
    acts(screen)
    try:
        async with screen.reading() as conn:
            curves = await trend_points(screen, conn, device_id, ())
    except NotFound:
        with frame.main():
            screen.live("panel").show([("none", empty(t("notice.not_found")))])
        await screen.every_second(_only_frame(screen, frame))
        return
    page = _DevicePage(screen, frame, device_id)
    page.build(curves)
    await screen.every_second(page.refresh)


def _only_frame(screen: Screen, frame: Frame) -> Callable[[], Awaitable[None]]:
    async def refresh() -> None:
        async with screen.reading() as conn:
            await frame.refresh(conn)

    return refresh


class _DevicePage:
    """One device's page, with the commands that wait for a confirmation and the range of its trends."""

    def __init__(self, screen: Screen, frame: Frame, device_id: int) -> None:
        self._screen = screen
        self._frame = frame
        self._id = device_id
        self._asking: dict[str, str] = {}
        self._range = "5min"

    def build(self, curves: Sequence[Curve]) -> None:
        """Lay the page out."""
        screen, t = self._screen, self._screen.t
        with self._frame.main():
            self._top = screen.live("head")
            self._alarms = screen.live("panel list alarms device-alarms", label=t("alarm.title"))
            with ui.element("div").classes("columns wide-left"):
                with ui.element("div"), ui.element("section").classes("panel"):
                    screen.live().show([("title", h("h2", t("device.values")))])
                    self._points = screen.live("list points", label=t("device.values"))
                    with ui.element("details"):
                        with ui.element("summary"):
                            self._more = screen.live("inline")
                        self._others = screen.live("list points", label=t("device.more"))
                with ui.element("div"):
                    self._commands = screen.live("panel", label=t("device.commands"))
                    self._orders = screen.live("panel list orders", label=t("overview.orders"))
                    self._facts = screen.live("panel", label=t("device.about"))
            self._ranges = screen.live("head")
            self._trend = Trend(screen, self._id, curves)
        screen.on("command", self._ask)
        screen.on("confirm", self._confirm)
        screen.on("abort", self._abort)
        screen.on("filter", self._choose_range)

    async def _ask(self, act: Act) -> None:
        known = await self._known()
        command = known.profile.commands.get(act.id) if known else None
        text = act.fields.get("value", "")
        if command is not None and command.confirm:
            self._asking = {act.id: text}
            return
        await self._send(act.id, text)

    async def _confirm(self, act: Act) -> None:
        text = self._asking.pop(act.id, None)
        if text is not None:
            await self._send(act.id, text)

    async def _abort(self, act: Act) -> None:
        self._asking.pop(act.id, None)

    async def _choose_range(self, act: Act) -> None:
        _, _, value = act.id.partition("=")
        if value in _RANGES:
            self._range = value
            await self._draw(force=True)

    async def _known(self) -> Known | None:
        screen = self._screen
        async with screen.reading() as conn:
            row, _ = await service.describe_device(conn, screen.actor, self._id)
            return await screen.services.profiles.get(conn, row["profile_hash"])

    async def _send(self, name: str, text: str) -> None:
        screen = self._screen
        value: Value | None = None
        if text:
            try:
                value = float(text)
            except ValueError as error:
                raise Invalid(screen.t("command.not_a_number", text=text), code="bad_command") from error
        async with screen.transaction() as conn:
            await service.request_command(
                conn,
                screen.actor,
                device_id=self._id,
                name=name,
                value=value,
                command_id=screen.services.new_id(),
                now_ms=screen.now_ms(),
            )

    async def _draw(self, *, force: bool = False) -> None:
        now = self._screen.now_ms()
        await self._trend.show(from_ms=now - _RANGES[self._range], to_ms=now, force=force)

    async def refresh(self) -> None:
        """Show the device as it is now."""
        screen, t = self._screen, self._screen.t
        async with screen.reading() as conn:
            await self._frame.refresh(conn)
            row, values = await service.describe_device(conn, screen.actor, self._id)
            known = await screen.services.profiles.get(conn, row["profile_hash"])
            found = await alarms.list_alarms(conn, screen.actor, state="open", device_id=self._id, limit=20)
            jobs = await work_orders.list_orders(conn, screen.actor, state="open", limit=_LIMIT)
            commands = await service.list_commands(conn, screen.actor, self._id, _COMMANDS)
        jobs = [job for job in jobs if job["device_id"] == self._id]
        self._top.show(_title(screen, row))
        may = screen.actor.may_anywhere(Permission.ACKNOWLEDGE)
        listed = [alarm_row(t, one, may_acknowledge=may) for one in sorted(found, key=attention)]
        self._alarms.show(listed or [("none", h("p", t("device.no_alarms"), class_="dim"))])
        active = {one["rule"]: one["priority"] for one in found if one["active"]}
        first, others = _points(screen, row, values, known, active)
        self._points.show(first)
        self._more.show([("more", h("span", t("device.more"), " ", len(others)))])
        self._others.show(others)
        self._commands.show(self._command_items(row, known, commands))
        orders = [order_row(t, job) for job in jobs] or [("none", h("p", t("overview.no_orders"), class_="dim"))]
        self._orders.show([("title", h("h2", t("overview.orders"))), *orders])
        self._facts.show([("title", h("h2", t("device.about"))), ("facts", _facts(screen, row))])
        spans = [(name, t.of("range", name)) for name in _RANGES]
        self._ranges.show(
            [
                ("title", h("h2", t("device.trends"))),
                ("range", choices("range", spans, self._range, t("device.trends"))),
            ]
        )
        await self._draw()

    def _command_items(self, row: Row, known: Known | None, commands: list[CommandRow]) -> list[tuple[str, Html]]:
        screen, t = self._screen, self._screen.t
        items = [("title", h("h2", t("device.commands")))]
        if known is None or not known.profile.commands:
            return [*items, ("none", h("p", t("command.none"), class_="dim"))]
        where = Where(community_id=row["community_id"], building_id=row["building_id"], place_id=row["place_id"])
        if screen.actor.may(Permission.COMMAND, where):
            off = _no_commands(t, _presence(row))
            items += [
                (f"do-{name}", command_form(t, name, command, known.profile, asking=self._asking.get(name), off=off))
                if known.profile.points[command.point].value_type is not str
                # A signed order, which nobody types: the page of gates makes it.
                else (
                    f"do-{name}",
                    h("p", h("a", command.label.text(t.language.value), href="/gates", class_="button")),
                )
                for name, command in known.profile.commands.items()
            ]
            if off is not None:
                items.append(("off", h("p", off, class_="dim")))
        else:
            items.append(("not", h("p", t("command.not_allowed"), class_="dim")))
        done = [
            h(
                "li",
                h("span", screen.at(one.requested_ms, row["community_id"]), class_="dim"),
                h("span", command_text(t, known.profile, one), ": ", command_state(t, one)),
                data_key=one.id,
            )
            for one in commands
        ]
        if done:
            items.append(("sent", h("ol", *done, class_="history commands", aria_live="polite")))
        return items


def _title(screen: Screen, row: Row) -> list[tuple[str, Html]]:
    t = screen.t
    return [
        ("title", h("h1", t.pick(row["label_zh"], row["label_en"]))),
        ("online", presence_word(t, _presence(row))),
        ("place", h("span", place(t, row), class_="dim")),
        ("age", h("span", t("device.data_age"), " ", age(row["newest_ms"], old_ms=DATA_OLD_MS), class_="dim")),
    ]


def _points(
    screen: Screen, row: Row, values: list[LastValue], known: Known | None, active: Mapping[str, str]
) -> tuple[list[tuple[str, Html]], list[tuple[str, Html]]]:
    """Give the rows of the points that matter most, and those of the others."""
    if known is None:
        return [("none", empty(screen.t("device.no_profile")))], []
    held = {value.point: value for value in values}
    here = _rules(known, row)

    def shown(name: str) -> tuple[str, Html]:
        return point_row(
            screen.t,
            name,
            known.profile.points[name],
            value=held.get(name),
            limits=own_limits(known.profile, here, name),
            alarm=alarming(here, active, name),
        )

    first = comes_first(known.profile, here)
    rest = [name for name, point in known.profile.points.items() if point.reported and name not in first]
    return [shown(name) for name in first], [shown(name) for name in rest]


def _rules(known: Known, row: Row) -> tuple[Rule, ...]:
    """Give the rules of this installation, its overrides applied."""
    if row["overrides"] in {"", "{}"}:
        return tuple(known.rules.values())
    try:
        return rules(known.profile, parse_overrides(row["overrides"]))
    except ValueError:
        return tuple(known.rules.values())


def _facts(screen: Screen, row: Row) -> Html:
    t = screen.t
    profile = f"{row['profile']} {row['profile_version']}" if row["profile"] else t("device.no_profile")
    return facts(
        [
            (t("device.kind"), t.of("kind", row["kind"])),
            (t("device.asset"), t.pick(row["asset_label_zh"], row["asset_label_en"])),
            (t("device.agent"), f"{row['node']} · {row['name']}"),
            (t("device.profile"), profile),
            (t("device.changed"), screen.at(row["changed_ms"], row["community_id"])),
        ]
    )

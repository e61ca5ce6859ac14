"""The page of visitors' passes: issued, shown as a QR code, revoked."""

import asyncio

from fastapi import Request, Response
from nicegui import ui
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Permission
from cloud.gate import issuing, opening
from cloud.gate.domain import NotAccepted, PassDraft, read_texts
from cloud.gate.ids import new_key
from cloud.gate.issuing import Issued
from cloud.gate.parts import Chosen, act, ask, field, read_areas, select, tabs, tick
from cloud.gate.qr import qr_svg
from cloud.gate.times import format_local, parse_local
from cloud.platform.errors import Invalid
from cloud.ui.format import DASH
from cloud.ui.layout import Frame
from cloud.ui.live import Act
from cloud.ui.markup import Html, h
from cloud.ui.parts import choices, empty, facts
from cloud.ui.screen import Screen, Services, open_page

_LIMIT = 100
_HOUR_MS = 3_600_000
_FIRST_MS = 4 * _HOUR_MS
"""For how long a pass is, unless somebody says otherwise."""
_BETWEEN = " · "
_USES = ("1", "2", "3", "5", "10", "")


def register(services: Services) -> None:
    """Add the page."""

    @ui.page("/gates/passes")
    async def passes(request: Request) -> Response | None:
        return await open_page(services, request, lambda screen: _show(screen, request))


async def _show(screen: Screen, request: Request) -> None:
    page = _PassesPage(screen, Frame(screen, request, screen.t("gate.passes")))
    page.build()
    await screen.every_second(page.refresh)


class _PassesPage:
    """The page, with the pass that is shown, and the hosts that fit what was typed."""

    def __init__(self, screen: Screen, frame: Frame) -> None:
        self._screen = screen
        self._frame = frame
        self._chosen = Chosen(screen, Permission.ISSUE_PASSES)
        self._all = ""
        self._typed = ""
        self._form = 0
        self._starts_ms = screen.now_ms()
        self._issuing = False
        self._shown: str | None = None
        self._revoking: str | None = None
        self._gates: list[str] = []
        self._areas: list[str] = []

    def build(self) -> None:
        """Lay the page out."""
        screen, t = self._screen, self._screen.t
        with self._frame.main():
            self._top = screen.live("head")
            self._work = screen.live("panels", label=t("gate.issue"))
            self._list = screen.live("panel list gate-passes", label=t("gate.passes"))
        for name, handler in (
            ("filter", self._filter),
            ("issue", self._start),
            ("host", self._find),
            ("issued", self._issue),
            ("cancel", self._cancel),
            ("show", self._look),
            ("revoke", self._ask_revoke),
            ("revoked", self._revoke),
        ):
            screen.on(name, handler)

    async def _filter(self, did: Act) -> None:
        name, _, value = did.id.partition("=")
        if name == "state":
            self._all = value
        elif name == "community":
            self._chosen.choose(value)
            self._leave()

    def _leave(self) -> None:
        self._issuing = False
        self._shown = self._revoking = None
        self._typed = ""
        self._form += 1

    async def _start(self, _: Act) -> None:
        self._leave()
        self._issuing = True
        self._starts_ms = self._screen.now_ms()

    async def _cancel(self, _: Act) -> None:
        if self._revoking is not None:
            self._revoking = None
        else:
            self._leave()

    async def _find(self, did: Act) -> None:
        self._typed = did.fields.get("host", "")[:80]

    async def _look(self, did: Act) -> None:
        self._leave()
        self._shown = did.id

    async def _ask_revoke(self, did: Act) -> None:
        self._revoking = did.id

    async def _revoke(self, did: Act) -> None:
        async with self._screen.transaction() as conn:
            await issuing.revoke(conn, self._screen.actor, pass_id=did.id, now_ms=self._screen.now_ms())
        self._revoking = None

    async def _issue(self, did: Act) -> None:
        screen = self._screen
        keys = screen.services.gate_keys.get()
        pass_id = new_key()
        async with screen.transaction() as conn:
            host = await self._host(conn, did.fields.get("host", "").strip())
            draft = _draft(did, host=host, gates=self._gates, areas=self._areas, zone=self._chosen.zone)
            await issuing.issue(
                conn,
                screen.actor,
                draft,
                community_id=self._chosen.id,
                pass_id=pass_id,
                keys=keys,
                now_ms=screen.now_ms(),
            )
        self._leave()
        self._shown = pass_id

    async def _host(self, conn: AsyncConnection, typed: str) -> str:
        """Give the id of the one host that was meant; Invalid when there is none, or several."""
        found = await issuing.find_hosts(
            conn, self._screen.actor, community_id=self._chosen.id, text=typed.rsplit(_BETWEEN, maxsplit=1)[-1]
        )
        exact = [row for row in found if _called(row) == typed] or found
        if len(exact) != 1:
            raise Invalid("choose one host from the list", code="gate_host")
        return str(exact[0]["key"])

    async def refresh(self) -> None:
        """Show the passes as they are now."""
        screen, t = self._screen, self._screen.t
        now = screen.now_ms()
        self._top.show([("title", h("h1", t("gate.passes"))), ("tabs", tabs(t, screen.actor, "/gates/passes"))])
        if not screen.actor.may_anywhere(Permission.ISSUE_PASSES):
            async with screen.reading() as conn:
                await self._frame.refresh(conn)
            self._list.show([("none", empty(t("error.forbidden")))])
            return
        shown, hosts = None, []
        async with screen.reading() as conn:
            await self._frame.refresh(conn)
            await self._chosen.look(conn)
            rows = await issuing.list_passes(
                conn,
                screen.actor,
                community_id=self._chosen.id,
                valid_at_ms=None if self._all else now,
                limit=_LIMIT,
            )
            self._gates = await opening.gate_names(conn, screen.actor, self._chosen.id)
            if self._shown is not None:
                keys = screen.services.gate_keys.get()
                shown = await issuing.get_pass(conn, screen.actor, self._shown, keys=keys, now_ms=now)
            if self._issuing:
                self._areas = await issuing.known_areas(conn, screen.actor, self._chosen.id)
                hosts = await issuing.find_hosts(
                    conn, screen.actor, community_id=self._chosen.id, text=self._typed.split(_BETWEEN)[0]
                )
        states = [("", t("gate.usable")), ("all", t.of("show", "all"))]
        self._top.show(
            [
                ("title", h("h1", t("gate.passes"))),
                ("tabs", tabs(t, screen.actor, "/gates/passes")),
                *self._chosen.item(),
                ("state", choices("state", states, self._all, t("gate.state"))),
                ("issue", act(t("gate.issue"), "issue", class_="primary")),
            ]
        )
        work: list[tuple[str, Html]] = []
        if self._issuing:
            work.append((f"form-{self._form}", self._panel(hosts)))
        if shown is not None:
            code = Html(await asyncio.to_thread(qr_svg, shown.text)) if shown.text is not None else None
            work.append((f"pass-{shown.row['id']}", self._card(shown, code)))
        self._work.show(work)
        self._list.show([self._row(row, now) for row in rows] or [("none", empty(t("gate.no_passes")))])

    def _panel(self, hosts: list[RowMapping]) -> Html:
        t, zone = self._screen.t, self._chosen.zone
        options = [h("option", value=_called(row)) for row in hosts]
        uses = [(one, t("gate.uses_count", count=one) if one else t("gate.unlimited")) for one in _USES]
        gates = [tick(name, f"gate-{at}", checked=len(self._gates) == 1) for at, name in enumerate(self._gates)]
        areas = [tick(name, f"area-{at}", checked=False) for at, name in enumerate(self._areas)]
        starts, ends = (format_local(self._starts_ms + after, zone) for after in (0, _FIRST_MS))
        host = {"list": "hosts", "autocomplete": "off", "data_act": "host", "placeholder": t("gate.find")}
        send = h("button", t("gate.issue"), type="submit", class_="primary")
        form = h(
            "form",
            field(t("gate.visitor"), "name", required=True, maxlength=40, data_focus=True),
            field(t("gate.host"), "host", required=True, maxlength=200, **host),
            h("datalist", *options, id="hosts"),
            field(t("gate.from"), "from", starts, type="datetime-local", required=True),
            field(t("gate.to"), "until", ends, type="datetime-local", required=True),
            select(t("gate.uses"), "uses", uses, "1"),
            h("fieldset", h("legend", t("gate.which_gates")), *gates) if gates else None,
            h("small", t("gate.one_agent"), class_="dim wide"),
            h("fieldset", h("legend", t("gate.which_areas")), *areas) if areas else None,
            field(
                t("gate.areas") if not areas else t("gate.other_areas"),
                "areas",
                maxlength=400,
                placeholder=t("gate.everywhere") if not areas else "",
            ),
            h("small", t("gate.no_areas"), class_="dim wide"),
            h("span", send, act(t("command.abort"), "cancel"), class_="actions wide"),
            data_act="issued",
            class_="gate-form",
        )
        return h("section", h("h2", t("gate.issue")), form, class_="panel")

    def _card(self, shown: Issued, code: Html | None) -> Html:
        screen, t, row = self._screen, self._screen.t, shown.row
        at = row["community_id"]
        told = facts(
            [
                (t("gate.host"), f"{row['host_name'] or DASH} {row['host_unit'] or ''}".strip()),
                (t("gate.from"), screen.at(row["valid_from_ms"], at)),
                (t("gate.to"), screen.at(row["valid_until_ms"], at)),
                (t("gate.uses"), self._uses(row)),
                (t("gate.which_gates"), ", ".join(read_texts(row["gates"])) or t("gate.all_gates")),
                (t("gate.which_areas"), ", ".join(read_texts(row["areas"])) or t("gate.everywhere")),
            ]
        )
        picture = (
            h("div", code, class_="code", role="img", aria_label=t("gate.code"))
            if code is not None
            else h("p", t("gate.pass_ended"), class_="strong")
        )
        words = h(
            "div",
            h("h2", row["name"]),
            told,
            h("p", t("gate.code_why"), class_="dim") if code is not None else None,
            h("p", act(t("gate.close"), "cancel")),
        )
        return h("section", h("div", picture, words, class_="pass"), class_="panel")

    def _uses(self, row: RowMapping) -> str:
        t = self._screen.t
        return t("gate.unlimited") if row["uses"] is None else t("gate.uses_count", count=row["uses"])

    def _row(self, row: RowMapping, now_ms: int) -> tuple[str, Html]:
        screen, t, at = self._screen, self._screen.t, row["community_id"]
        usable = row["revoked_ms"] is None and row["valid_until_ms"] > now_ms
        if row["revoked_ms"] is not None:
            state = t("gate.revoked")
        elif not usable:
            state = t("gate.ended")
        else:
            state = t("gate.not_yet") if row["valid_from_ms"] > now_ms else t("gate.valid")
        deed: Html | None = None
        if self._revoking == row["id"]:
            deed = ask(t, t("gate.revoke_sure"), yes=t("gate.revoke"), name="revoked", of=row["id"])
        elif usable:
            deed = h(
                "span",
                act(t("gate.show"), "show", row["id"]),
                act(t("gate.revoke"), "revoke", row["id"]),
                class_="acts",
            )
        window = f"{screen.at(row['valid_from_ms'], at)} {DASH} {screen.at(row['valid_until_ms'], at)}"
        gates = ", ".join(read_texts(row["gates"])) or t("gate.all_gates")
        cells = (
            h("div", h("b", row["name"]), h("span", self._uses(row), class_="sub"), class_="cell grow"),
            h("div", row["host_name"] or DASH, h("span", row["host_unit"] or "", class_="sub"), class_="cell"),
            h("div", window, class_="cell full"),
            h("div", gates, h("span", ", ".join(read_texts(row["areas"])), class_="sub"), class_="cell full"),
            h("div", state, h("span", row["issuer"], class_="sub"), class_="cell"),
            h("div", deed, class_="cell end"),
        )
        key = f"pass-{row['id']}"
        return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)


def _called(row: RowMapping) -> str:
    """Write a host so that nobody else is written like it."""
    return _BETWEEN.join(part for part in (row["name"], row["unit"], row["key"]) if part)


def _draft(did: Act, *, host: str, gates: list[str], areas: list[str], zone: str) -> PassDraft:
    """Read the form; Invalid says what does not fit."""
    said = did.fields
    try:
        start, end = parse_local(said.get("from", ""), zone), parse_local(said.get("until", ""), zone)
    except NotAccepted as error:
        raise Invalid(str(error), code="gate_form") from error
    if start is None or end is None:
        raise Invalid("a pass has a beginning and an end", code="gate_form")
    uses = said.get("uses", "1")
    chosen = [name for at, name in enumerate(areas) if f"area-{at}" in said]
    return PassDraft(
        host=host,
        name=said.get("name", "").strip()[:40],
        valid_from_ms=start,
        valid_until_ms=end,
        gates=tuple(name for at, name in enumerate(gates) if f"gate-{at}" in said),
        areas=tuple(dict.fromkeys([*chosen, *read_areas(said.get("areas", ""))])),
        uses=int(uses) if uses else None,
    )

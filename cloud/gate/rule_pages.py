"""The page of gates' rules: what the service demands of each gate's checks, and whether the gate knows it."""

from fastapi import Request, Response
from nicegui import ui
from sqlalchemy import RowMapping

from cloud.access.domain import Permission, Where
from cloud.gate import opening, ruling
from cloud.gate.domain import CHECKS, demands_of, read_demands
from cloud.gate.parts import Chosen, act, select, tabs
from cloud.gate.ruling import Force, Ruled
from cloud.platform.errors import Conflict
from cloud.ui.layout import Frame
from cloud.ui.live import Act
from cloud.ui.markup import Html, h
from cloud.ui.parts import empty, place, presence_word
from cloud.ui.screen import Screen, Services, open_page
from cloud.ui.texts import Texts


def register(services: Services) -> None:
    """Add the page."""

    @ui.page("/gates/rules")
    async def rules(request: Request) -> Response | None:
        return await open_page(services, request, lambda screen: _show(screen, request))


async def _show(screen: Screen, request: Request) -> None:
    page = _RulesPage(screen, Frame(screen, request, screen.t("gate.rules")))
    page.build()
    await screen.every_second(page.refresh)


class _RulesPage:
    """The page, with the gate whose rule is edited, and the revision of the rule as it was when that began."""

    def __init__(self, screen: Screen, frame: Frame) -> None:
        self._screen = screen
        self._frame = frame
        self._chosen = Chosen(screen, Permission.VIEW)
        self._editing: str | None = None
        self._seen: Ruled | None = None
        self._ruled: dict[str, Ruled] = {}
        self._form = 0  # a form that was sent or left is another one afterwards, with nothing chosen in it

    def build(self) -> None:
        """Lay the page out."""
        screen, t = self._screen, self._screen.t
        with self._frame.main():
            self._top = screen.live("head")
            self._edit = screen.live("panels", label=t("gate.edit"))
            self._list = screen.live("panel list gate-rules", label=t("gate.rules"))
        for name, handler in (
            ("filter", self._filter),
            ("edit", self._start),
            ("cancel", self._cancel),
            ("save", self._save),
        ):
            screen.on(name, handler)

    async def _filter(self, did: Act) -> None:
        name, _, value = did.id.partition("=")
        if name == "community":
            self._chosen.choose(value)
            self._leave()

    async def _start(self, did: Act) -> None:
        self._leave()
        self._seen = self._ruled.get(did.id)
        self._editing = did.id if self._seen is not None else None

    async def _cancel(self, _: Act) -> None:
        self._leave()

    def _leave(self) -> None:
        self._editing = self._seen = None
        self._form += 1

    async def _save(self, did: Act) -> None:
        screen, seen = self._screen, self._seen
        if seen is None or seen.name != did.id:
            raise Conflict("this form is not open any more", code="rule_changed")
        demands = [(check, demand) for check in CHECKS if (demand := did.fields.get(check, ""))]
        async with screen.transaction() as conn:
            await ruling.put_rule(
                conn,
                screen.actor,
                community_id=seen.community_id,
                gate=seen.name,
                demands=demands,
                seen=seen.revision,
                now_ms=screen.now_ms(),
            )
        self._leave()

    async def refresh(self) -> None:
        """Show the rules as they are now."""
        screen, t = self._screen, self._screen.t
        async with screen.reading() as conn:
            await self._frame.refresh(conn)
            await self._chosen.look(conn)
            gates = await opening.list_gates(conn, screen.actor, community_id=self._chosen.id)
            found = await ruling.ruled_gates(conn, screen.actor, gates, self._chosen.id)
        self._ruled = {one.name: one for one in found}
        self._top.show(
            [
                ("title", h("h1", t("gate.rules"))),
                ("tabs", tabs(t, screen.actor, "/gates/rules")),
                *self._chosen.item(),
                ("why", h("p", t("gate.rules_why"), class_="dim wide")),
            ]
        )
        self._edit.show(self._panel())
        self._list.show([self._row(one) for one in found] or [("none", empty(t("gate.none")))])

    def _row(self, one: Ruled) -> tuple[str, Html]:
        t = self._screen.t
        gate = one.gate
        label = one.name if gate is None else t.pick(gate.row["label_zh"], gate.row["label_en"])
        where = "" if gate is None else f"{place(t, gate.row)} · {one.name}"
        may = self._screen.actor.may(Permission.MANAGE_GATES, Where(community_id=one.community_id))
        cells = (
            h("div", h("b", label), h("span", where, class_="sub"), class_="cell grow"),
            h("div", _demands(t, one.row), class_="cell full"),
            h("div", *self._force(one), class_="cell full"),
            h("div", *self._changed(one), class_="cell full"),
            h("div", act(t("gate.change"), "edit", one.name) if may else None, class_="cell end"),
        )
        key = f"rule-{one.name}"
        return key, h("div", *cells, class_="row", data_row=True, data_key=key, data_gate=one.name, tabindex=-1)

    def _force(self, one: Ruled) -> tuple[Html, ...]:
        """Say whether the rule is in force, and by which list the gate goes."""
        t, gate = self._screen.t, one.gate
        if gate is None:
            return (h("b", t.of("gate_force", Force.NO_GATE.value)),)
        held = (
            t("gate.list_of", at=self._screen.at(gate.held, one.community_id))
            if gate.held
            else t.of("gate_list", "none")
        )
        told = h("span", held, " · ", presence_word(t, gate.presence), class_="sub")
        if one.row is None:
            return (told,)
        waits = one.force is not Force.IN_FORCE
        return (h("b" if waits else "span", t.of("gate_force", one.force.value)), told)

    def _changed(self, one: Ruled) -> tuple[Html, ...]:
        if one.row is None or one.row["changed_ms"] is None:
            return ()
        at = self._screen.at(one.row["changed_ms"], one.community_id)
        return (h("span", self._screen.t("gate.set_at", at=at)), h("span", one.row["changer"] or "", class_="sub"))

    def _panel(self) -> list[tuple[str, Html]]:
        seen, t = self._seen, self._screen.t
        if seen is None or self._editing is None:
            return []
        now = self._ruled.get(self._editing)
        items: list[tuple[str, Html]] = []
        if now is None or now.revision != seen.revision:
            said = _demands(t, None if now is None else now.row)
            again = act(t("gate.look_again"), "edit", self._editing, class_="primary")
            note = h("p", h("b", t("gate.rule_changed")), " ", said)
            items.append(("changed", h("section", note, h("p", again), class_="panel ask", role="alert")))
        items.append((f"edit-{self._form}", h("section", h("h2", self._title(seen)), _form(t, seen), class_="panel")))
        return items

    def _title(self, one: Ruled) -> str:
        t, gate = self._screen.t, one.gate
        label = one.name if gate is None else t.pick(gate.row["label_zh"], gate.row["label_en"])
        return t("gate.rule_of", gate=label)


def _demands(t: Texts, row: RowMapping | None) -> Html:
    """List what a rule says; what it waives stands out."""
    said = () if row is None else read_demands(row["demands"])
    if not said:
        return h("span", t("gate.no_rule"), class_="dim")
    items = [
        h(
            "li",
            h("span", t.of("gate_check", check)),
            " ",
            h("b" if demand == "off" else "span", t.of("gate_demand", demand)),
        )
        for check, demand in said
    ]
    return h("ul", *items, class_="demands")


def _form(t: Texts, one: Ruled) -> Html:
    said = {} if one.row is None else dict(read_demands(one.row["demands"]))
    own = ("", t("gate.own_settings"))
    fields = [
        select(
            t.of("gate_check", check),
            check,
            [own, *((demand, t.of("gate_demand", demand)) for demand in demands_of(check))],
            said.get(check, ""),
        )
        for check in CHECKS
    ]
    send = h("button", t("gate.save"), type="submit", class_="primary")
    return h(
        "form",
        *fields,
        h("small", t("gate.rule_notes"), class_="dim wide"),
        h("span", send, act(t("command.abort"), "cancel"), class_="actions wide"),
        data_act="save",
        data_id=one.name,
        class_="gate-form",
    )

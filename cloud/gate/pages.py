"""The page of gates: doors, lists, last decisions, opening from afar, and the agents that pull lists."""

from fastapi import Request, Response
from nicegui import ui
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Permission, Where
from cloud.assets import service as assets
from cloud.assets.domain import CommandRow
from cloud.assets.view import command_state
from cloud.gate import history, opening, service
from cloud.gate.domain import DECISION_POINT, DOOR_POINT, OPEN_COMMAND, Decided, Standing, agent_of
from cloud.gate.opening import Gate
from cloud.gate.parts import act, ask, decision, tabs
from cloud.platform.errors import Invalid
from cloud.platform.security import new_token
from cloud.ui.layout import Frame
from cloud.ui.live import Act, Live
from cloud.ui.markup import Html, h
from cloud.ui.parts import age, empty, place, presence_word
from cloud.ui.screen import Screen, Services, open_page
from cloud.ui.texts import Texts

_SHORTEST_REASON = 3
_SHOWN = 5
_ORDERS = 2
_SETTLED_MS = 60_000
_CALM = frozenset({"closed", "unlocked", "open"})
_DOORS = ("closed", "unlocked", "open", "held", "forced", "fire", "unknown")
"""What the numbers of the point `door` mean, as the profile `linli-gate` lists them."""


def register(services: Services) -> None:
    """Add the page."""

    @ui.page("/gates")
    async def gates(request: Request) -> Response | None:
        return await open_page(services, request, lambda screen: _show(screen, request))


async def _show(screen: Screen, request: Request) -> None:
    page = _GatesPage(screen, Frame(screen, request, screen.t("gate.title")))
    page.build()
    await screen.every_second(page.refresh)


class _GatesPage:
    """The page, with the gate whose opening waits for its reason, and the token that is shown once."""

    def __init__(self, screen: Screen, frame: Frame) -> None:
        self._screen = screen
        self._frame = frame
        self._asking: int | None = None
        self._removing: int | None = None
        self._token: tuple[str, str] | None = None
        self._decided: dict[int, tuple[int, tuple[Decided, ...]]] = {}
        self._gates: list[Gate] = []

    def build(self) -> None:
        """Lay the page out."""
        screen, t = self._screen, self._screen.t
        with self._frame.main():
            self._top = screen.live("head")
            self._cards = screen.live("gates", label=t("gate.title"))
            self._agents: Live | None = None
            if screen.actor.may_anywhere(Permission.MANAGE_GATES):
                with ui.element("section").classes("panel"):
                    screen.live().show(
                        [("title", h("h2", t("gate.agents"))), ("why", h("p", t("gate.agents_why"), class_="dim"))]
                    )
                    self._agents = screen.live("list gate-agents", label=t("gate.agents"))
        for name, handler in (
            ("ask", self._ask),
            ("cancel", self._cancel),
            ("open", self._open),
            ("token", self._make_token),
            ("forget", self._forget),
            ("remove", self._remove),
            ("removed", self._removed),
        ):
            screen.on(name, handler)

    async def _ask(self, did: Act) -> None:
        self._asking = int(did.id)

    async def _cancel(self, _: Act) -> None:
        self._asking = self._removing = None

    async def _open(self, did: Act) -> None:
        screen = self._screen
        reason = did.fields.get("reason", "").strip()[:200]
        if len(reason) < _SHORTEST_REASON:
            raise Invalid("an opening from afar needs a reason", code="gate_reason")
        keys = screen.services.gate_keys.get()
        async with screen.transaction() as conn:
            await opening.open_gate(
                conn,
                screen.actor,
                device_id=int(did.id),
                reason=reason,
                command_id=screen.services.new_id(),
                keys=keys,
                now_ms=screen.now_ms(),
            )
        self._asking = None

    async def _make_token(self, did: Act) -> None:
        screen = self._screen
        community, _, agent = did.id.partition("/")
        token = new_token()
        async with screen.transaction() as conn:
            await service.add_agent(
                conn, screen.actor, community_id=int(community), agent=agent, token=token, now_ms=screen.now_ms()
            )
        self._token = (agent, token)

    async def _forget(self, _: Act) -> None:
        self._token = None

    async def _remove(self, did: Act) -> None:
        self._removing = int(did.id)

    async def _removed(self, did: Act) -> None:
        async with self._screen.transaction() as conn:
            await service.remove_agent(conn, self._screen.actor, agent_id=int(did.id), now_ms=self._screen.now_ms())
        self._removing = None

    async def refresh(self) -> None:
        """Show the gates as they are now."""
        screen, t = self._screen, self._screen.t
        async with screen.reading() as conn:
            await self._frame.refresh(conn)
            self._gates = await opening.list_gates(conn, screen.actor)
            orders = {gate.row["id"]: await self._orders(conn, gate) for gate in self._gates}
            names = await service.names_of(conn, screen.actor, self._people())
            agents = await self._agent_items(conn) if self._agents is not None else []
        await self._look_at_decisions()
        self._top.show([("title", h("h1", t("gate.title"))), ("tabs", tabs(t, screen.actor, "/gates"))])
        cards = [self._card(gate, orders[gate.row["id"]], names) for gate in self._gates]
        self._cards.show(cards or [("none", empty(t("gate.none")))])
        if self._agents is not None:
            self._agents.show(agents)

    async def _orders(self, conn: AsyncConnection, gate: Gate) -> list[CommandRow]:
        rows = await assets.list_commands(conn, self._screen.actor, gate.row["id"], 10)
        return [row for row in rows if row.name == OPEN_COMMAND][:_ORDERS]

    def _people(self) -> set[str]:
        return {one.who for _, found in self._decided.values() for one in found if one.who}

    async def _look_at_decisions(self) -> None:
        # The history is asked only when the last value says that there is something new in it.
        for gate in self._gates:
            newest = gate.values.get(DECISION_POINT)
            number, at_ms = gate.row["id"], -1 if newest is None else newest.at_ms
            if at_ms < 0 or self._decided.get(number, (-2, ()))[0] == at_ms:
                continue
            now = self._screen.now_ms()
            found = await history.decisions(
                self._screen.services.telemetry, number, before_ms=now + history.AHEAD_MS, limit=_SHOWN, now_ms=now
            )
            told_ms = found.items[0].at_ms if found.items else -1
            # The last value may be there a moment before the history.
            known = at_ms if told_ms >= at_ms or now - at_ms > _SETTLED_MS else -1
            self._decided[number] = (known, found.items)

    def _card(self, gate: Gate, orders: list[CommandRow], names: dict[str, str]) -> tuple[str, Html]:
        t, row = self._screen.t, gate.row
        decided = self._decided.get(row["id"], (0, ()))[1]
        title = h(
            "div",
            h("h2", h("a", t.pick(row["label_zh"], row["label_en"]), href=f"/devices/{row['id']}")),
            h("span", presence_word(t, gate.presence)),
            class_="title",
        )
        told = [h("li", self._at(one.at_ms, row), decision(t, one, names)) for one in decided]
        sent = [
            h("li", self._at(one.requested_ms, row), h("span", t("gate.order"), ": ", command_state(t, one)))
            for one in orders
        ]
        body = (
            title,
            h("p", place(t, row), " · ", gate.name, class_="dim"),
            _door(t, gate),
            h("p", _list_state(t, gate), class_="strong" if gate.standing is not Standing.UP_TO_DATE else "dim"),
            self._opening(gate),
            h("ol", *sent, class_="decisions", aria_live="polite") if sent else None,
            h("ol", *told, class_="decisions") if told else h("p", t("gate.no_decisions"), class_="dim"),
            h("p", h("a", t("gate.all_decisions"), href=f"/gates/{row['id']}/decisions")) if told else None,
        )
        return f"gate-{row['id']}", h("section", *body, class_="panel", data_gate=gate.name)

    def _at(self, at_ms: int, row: RowMapping) -> Html:
        return h("span", self._screen.at(at_ms, row["community_id"]), class_="dim")

    def _opening(self, gate: Gate) -> Html | None:
        screen, t = self._screen, self._screen.t
        row = gate.row
        where = Where(community_id=row["community_id"], building_id=row["building_id"], place_id=row["place_id"])
        if not screen.actor.may(Permission.COMMAND, where):
            return None
        if self._asking != row["id"]:
            off = None if gate.online else t("gate.offline")
            return h(
                "div",
                h(
                    "button",
                    t("gate.open"),
                    type="button",
                    class_="primary",
                    data_act="ask",
                    data_id=row["id"],
                    disabled=not gate.online,
                    title=off,
                ),
                h("span", off, class_="dim") if off else None,
                class_="gate-open",
            )
        question = t("gate.sure", gate=t.pick(row["label_zh"], row["label_en"]))
        return h(
            "form",
            h("b", question),
            h(
                "span",
                h(
                    "input",
                    name="reason",
                    required=True,
                    minlength=_SHORTEST_REASON,
                    maxlength=200,
                    placeholder=t("gate.reason"),
                    aria_label=t("gate.reason"),
                    data_focus=True,
                ),
                h("button", t("gate.open_now"), type="submit", class_="primary"),
                act(t("command.abort"), "cancel"),
                class_="gate-open",
            ),
            h("small", t("gate.audited"), class_="dim"),
            data_act="open",
            data_id=row["id"],
            class_="ask",
            role="alertdialog",
            aria_label=question,
        )

    async def _agent_items(self, conn: AsyncConnection) -> list[tuple[str, Html]]:
        screen, t = self._screen, self._screen.t
        rows = {(row["community_id"], row["agent"]): row for row in await service.list_agents(conn, screen.actor)}
        here = {
            (gate.row["community_id"], agent_of(gate.name))
            for gate in self._gates
            if screen.actor.may(Permission.MANAGE_GATES, Where(community_id=gate.row["community_id"]))
        }
        items: list[tuple[str, Html]] = []
        if self._token is not None:
            agent, token = self._token
            shown = h(
                "div",
                h("p", t("gate.token_once", agent=agent)),
                h("p", token, class_="secret long"),
                act(t("gate.noted"), "forget"),
                class_="ask",
            )
            items.append(("token", shown))
        for community, agent in sorted(here | set(rows)):
            row = rows.get((community, agent))
            deed = (
                ask(t, t("gate.remove_token"), yes=t("gate.remove"), name="removed", of=row["id"])
                if row is not None and self._removing == row["id"]
                else h(
                    "span",
                    act(t("gate.new_token"), "token", f"{community}/{agent}"),
                    act(t("gate.remove"), "remove", row["id"]) if row is not None else None,
                    class_="acts",
                )
            )
            pulled = None if row is None else row["pulled_ms"]
            cells = (
                h("div", h("b", agent), class_="cell grow"),
                h("div", t("gate.has_token") if row is not None else t("gate.no_token"), class_="cell"),
                h("div", t("gate.pulled"), " ", age(pulled), class_="cell")
                if row is not None
                else h("div", class_="cell"),
                h("div", deed, class_="cell end"),
            )
            items.append((f"agent-{community}-{agent}", h("div", *cells, class_="row", data_row=True)))
        return items or [("none", empty(t("gate.no_agents")))]


def _door(t: Texts, gate: Gate) -> Html:
    value = gate.values.get(DOOR_POINT)
    number = int(value.value) if gate.online and value is not None and isinstance(value.value, float | int) else -1
    word = _DOORS[number] if 0 <= number < len(_DOORS) else "unknown"
    looks = "" if word in _CALM else " unknown" if word == "unknown" else " attention"
    return h("p", t.of("gate_door", word), class_=f"gate-door{looks}")


def _list_state(t: Texts, gate: Gate) -> str:
    if gate.standing is Standing.BEHIND:
        return t("gate.behind", count=gate.behind)
    return t.of("gate_list", gate.standing.value)

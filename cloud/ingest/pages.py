"""Diagnostics (level 4): agents, their journals and gaps, and what could not be read."""

from collections import Counter
from collections.abc import Mapping, Sequence

from fastapi import Request, Response
from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Permission
from cloud.assets import name_repository as names
from cloud.assets import repository as assets
from cloud.assets.domain import presence
from cloud.ingest import gap_repository, quarantine, quarantine_repository, repository
from cloud.ingest.gaps import CLASSES, Gap, merged
from cloud.ui.format import DASH
from cloud.ui.layout import Frame
from cloud.ui.live import Act
from cloud.ui.markup import Attribute, Html, h, join
from cloud.ui.parts import DATA_OLD_MS, age, empty, presence_word
from cloud.ui.rows import Row
from cloud.ui.screen import Screen, Services, open_page
from cloud.ui.texts import Texts

_LIMIT = 100
_GAPS = 1_000
_SHOWN_BYTES = 48


def register(services: Services) -> None:
    """Add the page."""

    @ui.page("/quarantine")
    async def diagnostics(request: Request) -> Response | None:
        return await open_page(services, request, lambda screen: _show(screen, request))


async def _show(screen: Screen, request: Request) -> None:
    t = screen.t
    frame = Frame(screen, request, t("diagnostics.title"))
    apart = _Apart(screen)
    with frame.main():
        screen.live("head").show([("title", h("h1", t("diagnostics.title")))])
        parts = []
        for name in ("agents", "journals", "gaps", "quarantine"):
            with ui.element("section").classes("panel"):
                title = screen.live("title")
                parts.append((title, screen.live(f"list {name}", label=t.of("section", name))))
    titles = ("agents", "journals", "gaps", "quarantine")

    async def refresh() -> None:
        visible = screen.actor.visible()
        async with screen.reading() as conn:
            await frame.refresh(conn)
            nodes = await assets.nodes_for_page(conn, visible)
            twins = await names.device_twins_for_page(conn, visible)
            journals = await repository.list_journals(conn, visible)
            told = await gap_repository.list_gaps(conn, visible, limit=_GAPS)
            gaps_in_all = await gap_repository.gaps_for_page(conn, visible)
            count = await repository.quarantined_for_page(conn, visible)
            odd = await apart.rows(conn)
        whose = {row["node_id"]: row for row in told}
        gaps = sorted(merged(map(gap_repository.as_gap, told)), key=lambda gap: (gap.found_ms, gap.id), reverse=True)
        counts = Counter((row["node_id"], row["journal_id"]) for row in told)
        shown = (
            (
                [_agent(screen, row, nodes, twins.get(row["id"], [])) for row in nodes],
                t("diagnostics.no_agents"),
                len(nodes),
            ),
            ([_journal(screen, row, counts) for row in journals], t("diagnostics.no_journals"), len(journals)),
            ([_gap(screen, whose[gap.node_id], gap) for gap in gaps[:_LIMIT]], t("diagnostics.no_gaps"), gaps_in_all),
            (odd, t("diagnostics.no_quarantine"), count),
        )
        for name, (title, part), (rows, nothing, number) in zip(titles, parts, shown, strict=True):
            heading = h("h2", t.of("section", name), " ", h("small", number))
            title.show([("title", heading)])
            part.show(rows or [("none", empty(nothing))])

    await screen.every_second(refresh)


class _Apart:
    """What one open page does with the quarantine: whose dropping waits for a yes, and what became of replays."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._dropping: int | None = None
        self._asked: set[int] = set()
        self._left_out = 0
        screen.on("replay", self._replay)
        screen.on("replay-alike", self._replay_alike)
        screen.on("drop", self._ask)
        screen.on("drop-sure", self._drop)
        screen.on("drop-not", self._abort)

    async def _replay(self, act: Act) -> None:
        screen, number = self._screen, int(act.id)
        async with screen.transaction() as conn:
            await quarantine.replay(conn, screen.actor, number, now_ms=screen.now_ms())
        self._asked.add(number)

    async def _replay_alike(self, act: Act) -> None:
        screen = self._screen
        async with screen.transaction() as conn:
            asked = await quarantine.replay_alike(conn, screen.actor, int(act.id), now_ms=screen.now_ms())
        self._asked.update(asked.ids)
        self._left_out = asked.cut_short + asked.not_yours

    async def _ask(self, act: Act) -> None:
        self._dropping = int(act.id)

    async def _abort(self, act: Act) -> None:  # noqa: ARG002 - a handler takes its deed
        self._dropping = None

    async def _drop(self, act: Act) -> None:
        screen, number = self._screen, int(act.id)
        if number != self._dropping:
            return  # nobody has said yes to this one
        self._dropping = None
        async with screen.transaction() as conn:
            await quarantine.drop(conn, screen.actor, number, now_ms=screen.now_ms())
        self._asked.discard(number)

    async def rows(self, conn: AsyncConnection) -> list[tuple[str, Html]]:
        """Give what lies in quarantine, newest first, below what became of the replays that were asked for here."""
        screen, visible = self._screen, self._screen.actor.visible()
        odd = await repository.list_quarantine(conn, visible, before_id=None, limit=_LIMIT)
        alike = await quarantine_repository.counts_by_reason(conn, visible, {row["reason"] for row in odd})
        may = screen.actor.may_anywhere(Permission.COMMAND)
        rows = [_odd(screen, row, self._acts(row, alike.get(row["reason"], 1)) if may else None) for row in odd]
        if self._asked:
            states = await quarantine_repository.replay_states(conn, self._asked)
            waits = sum(state.waits for state in states.values())
            said = screen.t(
                "diagnostics.outcome",
                taken=len(self._asked) - len(states),
                stays=len(states) - waits,
                waits=waits,
            )
            if self._left_out:
                said += screen.t("diagnostics.left_out", count=self._left_out)
            rows.insert(0, ("outcome", h("p", said, class_="strong", role="status")))
        return rows

    def _acts(self, row: Row, alike: int) -> Html:
        t, number = self._screen.t, row["id"]

        def button(act: str, text: str, **more: Attribute) -> Html:
            return h("button", text, type="button", data_act=act, data_id=number, **more)

        if self._dropping == number:
            sure = t("diagnostics.drop_sure")
            return h(
                "div",
                h("b", sure),
                button("drop-sure", t("diagnostics.drop"), class_="primary", data_focus=True),
                button("drop-not", t("command.abort")),
                class_="ask",
                role="alertdialog",
                aria_label=sure,
            )
        if row["replay_ms"] is not None:
            return h("span", t("diagnostics.replaying"), class_="dim")
        together = button("replay-alike", t("diagnostics.replay_alike", count=alike)) if alike > 1 else None
        whole = len(row["payload"]) < quarantine.MAX_KEPT_BYTES
        return h(
            "div",
            button("replay", t("diagnostics.replay"), disabled=not whole),
            together,
            button("drop", t("diagnostics.drop")),
            class_="acts",
        )


def _agent(screen: Screen, row: Row, nodes: Sequence[Row], devices: Sequence[str]) -> tuple[str, Html]:
    t = screen.t
    beside = [one["name"] for one in nodes if one["community_id"] == row["community_id"] and one["id"] != row["id"]]
    alike = [name for name in beside if name.lower() == row["name"].lower()]
    flag = t("diagnostics.name_twins", names=", ".join([row["name"], *alike])) if alike else None
    flags = t("diagnostics.name_twins", names=", ".join(devices)) if devices else None
    foreign = h("span", t("diagnostics.foreign"), class_="sub") if row["foreign_node"] else None
    name = h("b", row["name"])
    where = t.pick(row["community_zh"], row["community_en"])
    revision = f"{t('diagnostics.revision')} {row['config_revision']}" if row["config_revision"] else ""
    cells = (
        h("div", name, h("span", where, class_="sub"), _flag(flag), class_="cell grow"),
        h("div", presence_word(t, presence(online=row["online"], unheard_ms=row["unheard_ms"])), class_="cell"),
        h("div", t("diagnostics.devices", count=row["devices"]), foreign, _flag(flags), class_="cell"),
        h("div", row["version"], h("span", revision, class_="sub"), class_="cell full"),
        h("div", t("diagnostics.born"), " ", screen.at(row["born_ms"], row["community_id"]), class_="cell"),
        h("div", age(row["seen_ms"], old_ms=DATA_OLD_MS), class_="cell tight end"),
    )
    key = f"node-{row['id']}"
    return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)


def _flag(text: str | None) -> Html | None:
    return h("span", text, class_="sub strong") if text is not None else None


def _journal(screen: Screen, row: Row, gaps: Mapping[tuple[int, str], int]) -> tuple[str, Html]:
    t = screen.t
    cells = (
        h("div", h("b", row["node"]), h("span", row["community"], class_="sub"), class_="cell grow"),
        h("div", row["journal_id"], class_="cell full mono"),
        h("div", t("diagnostics.committed"), " ", h("b", f"{row['watermark']:,}"), class_="cell"),
        h("div", t("diagnostics.gap_count", count=gaps[row["node_id"], row["journal_id"]]), class_="cell"),
        h("div", age(row["updated_ms"]), class_="cell tight end"),
    )
    key = f"journal-{row['node_id']}-{row['journal_id']}"
    return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)


def _gap(screen: Screen, whose: Row, gap: Gap) -> tuple[str, Html]:
    t, community = screen.t, whose["community_id"]
    last = t("diagnostics.unknown_end") if gap.last is None else f"{gap.last:,}"
    inner = t("diagnostics.parts", count=gap.parts, kept=f"{gap.kept:,}") if gap.parts > 1 else None
    known = gap.records is not None
    records = t("diagnostics.lost", count=f"{gap.records:,}") if known else t("diagnostics.lost_unknown")
    since, until = ("?" if at is None else screen.at(at, community) for at in (gap.from_ms, gap.to_ms))
    when = "" if gap.from_ms is None and gap.to_ms is None else f"{since} {DASH} {until}"
    cells = (
        h("div", h("b", whose["node"]), h("span", whose["community"], class_="sub"), class_="cell grow"),
        h("div", t.of("gap_reason", gap.reason), h("span", when, class_="sub"), class_="cell full"),
        h("div", f"{gap.first:,} {DASH} {last}", h("span", inner, class_="sub") if inner else None, class_="cell"),
        h("div", records, h("span", _classes(t, gap), class_="sub"), class_="cell strong"),
        h("div", t("diagnostics.found"), " ", screen.at(gap.found_ms, community), class_="cell tight end dim"),
    )
    key = f"gap-{gap.node_id}-{gap.journal_id}-{gap.first}"
    return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)


def _classes(t: Texts, gap: Gap) -> str:
    """Say what was lost by class; an upper bound where a part of it had arrived."""
    if gap.lost is None:
        return t("diagnostics.no_classes")
    counts = [f"{t.of('record_class', one)} {gap.lost[one]:,}" for one in CLASSES if one in gap.lost]
    said = t("diagnostics.separator").join(counts)
    return t("diagnostics.at_most", counts=said) if gap.at_most else said


def _odd(screen: Screen, row: Row, acts: Html | None) -> tuple[str, Html]:
    payload: bytes = row["payload"]
    shown = payload[:_SHOWN_BYTES].hex(" ") + ("…" if len(payload) > _SHOWN_BYTES else "")
    size = h("span", screen.t("diagnostics.bytes", count=len(payload)), class_="sub")
    metric = h("span", row["metric"], class_="sub") if row["metric"] else None
    answer = None
    if row["answer"]:
        answer = h("span", screen.t("diagnostics.answer", why=row["answer"]), class_="sub strong")
    cells = (
        h("div", join(row["reason"]), metric, answer, class_="cell full"),
        h("div", row["topic"], class_="cell full mono"),
        h("div", shown, size, class_="cell full mono"),
        h("div", age(row["received_ms"]), class_="cell tight end"),
        h("div", acts, class_="cell end full"),
    )
    key = f"odd-{row['id']}"
    return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)

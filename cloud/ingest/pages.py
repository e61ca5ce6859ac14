"""Diagnostics (level 4): agents, their journals and gaps, and what could not be read."""

from fastapi import Request, Response
from nicegui import ui

from cloud.assets import repository as assets
from cloud.ingest import repository
from cloud.ui.format import DASH
from cloud.ui.layout import Frame
from cloud.ui.markup import Html, h, join
from cloud.ui.parts import DATA_OLD_MS, age, empty, online_word
from cloud.ui.rows import Row
from cloud.ui.screen import Screen, Services, open_page

_LIMIT = 100
_SHOWN_BYTES = 48


def register(services: Services) -> None:
    """Add the page."""

    @ui.page("/quarantine")
    async def quarantine(request: Request) -> Response | None:
        return await open_page(services, request, lambda screen: _show(screen, request))


async def _show(screen: Screen, request: Request) -> None:
    t = screen.t
    frame = Frame(screen, request, t("diagnostics.title"))
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
            journals = await repository.list_journals(conn, visible)
            odd = await repository.list_quarantine(conn, visible, before_id=None, limit=_LIMIT)
            count = await repository.quarantined_for_page(conn, visible)
        gaps = [(journal, gap) for journal in journals for gap in journal["gaps"]]
        shown = (
            ([_agent(screen, row) for row in nodes], t("diagnostics.no_agents"), len(nodes)),
            ([_journal(screen, row) for row in journals], t("diagnostics.no_journals"), len(journals)),
            ([_gap(screen, *pair) for pair in gaps], t("diagnostics.no_gaps"), len(gaps)),
            ([_odd(screen, row) for row in odd], t("diagnostics.no_quarantine"), count),
        )
        for name, (title, part), (rows, nothing, number) in zip(titles, parts, shown, strict=True):
            heading = h("h2", t.of("section", name), " ", h("small", number))
            title.show([("title", heading)])
            part.show(rows or [("none", empty(nothing))])

    await screen.every_second(refresh)


def _agent(screen: Screen, row: Row) -> tuple[str, Html]:
    t = screen.t
    foreign = h("span", t("diagnostics.foreign"), class_="sub") if row["foreign_node"] else None
    name = h("b", row["name"])
    where = t.pick(row["community_zh"], row["community_en"])
    revision = f"{t('diagnostics.revision')} {row['config_revision']}" if row["config_revision"] else ""
    cells = (
        h("div", name, h("span", where, class_="sub"), class_="cell grow"),
        h("div", online_word(t, online=row["online"]), class_="cell"),
        h("div", t("diagnostics.devices", count=row["devices"]), foreign, class_="cell"),
        h("div", row["version"], h("span", revision, class_="sub"), class_="cell full"),
        h("div", t("diagnostics.born"), " ", screen.at(row["born_ms"], row["community_id"]), class_="cell"),
        h("div", age(row["seen_ms"], old_ms=DATA_OLD_MS), class_="cell tight end"),
    )
    key = f"node-{row['id']}"
    return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)


def _journal(screen: Screen, row: Row) -> tuple[str, Html]:
    t = screen.t
    cells = (
        h("div", h("b", row["node"]), h("span", row["community"], class_="sub"), class_="cell grow"),
        h("div", row["journal_id"], class_="cell full mono"),
        h("div", t("diagnostics.committed"), " ", h("b", f"{row['watermark']:,}"), class_="cell"),
        h("div", t("diagnostics.gap_count", count=len(row["gaps"])), class_="cell"),
        h("div", age(row["updated_ms"]), class_="cell tight end"),
    )
    key = f"journal-{row['node_id']}-{row['journal_id']}"
    return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)


def _gap(screen: Screen, journal: Row, gap: Row) -> tuple[str, Html]:
    t = screen.t
    lost = gap["last_offset"] - gap["first_offset"] + 1
    cells = (
        h("div", h("b", journal["node"]), h("span", journal["community"], class_="sub"), class_="cell grow"),
        h("div", f"{gap['first_offset']:,} {DASH} {gap['last_offset']:,}", class_="cell"),
        h("div", t("diagnostics.lost", count=f"{lost:,}"), class_="cell strong"),
        h("div", gap["reason"], class_="cell full"),
        h("div", screen.at(gap["found_ms"]), class_="cell tight end"),
    )
    key = f"gap-{journal['node_id']}-{journal['journal_id']}-{gap['first_offset']}"
    return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)


def _odd(screen: Screen, row: Row) -> tuple[str, Html]:
    payload: bytes = row["payload"]
    shown = payload[:_SHOWN_BYTES].hex(" ") + ("…" if len(payload) > _SHOWN_BYTES else "")
    size = h("span", screen.t("diagnostics.bytes", count=len(payload)), class_="sub")
    metric = h("span", row["metric"], class_="sub") if row["metric"] else None
    cells = (
        h("div", join(row["reason"]), metric, class_="cell full"),
        h("div", row["topic"], class_="cell full mono"),
        h("div", shown, size, class_="cell full mono"),
        h("div", age(row["received_ms"]), class_="cell tight end"),
    )
    key = f"odd-{row['id']}"
    return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)

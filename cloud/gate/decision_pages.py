"""The page of one gate's decisions: each of them, the newest first, page by page."""

from fastapi import Request, Response
from nicegui import ui

from cloud.access.domain import Where
from cloud.assets import service as assets
from cloud.gate import history, opening, service
from cloud.gate.domain import DECISION_POINT
from cloud.gate.history import Decisions
from cloud.gate.parts import decision, tabs
from cloud.platform.errors import NotFound
from cloud.ui.layout import Frame
from cloud.ui.markup import Html, h
from cloud.ui.parts import empty, place
from cloud.ui.screen import Screen, Services, open_page

_PAGE = 50
_SETTLED_MS = 60_000


def register(services: Services) -> None:
    """Add the page."""

    @ui.page("/gates/{device_id}/decisions")
    async def decisions(request: Request, device_id: int) -> Response | None:
        return await open_page(services, request, lambda screen: _show(screen, request, device_id))


async def _show(screen: Screen, request: Request, device_id: int) -> None:
    page = _DecisionsPage(screen, Frame(screen, request, screen.t("gate.decisions")), device_id, _before(request))
    page.build()
    await screen.every_second(page.refresh)


def _before(request: Request) -> int | None:
    text = request.query_params.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None  # noqa: PLR2004 - the year 9999


class _DecisionsPage:
    """The page. The newest part follows the gate; an older part stays as it is."""

    def __init__(self, screen: Screen, frame: Frame, device_id: int, before_ms: int | None) -> None:
        self._screen = screen
        self._frame = frame
        self._device_id = device_id
        self._before_ms = before_ms
        self._found: Decisions | None = None
        self._as_of = -1

    def build(self) -> None:
        """Lay the page out."""
        with self._frame.main():
            self._top = self._screen.live("head")
            self._list = self._screen.live("panel list gate-decisions", label=self._screen.t("gate.decisions"))
            self._pages = self._screen.live("head")

    async def refresh(self) -> None:
        """Show the decisions as they are now."""
        screen, t = self._screen, self._screen.t
        async with screen.reading() as conn:
            await self._frame.refresh(conn)
            try:
                await opening.find_gate(conn, screen.actor, self._device_id)
            except NotFound:
                self._top.show([("title", h("h1", t("gate.decisions")))])
                self._list.show([("none", empty(t("error.not_found")))])
                return
            row, values = await assets.describe_device(conn, screen.actor, self._device_id)
            newest = next((one.at_ms for one in values if one.point == DECISION_POINT), -1)
        await self._look(newest)
        found = self._found or Decisions(items=(), older=None)
        async with screen.reading() as conn:
            names = await service.names_of(conn, screen.actor, {one.who for one in found.items if one.who})
        label = t.pick(row["label_zh"], row["label_en"])
        self._top.show(
            [
                ("title", h("h1", t("gate.decisions_of", gate=label))),
                ("where", h("span", place(t, row), class_="dim")),
                ("tabs", tabs(t, screen.actor, "")),
            ]
        )
        where = Where(community_id=row["community_id"])
        rows = [
            (
                f"decided-{one.at_ms}",
                h(
                    "div",
                    h("div", screen.at(one.at_ms, where.community_id), class_="cell"),
                    h("div", decision(t, one, names), class_="cell grow"),
                    class_="row",
                    data_row=True,
                ),
            )
            for one in found.items
        ]
        self._list.show(rows or [("none", empty(t("gate.no_decisions")))])
        self._pages.show(self._links(found))

    def _links(self, found: Decisions) -> list[tuple[str, Html]]:
        t, here = self._screen.t, f"/gates/{self._device_id}/decisions"
        links: list[tuple[str, Html]] = []
        if self._before_ms is not None:
            links.append(("newest", h("a", t("gate.newest"), href=here, class_="button")))
        if found.older is not None:
            links.append(("older", h("a", t("gate.older"), href=f"{here}?before={found.older}", class_="button")))
        return links

    async def _look(self, newest_ms: int) -> None:
        if self._found is not None and (self._before_ms is not None or newest_ms == self._as_of):
            return
        now = self._screen.now_ms()
        before = now + history.AHEAD_MS if self._before_ms is None else self._before_ms
        found = await history.decisions(
            self._screen.services.telemetry, self._device_id, before_ms=before, limit=_PAGE, now_ms=now
        )
        self._found = found
        told_ms = found.items[0].at_ms if found.items else -1
        # The last value may be there a moment before the history.
        self._as_of = newest_ms if told_ms >= newest_ms or now - newest_ms > _SETTLED_MS else -1

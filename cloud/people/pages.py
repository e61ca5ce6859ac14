"""The page of people: who is on shift, what they can do, and how to reach them."""

from fastapi import Request, Response
from nicegui import ui

from cloud.people import service
from cloud.people.service import Person
from cloud.ui.format import DASH
from cloud.ui.layout import Frame
from cloud.ui.markup import Html, h
from cloud.ui.parts import empty
from cloud.ui.screen import Screen, Services, open_page

_DAY_MS = 24 * 3_600_000


def register(services: Services) -> None:
    """Add the page."""

    @ui.page("/people")
    async def people(request: Request) -> Response | None:
        return await open_page(services, request, lambda screen: _show(screen, request))


async def _show(screen: Screen, request: Request) -> None:
    t = screen.t
    frame = Frame(screen, request, t("people.title"))
    with frame.main():
        screen.live("head").show([("title", h("h1", t("people.title")))])
        with ui.element("section").classes("panel"):
            screen.live().show([("title", h("h2", t("people.on_shift")))])
            here = screen.live("list people", label=t("people.on_shift"))
        with ui.element("section").classes("panel"):
            screen.live().show([("title", h("h2", t("people.others")))])
            away = screen.live("list people", label=t("people.others"))

    async def refresh() -> None:
        now = screen.now_ms()
        async with screen.reading() as conn:
            await frame.refresh(conn)
            found = await service.list_people(conn, screen.actor, now_ms=now)
            shifts = await service.list_shifts(conn, screen.actor, from_ms=now, to_ms=now + _DAY_MS)
        ends: dict[int, str] = {}
        for shift in shifts:
            until = screen.at(shift["ends_ms"], shift["community_id"])
            since = screen.at(shift["starts_ms"], shift["community_id"])
            if shift["starts_ms"] <= now:
                ends.setdefault(shift["account_id"], t("people.until", at=until))
            else:
                ends.setdefault(shift["account_id"], t("people.next", start=since, end=until))
        on = [_row(screen, one, ends.get(one.id)) for one in found if one.on_shift and one.active]
        off = [_row(screen, one, ends.get(one.id)) for one in found if not one.on_shift or not one.active]
        here.show(on or [("none", empty(t("people.nobody")))])
        away.show(off or [("none", empty(t("people.no_others")))])

    await screen.every_second(refresh)


def _row(screen: Screen, one: Person, shift: str | None) -> tuple[str, Html]:
    t = screen.t
    roles = sorted({role.value for role, _ in one.grants})
    phone = h("a", one.phone, href=f"tel:{one.phone.replace(' ', '')}") if one.phone else h("span", DASH, class_="dim")
    state = None if one.active else h("span", t("people.inactive"), class_="sub strong")
    cells = (
        h("div", h("b", one.name), h("span", one.login, class_="sub"), class_="cell grow"),
        h("div", ", ".join(t.of("role", role) for role in roles), state, class_="cell"),
        h("div", ", ".join(t.of("skill", skill) for skill in one.skills) or DASH, class_="cell full"),
        h("div", phone, class_="cell tight"),
        h("div", shift or DASH, class_="cell end"),
    )
    key = f"person-{one.id}"
    return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)

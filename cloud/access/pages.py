"""Pages of access: the audit, and one's own account."""

import json

from fastapi import Request, Response
from nicegui import ui

from cloud.access import service
from cloud.platform.errors import Forbidden, Invalid
from cloud.ui.format import DASH, full_moment
from cloud.ui.layout import Frame
from cloud.ui.live import Act
from cloud.ui.markup import Html, h, join
from cloud.ui.parts import empty, facts
from cloud.ui.rows import Row
from cloud.ui.screen import THEME_COOKIE, Screen, Services, open_page

_LIMIT = 200


def register(services: Services) -> None:
    """Add the pages."""

    @ui.page("/audit")
    async def audit(request: Request) -> Response | None:
        return await open_page(services, request, lambda screen: _audit(screen, request))

    @ui.page("/me")
    async def me(request: Request) -> Response | None:
        return await open_page(services, request, lambda screen: _me(screen, request))


async def _audit(screen: Screen, request: Request) -> None:
    t = screen.t
    frame = Frame(screen, request, t("audit.title"))
    with frame.main():
        screen.live("head").show([("title", h("h1", t("audit.title")))])
        part = screen.live("panel list audit", label=t("audit.title"))

    async def refresh() -> None:
        async with screen.reading() as conn:
            await frame.refresh(conn)
            try:
                rows = await service.list_audit(conn, screen.actor, limit=_LIMIT)
            except Forbidden:
                part.show([("none", empty(t("audit.not_allowed")))])
                return
        part.show([_entry(screen, row) for row in rows] or [("none", empty(t("audit.none")))])

    await screen.every_second(refresh)


def _entry(screen: Screen, row: Row) -> tuple[str, Html]:
    t = screen.t
    detail = json.loads(row["detail"])
    said = ", ".join(f"{name}: {value}" for name, value in detail.items() if value not in (None, ""))
    allowed = row["outcome"] == "allowed"
    cells = (
        h("div", full_moment(row["at_ms"], screen.zone(row["community_id"])), class_="cell tight dim"),
        h("div", row["actor"], h("span", row["address"], class_="sub"), class_="cell grow"),
        h("div", t.of("audit_action", row["action"]), h("span", row["subject"], class_="sub"), class_="cell"),
        h("div", said, class_="cell full mono"),
        h(
            "div",
            t.of("audit_outcome", row["outcome"]),
            class_="cell tight end" if allowed else "cell tight end strong",
        ),
    )
    key = f"audit-{row['id']}"
    return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)


async def _me(screen: Screen, request: Request) -> None:
    t = screen.t
    frame = Frame(screen, request, t("me.title"))
    changed = False

    async def password(act: Act) -> None:
        nonlocal changed
        if act.fields.get("new", "") != act.fields.get("again", ""):
            raise Invalid(t("me.differ"), code="differ")
        await service.change_password(
            screen.services.engine,
            screen.services.passwords,
            actor=screen.actor,
            current=act.fields.get("current", ""),
            new=act.fields.get("new", ""),
            keep_token=screen.token,
            now_ms=screen.now_ms(),
        )
        changed = True

    screen.on("password", password)
    dark = request.cookies.get(THEME_COOKIE) == "dark"
    with frame.main():
        screen.live("head").show([("title", h("h1", t("me.title"))), ("leave", _leave(screen))])
        screen.live("panel", label=t("me.account")).show([("account", _account(screen))])
        screen.live("panel", label=t("me.look")).show(
            [
                ("language", h("h2", t("me.language"))),
                ("languages", _languages(screen)),
                ("theme", h("h2", t("me.theme"))),
                ("themes", _themes(screen, dark=dark)),
                ("keys", h("h2", t("me.keys"))),
                ("keys-text", h("p", t("me.keys_text"))),
            ]
        )
        secret = screen.live("panel", label=t("me.password"))

    async def refresh() -> None:
        async with screen.reading() as conn:
            await frame.refresh(conn)
        done = [("done", h("p", h("b", t("me.password_changed")), role="status"))] if changed else []
        secret.show([("title", h("h2", t("me.password"))), ("form", _password_form(screen)), *done])

    await screen.every_second(refresh)


def _leave(screen: Screen) -> Html:
    return h("form", h("button", screen.t("me.leave"), type="submit"), method="post", action="/logout")


def _account(screen: Screen) -> Html:
    t = screen.t
    roles = sorted({grant.role.value for grant in screen.actor.grants})
    return facts(
        [
            (t("me.name"), screen.actor.name),
            (t("login.login"), screen.actor.login),
            (t("me.roles"), ", ".join(t.of("role", role) for role in roles) or DASH),
        ]
    )


def _languages(screen: Screen) -> Html:
    t = screen.t
    buttons = (
        h(
            "button",
            t.of("language", code),
            type="button",
            data_act="language",
            data_id=code,
            lang=code,
            aria_pressed=str(t.language.value == code).lower(),
        )
        for code in ("zh", "en")
    )
    return h("div", *buttons, class_="choices", role="group", aria_label=t("me.language"))


def _themes(screen: Screen, *, dark: bool) -> Html:
    t = screen.t
    buttons = (
        h(
            "button",
            t.of("theme", name),
            type="submit",
            name="theme",
            value=name,
            aria_pressed=str(dark is (name == "dark")).lower(),
        )
        for name in ("light", "dark")
    )
    hidden = h("input", type="hidden", name="next", value="/me")
    return h("form", hidden, h("div", *buttons, class_="choices"), method="post", action="/theme")


def _password_form(screen: Screen) -> Html:
    t = screen.t
    fields = [
        join(
            h("label", text, for_=f"password-{name}"),
            h(
                "input",
                id=f"password-{name}",
                name=name,
                type="password",
                required=True,
                maxlength=200,
                minlength=None if name == "current" else 10,
                autocomplete="current-password" if name == "current" else "new-password",
            ),
        )
        for name, text in (("current", t("me.current")), ("new", t("me.new")), ("again", t("me.again")))
    ]
    return h(
        "form",
        *fields,
        h("button", t("me.change"), type="submit", class_="primary"),
        data_act="password",
        class_="fields",
    )

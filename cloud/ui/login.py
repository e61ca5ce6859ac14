"""Logging in and out: plain forms, because the session's cookie travels by HTTP and nobody else needs a live page."""

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.access import service as access
from cloud.access.endpoints import COOKIE, address_of, comes_from_us, public_origin, set_session_cookie
from cloud.platform.database import transaction
from cloud.platform.errors import TooMany, Unauthenticated
from cloud.platform.security import new_token
from cloud.ui.markup import Html, h, join
from cloud.ui.screen import THEME_COOKIE, Services
from cloud.ui.texts import Texts, texts
from runtime.version import VERSION

LANGUAGE_COOKIE = "linli_language"
THEMES = ("light", "dark")
STYLESHEETS = ("theme", "frame", "lists", "parts", "gates")
_YEAR_S = 365 * 24 * 3600
_LARGEST_FORM = 4096
_SEE_OTHER = 303


def stylesheets() -> Html:
    """Link the look of every page; the version in the address makes browsers fetch a new one."""
    return join(*(h("link", rel="stylesheet", href=f"/ui/{name}.css?{VERSION}") for name in STYLESHEETS))


def inside(target: str) -> str:
    """Give an address of this service to go to; anything that leads elsewhere becomes the overview."""
    parts = urlsplit(target)
    plain = target.startswith("/") and not target.startswith("//") and "\\" not in target
    return target if plain and not parts.scheme and not parts.netloc and parts.path != "/login" else "/"


def preferred_language(cookie: str | None, accept: str) -> str:
    """Choose the language of somebody who is not known yet: what they chose here before, else the browser's."""
    if cookie in {"zh", "en"}:
        return cookie
    for part in accept.split(","):
        code = part.strip()[:2].lower()
        if code in {"zh", "en"}:
            return code
    return "zh"


async def _form(request: Request) -> Mapping[str, str]:
    body = await request.body()
    if len(body) > _LARGEST_FORM:
        return {}
    read = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in read.items()}


def _ours(request: Request) -> bool:
    return comes_from_us(request.headers.get, public_origin(request))


def _language(request: Request) -> str:
    accepted = request.headers.get("accept-language", "")
    return preferred_language(request.cookies.get(LANGUAGE_COOKIE), accepted)


def _keep(answer: Response, name: str, value: str) -> None:
    answer.set_cookie(name, value, max_age=_YEAR_S, samesite="lax", path="/")


def routes(services: Services) -> APIRouter:
    """Give the routes of logging in and out, and of the theme that a browser keeps."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def show(request: Request) -> Response:
        return _show(request)

    @router.post("/login")
    async def enter(request: Request) -> Response:
        return await _enter(services, request)

    @router.post("/logout")
    async def leave(request: Request) -> Response:
        return await _leave(services, request)

    @router.post("/theme")
    async def theme(request: Request) -> Response:
        form = await _form(request)
        answer = RedirectResponse(inside(form.get("next", "/me")), status_code=_SEE_OTHER)
        if form.get("theme") in THEMES:
            _keep(answer, THEME_COOKIE, form["theme"])
        return answer

    return router


def _show(request: Request) -> Response:
    query = request.query_params
    chosen = query.get("lang")
    t = texts(chosen or _language(request))
    problem = t("login.expired") if query.get("reason") == "expired" else None
    page = HTMLResponse(_page(request, t, problem=problem, login="", to=inside(query.get("next", "/"))))
    if chosen in {"zh", "en"}:
        _keep(page, LANGUAGE_COOKIE, chosen)
    return page


async def _enter(services: Services, request: Request) -> Response:
    form = await _form(request)
    t = texts(_language(request))
    to = inside(form.get("next", "/"))
    login = form.get("login", "").strip()[:64]

    def again(problem: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
        return HTMLResponse(_page(request, t, problem=problem, login=login, to=to), status_code=status, headers=headers)

    if not _ours(request):
        return again(t("login.foreign"), HTTPStatus.FORBIDDEN)
    session_ms: int = request.app.state.config.web.session_ms
    try:
        session = await access.log_in(
            services.engine,
            services.passwords,
            login=login,
            password=form.get("password", ""),
            address=address_of(request),
            session_ms=session_ms,
            token=new_token(),
            now_ms=services.clock(),
        )
    except TooMany as error:
        wait = int(str((error.details or {}).get("retry_after_s", 900)))
        return again(t("login.throttled", minutes=-(-wait // 60)), error.status, {"Retry-After": str(wait)})
    except Unauthenticated as error:
        return again(t("login.wrong"), error.status)
    answer = RedirectResponse(to, status_code=_SEE_OTHER)
    set_session_cookie(answer, request, session.token, session_ms // 1000)
    return answer


async def _leave(services: Services, request: Request) -> Response:
    answer = RedirectResponse("/login", status_code=_SEE_OTHER)
    token = request.cookies.get(COOKIE)
    if token and _ours(request):
        now = services.clock()
        # A session that has ended already is what was asked for.
        with suppress(Unauthenticated):
            async with transaction(services.engine) as conn:
                actor = await access.authenticate(conn, token=token, address=address_of(request), now_ms=now)
                await access.log_out(conn, actor=actor, token=token, now_ms=now)
        answer.delete_cookie(COOKIE, path="/")
    return answer


def _page(request: Request, t: Texts, *, problem: str | None, login: str, to: str) -> str:
    dark = request.cookies.get(THEME_COOKIE) == "dark"
    other = "en" if t.language.value == "zh" else "zh"
    switch = h(
        "a", t(f"language.{other}"), href=f"/login?lang={other}&next={quote(to, safe='')}", lang=other, class_="switch"
    )
    alert = h("p", problem, class_="problem", role="alert", id="problem") if problem else None
    form = h(
        "form",
        h("h1", t("app.name"), Html(" "), h("small", t("app.tagline"))),
        alert,
        h("label", t("login.login"), for_="login"),
        h(
            "input",
            id="login",
            name="login",
            value=login,
            autocomplete="username",
            autocapitalize="none",
            spellcheck="false",
            required=True,
            maxlength=64,
            autofocus=not login,
        ),
        h("label", t("login.password"), for_="password"),
        h(
            "input",
            id="password",
            name="password",
            type="password",
            autocomplete="current-password",
            required=True,
            maxlength=200,
            autofocus=bool(login),
            aria_describedby="problem" if problem else None,
        ),
        h("input", type="hidden", name="next", value=to),
        h("button", t("login.enter"), type="submit", class_="primary"),
        switch,
        method="post",
        action="/login",
    )
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("title", f"{t('login.title')} · {t('app.name')}"),
        stylesheets(),
        h("link", rel="icon", href="/ui/favicon.svg"),
    )
    body = h("body", h("main", form, class_="login"))
    lang = "zh-CN" if t.language.value == "zh" else "en"
    return join(Html("<!doctype html>"), h("html", head, body, lang=lang, data_theme="dark" if dark else "light"))

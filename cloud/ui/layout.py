"""The frame around every page: navigation, search, the state of the engine, language, theme, keyboard."""

from fastapi import Request
from nicegui import ui

from cloud.access.domain import Permission
from cloud.alarms import repository as alarms
from cloud.ui.markup import Html, h, join
from cloud.ui.parts import ENGINE_STALE_MS, age
from cloud.ui.screen import THEME_COOKIE, Screen
from cloud.ui.texts import Texts

_PAGES: tuple[tuple[str, str, Permission], ...] = (
    ("/", "nav.overview", Permission.VIEW),
    ("/alarms", "nav.alarms", Permission.VIEW),
    ("/work-orders", "nav.orders", Permission.VIEW),
    ("/devices", "nav.devices", Permission.VIEW),
    ("/people", "nav.people", Permission.VIEW),
    ("/quarantine", "nav.diagnostics", Permission.VIEW),
    ("/audit", "nav.audit", Permission.AUDIT),
)
_FILES = '<link rel="stylesheet" href="/ui/theme.css"><script src="/ui/linli.js"></script>'


def head(t: Texts, request: Request) -> str:
    """Give what a page's head needs: style, script, language, theme and the words that the script uses."""
    dark = request.cookies.get(THEME_COOKIE) == "dark"
    words = {
        "theme": "dark" if dark else "light",
        "units": " ".join(t(f"unit.{name}") for name in ("s", "min", "h", "d")),
        "left": t("clock.left", span="{}"),
        "overdue": t("clock.overdue", span="{}"),
        "lost": t("notice.lost"),
    }
    attributes = "".join(f"root.dataset.{name}={_script(text)};" for name, text in words.items())
    lang = "zh-CN" if t.language.value == "zh" else "en"
    return f"<script>{{const root=document.documentElement;root.lang='{lang}';{attributes}}}</script>{_FILES}"


def _script(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("<", "\\x3c") + "'"


class Frame:
    """The frame of one page; `refresh` brings its own figures up to date."""

    def __init__(self, screen: Screen, request: Request, title: str) -> None:
        self._screen = screen
        t = screen.t
        ui.page_title(f"{title} · {t('app.name')}")
        ui.add_head_html(head(t, request))
        ui.context.client.content.classes("page")
        with ui.element("header").classes("bar"):
            screen.live("brand").show([("brand", h("a", t("app.name"), href="/", class_="name"))])
            screen.live("nav", label=t("nav.label"), role="navigation").show(
                [(path, _entry(screen, path, key)) for path, key, need in _PAGES if screen.actor.may_anywhere(need)]
            )
            screen.live("find").show([("find", _search(t))])
            self._state = screen.live("state")
            screen.live("me").show([("me", _me(screen))])

    async def refresh(self) -> None:
        """Show how many alarms wait for an acknowledgement, and whether the engine works."""
        screen, t = self._screen, self._screen.t
        async with screen.reading() as conn:
            waiting = await alarms.count_unacknowledged_for_page(conn, screen.actor.visible())
            beat_ms = await alarms.newest_heartbeat_for_page(conn)
        now = screen.now_ms()
        works = beat_ms is not None and now - beat_ms < ENGINE_STALE_MS
        engine = join(
            h("span", t("engine.works") if works else t("engine.stopped"), class_="word"),
            Html(" ") if beat_ms is None else join(" ", age(beat_ms)),
        )
        badge = h(
            "a",
            h("span", class_="marker unacknowledged" if waiting else "marker"),
            h("b", waiting),
            " ",
            t("overview.unacknowledged"),
            href="/alarms?state=open",
            class_="waiting",
        )
        self._state.show(
            [("waiting", badge), ("engine", h("span", engine, class_="engine" if works else "engine stopped"))]
        )


def _entry(screen: Screen, path: str, key: str) -> Html:
    own = screen.path.partition("?")[0]
    here = own == path or (path != "/" and own.startswith(f"{path}/"))
    return h("a", screen.t(key), href=path, aria_current="page" if here else None)


def _search(t: Texts) -> Html:
    box = h("input", type="search", name="q", placeholder=t("nav.search"), aria_label=t("nav.search"), data_search=True)
    return h("form", box, action="/devices", method="get", role="search")


def _me(screen: Screen) -> Html:
    t = screen.t
    other = "en" if t.language.value == "zh" else "zh"
    switch = h("button", t(f"language.{other}"), type="button", data_act="language", data_id=other, lang=other)
    return h("span", switch, h("a", screen.actor.name, href="/me", class_="who"), class_="links")


def not_found(screen: Screen) -> None:
    """Say that there is no such thing, or none that the person may see."""
    part = screen.live("panel")
    part.show([("none", h("p", screen.t("notice.not_found"), class_="empty"))])

"""The frame around every page: navigation, search, the state of engine and ingest, language, keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request
from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Permission
from cloud.alarms import repository as alarms
from cloud.ingest.standstill import Standstill, standstill
from cloud.people.service import set_language
from cloud.ui.live import Act
from cloud.ui.login import stylesheets
from cloud.ui.markup import Html, h, join
from cloud.ui.parts import ENGINE_STALE_MS, age
from cloud.ui.screen import THEME_COOKIE, Screen
from cloud.ui.texts import Texts
from runtime.messages import Language
from runtime.version import VERSION

_PAGES: tuple[tuple[str, str, Permission], ...] = (
    ("/", "nav.overview", Permission.VIEW),
    ("/alarms", "nav.alarms", Permission.VIEW),
    ("/work-orders", "nav.orders", Permission.VIEW),
    ("/devices", "nav.devices", Permission.VIEW),
    ("/gates", "nav.gates", Permission.VIEW),
    ("/people", "nav.people", Permission.VIEW),
    ("/quarantine", "nav.diagnostics", Permission.VIEW),
    ("/audit", "nav.audit", Permission.AUDIT),
)


def _head(t: Texts, request: Request) -> str:
    words = {
        "theme": "dark" if request.cookies.get(THEME_COOKIE) == "dark" else "light",
        "units": " ".join(t.of("unit", name) for name in ("s", "min", "h", "d")),
        "left": t("clock.left", span="{}"),
        "overdue": t("clock.overdue", span="{}"),
        "lost": t("notice.lost"),
    }
    attributes = "".join(f"root.dataset.{name}={_script(text)};" for name, text in words.items())
    lang = "zh-CN" if t.language is Language.ZH else "en"
    return (
        f"<script>{{const root=document.documentElement;root.lang='{lang}';{attributes}}}</script>"
        f'{stylesheets()}<script src="/ui/linli.js?{VERSION}"></script>'
    )


def _script(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("<", "\\x3c") + "'"


class Frame:
    """The frame of one page; `refresh` brings its own figures up to date."""

    def __init__(self, screen: Screen, request: Request, title: str) -> None:
        self._screen = screen
        t = screen.t
        client = ui.context.client
        client.title = f"{title} · {t('app.name')}"
        client.content.classes("page")
        ui.add_head_html(_head(t, request))
        with ui.element("header").classes("bar"):
            screen.live("brand").show([("brand", h("a", t("app.name"), href="/", class_="name"))])
            screen.live("nav", label=t("nav.label"), role="navigation").show(
                [(path, _entry(screen, path, key)) for path, key, need in _PAGES if screen.actor.may_anywhere(need)]
            )
            screen.live("find").show([("find", _search(t))])
            self._state = screen.live("state")
            screen.live("me").show([("me", _me(screen))])
        self._standstill = screen.live("standstills", label=t("standstill.label"))
        screen.on("language", self._switch)

    @contextmanager
    def main(self) -> Iterator[None]:
        """Put what follows into the page's body."""
        with ui.element("main").classes("main"):
            yield

    async def _switch(self, act: Act) -> None:
        async with self._screen.transaction() as conn:
            await set_language(conn, self._screen.actor, language=Language.EN if act.id == "en" else Language.ZH)
        ui.navigate.reload()

    async def refresh(self, conn: AsyncConnection) -> None:
        """Show how many alarms wait for an acknowledgement, and whether the engine works and data is received."""
        screen, t = self._screen, self._screen.t
        waiting = sum(row[3] for row in await alarms.counts(conn, screen.actor.visible()))
        beat_ms = await alarms.newest_heartbeat(conn)
        works = beat_ms is not None and screen.now_ms() - beat_ms < ENGINE_STALE_MS
        badge = h(
            "a",
            h("span", class_="marker unacknowledged" if waiting else "marker"),
            h("b", waiting),
            " ",
            t("overview.unacknowledged"),
            href="/alarms",
            class_="waiting",
        )
        said = t("engine.works") if works else t("engine.stopped")
        word = h("span", said, class_="word")
        # A working engine's age would change every second and say nothing.
        engine = word if works or beat_ms is None else join(word, Html(" "), age(beat_ms))
        looks = "engine" if works else "engine stopped"
        self._state.show(
            [("waiting", badge), ("engine", h("span", engine, class_=looks, title=said, role="img", aria_label=said))]
        )
        found = await standstill(conn, screen.now_ms())
        self._standstill.show([("standstill", _still(screen, found))] if found is not None else [])


def _still(screen: Screen, found: Standstill) -> Html:
    t = screen.t
    since = t("standstill.since", time=screen.at(found.since_ms)) if found.since_ms is not None else t("standstill.now")
    return h("div", h("strong", since), h("span", t("standstill.old")), class_="standstill")


def _entry(screen: Screen, path: str, key: str) -> Html:
    own = screen.path.partition("?")[0]
    here = own == path or (path != "/" and own.startswith(f"{path}/"))
    area, _, name = key.partition(".")
    return h("a", screen.t.of(area, name), href=path, aria_current="page" if here else None)


def _search(t: Texts) -> Html:
    box = h(
        "input", type="search", name="q", placeholder=t("search.hint"), aria_label=t("search.label"), data_search=True
    )
    return h("form", box, action="/devices", method="get", role="search")


def _me(screen: Screen) -> Html:
    other = "en" if screen.t.language is Language.ZH else "zh"
    switch = h("button", screen.t.of("language", other), type="button", data_act="language", data_id=other, lang=other)
    return h("span", switch, h("a", screen.actor.name, href="/me", class_="who"), class_="links")

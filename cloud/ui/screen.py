"""What every page is made of: who looks at it, what it shows again every second, and what people do on it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.access.domain import Actor
from cloud.access.endpoints import COOKIE, address_of
from cloud.access.service import authenticate
from cloud.assets.organisation import list_communities
from cloud.gate.keys import KeyFile
from cloud.platform.clock import Clock
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Invalid, LinliError, Unauthenticated
from cloud.platform.security import Passwords
from cloud.telemetry.api import TelemetryStore
from cloud.ui.format import moment
from cloud.ui.live import Act, ActHandler, Live
from cloud.ui.markup import Html, h, join
from cloud.ui.profiles import Profiles
from cloud.ui.texts import Texts, texts
from runtime.logs import get_log

THEME_COOKIE = "linli_theme"
_EVERY_S = 1.0
_SEE_OTHER = 303

Items = list[tuple[str, Html]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """What the web process lends to its pages; `new_id` makes the id of a command (a UUID as text)."""

    engine: AsyncEngine
    clock: Clock
    telemetry: TelemetryStore
    passwords: Passwords
    new_id: Callable[[], str]
    gate_keys: KeyFile
    profiles: Profiles = field(default_factory=Profiles)


class Screen:
    """One open page of one person. Every look at the data and every deed checks the session again."""

    def __init__(self, services: Services, *, token: str, address: str, path: str, actor: Actor) -> None:
        self.services = services
        self.path = path
        self.actor = actor
        self.t: Texts = texts(actor.language)
        self._token = token
        self._address = address
        self._lives: list[Live] = []
        self._refresh: Callable[[], Awaitable[None]] | None = None
        self._notice: Live | None = None
        self._acts: dict[str, ActHandler] = {}
        self.zones: dict[int, str] = {}

    @property
    def token(self) -> str:
        """The token of the session, to end it or to keep it while the others end."""
        return self._token

    def now_ms(self) -> int:
        """Give the time by the service's clock."""
        return self.services.clock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a view of the database for the person, as their session and roles are now."""
        async with reading(self.services.engine) as conn:
            await self._identify(conn)
            yield conn

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a unit of work for the person, as their session and roles are now."""
        async with transaction(self.services.engine) as conn:
            await self._identify(conn)
            yield conn

    async def _identify(self, conn: AsyncConnection) -> None:
        actor = await authenticate(conn, token=self._token, address=self._address, now_ms=self.now_ms())
        # The page keeps the language that it was built in; a switch loads it anew.
        self.actor = replace(actor, language=self.actor.language)

    def zone(self, community_id: int | None = None) -> str:
        """Give the time zone of a community; without one, of the first that the person sees."""
        if community_id in self.zones:
            return self.zones[community_id]
        return next(iter(self.zones.values()), "UTC")

    def at(self, at_ms: int | None, community_id: int | None = None) -> str:
        """Write a moment by the clocks of a community."""
        return moment(at_ms, self.zone(community_id), self.now_ms())

    # --- what the page consists of

    def live(self, classes: str = "", *, label: str | None = None, role: str | None = None) -> Live:
        """Add a part that follows the data; deeds inside go to the handlers of `on`."""
        part = Live(on_act=self._act).classes(classes)
        attributes = part.props
        with attributes.suspend_updates():
            if label is not None:
                attributes["aria-label"] = label
                attributes["role"] = role or "region"
            elif role is not None:
                attributes["role"] = role
        self._lives.append(part)
        return part

    def on(self, name: str, handler: ActHandler) -> None:
        """Say what a deed does; errors are shown, and the page is refreshed afterwards."""
        self._acts[name] = handler

    async def every_second(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """Fill the page now, and again every second while somebody looks at it."""
        self._notice = self.live("notices", role="status")
        self._refresh = refresh
        await refresh()
        ui.timer(_EVERY_S, self._tick, immediate=False)

    def _follow(self) -> None:
        for part in self._lives:
            part.following = True

    async def _tick(self) -> None:
        self._follow()
        try:
            if self._refresh is not None:
                await self._refresh()
        except LinliError as error:
            self._failed(error)
            return
        ui.run_javascript(f"window.linli && linli.beat({self.now_ms()})")

    async def _act(self, act: Act) -> None:
        self._follow()
        handler = self._acts.get(act.name)
        try:
            if handler is not None:
                self.say(None)
                await handler(act)
            if self._refresh is not None:
                await self._refresh()
        except LinliError as error:
            self._failed(error)
        except ValueError as error:
            # An id or an action that no button of ours has.
            self._failed(Invalid(str(error)))
        finally:
            for part in self._lives:
                part.settled()

    def _failed(self, error: LinliError) -> None:
        if isinstance(error, Unauthenticated):
            ui.navigate.to(login_url(self.path, expired=True))
            return
        get_log("cloud.web").info("a page could not do it", path=self.path, code=error.code, error=error.message)
        self.say(error)

    def say(self, error: LinliError | None) -> None:
        """Show why something could not be done, or take that away."""
        if self._notice is None:
            return
        if error is None:
            self._notice.show([])
            return
        known = self.t.of("error", error.code)
        text = known if known != error.code else error.message
        more = error.message if known != error.code and self.t.language.value == "en" else None
        why = h("span", more, class_="dim") if more and more != text else None
        body = h("div", join(h("strong", self.t("notice.not_done")), h("span", text), why), class_="notice")
        self._notice.show([("error", body)])


def login_url(path: str, *, expired: bool) -> str:
    """Give the address of the login page that leads back to `path`."""
    reason = "&reason=expired" if expired else ""
    return f"/login?next={quote(path, safe='')}{reason}"


async def open_page(services: Services, request: Request, show: Callable[[Screen], Awaitable[None]]) -> Response | None:
    """Show a page to whoever asks, or send them to the login page and back here afterwards."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    token = request.cookies.get(COOKIE)
    if not token:
        return RedirectResponse(login_url(path, expired=False), status_code=_SEE_OTHER)
    address = address_of(request)
    try:
        async with reading(services.engine) as conn:
            actor = await authenticate(conn, token=token, address=address, now_ms=services.clock())
            communities = await list_communities(conn, actor.visible())
        screen = Screen(services, token=token, address=address, path=path, actor=actor)
        screen.zones = {row["id"]: row["time_zone"] for row in communities}
        screen.t = replace(screen.t, one_community=len(communities) == 1)
        await show(screen)
    except Unauthenticated:
        return RedirectResponse(login_url(path, expired=True), status_code=_SEE_OTHER)
    return None

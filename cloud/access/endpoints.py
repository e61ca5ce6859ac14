"""REST of access, and the dependencies by which every endpoint knows who asks.

A session's token comes in the cookie `linli_session` or as `Authorization: Bearer`. A browser sends the cookie by
itself, also for a page of somebody else; so a request that changes something by cookie must show that it comes from
our own pages: `Origin` (or `Sec-Fetch-Site: same-origin`), or any value in the header `X-Linli-Request`, which no
foreign page may send. A Bearer token needs no such proof, because no browser adds it by itself.
"""

from collections.abc import Callable
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.access import service
from cloud.access.domain import Actor
from cloud.platform.clock import Clock
from cloud.platform.database import reading
from cloud.platform.errors import Forbidden, Unauthenticated

COOKIE = "linli_session"
PROOF_HEADER = "x-linli-request"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def get_engine(request: Request) -> AsyncEngine:
    """Give the database of this process."""
    return cast("AsyncEngine", request.app.state.engine)


def get_clock(request: Request) -> Clock:
    """Give the clock of this process."""
    return cast("Clock", request.app.state.clock)


EngineDep = Annotated[AsyncEngine, Depends(get_engine)]
ClockDep = Annotated[Clock, Depends(get_clock)]


def address_of(request: Request) -> str:
    """Give the network address of the one who asks."""
    return request.client.host if request.client else ""


def token_of(request: Request) -> str:
    """Give the session token of a request; Unauthenticated when there is none, Forbidden without same-origin proof."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        raise Unauthenticated("nobody is logged in", code="no_session", remedy="log in")
    if request.method not in _SAFE_METHODS and not comes_from_us(request.headers.get, public_origin(request)):
        raise Forbidden(
            "this request does not come from a page of this service",
            code="foreign_origin",
            remedy=f"send the header `{PROOF_HEADER}: 1`, or use a Bearer token",
        )
    return cookie


def public_origin(request: Request) -> str | None:
    """Give the origin under which browsers know this service, where it is configured."""
    url = request.app.state.config.web.public_url
    if url is None:
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def comes_from_us(header: Callable[[str], str | None], public: str | None) -> bool:
    """Whether headers prove that one of our own pages sent a request (what a browser says about itself comes first)."""
    origin = header("origin")
    if origin is not None:
        host = (header("host") or "").lower()
        return origin.lower() == public or (origin != "null" and urlsplit(origin.lower()).netloc == host)
    site = header("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return header(PROOF_HEADER) is not None


async def get_actor(request: Request, engine: EngineDep, clock: ClockDep) -> Actor:
    """Say who asks, with the roles held at this moment; Unauthenticated when nobody is logged in."""
    token = token_of(request)
    async with reading(engine) as conn:
        return await service.authenticate(conn, token=token, address=address_of(request), now_ms=clock())


ActorDep = Annotated[Actor, Depends(get_actor)]

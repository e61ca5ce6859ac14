"""REST of access, and the dependencies by which every endpoint knows who asks.

A session's token comes in the cookie `linli_session` or as `Authorization: Bearer`. A browser sends the cookie by
itself, also for a page of somebody else; so a request that changes something by cookie must show that it comes from
our own pages: `Origin` (or `Sec-Fetch-Site: same-origin`), or any value in the header `X-Linli-Request`, which no
foreign page may send. A Bearer token needs no such proof, because no browser adds it by itself.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.access import service
from cloud.access.domain import Actor, Permission, Role, ScopeKind
from cloud.platform.clock import Clock
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Forbidden, Unauthenticated
from cloud.platform.http import Body, errors
from cloud.platform.rest import Id, Limit, Page, Plain
from cloud.platform.security import LONGEST_PASSWORD, SHORTEST_PASSWORD, Passwords, new_token

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


async def get_actor(
    request: Request,
    engine: EngineDep,
    clock: ClockDep,
    # Only so that the OpenAPI document names both ways; token_of reads them.
    _bearer: Annotated[object, Security(HTTPBearer(auto_error=False))],
    _cookie: Annotated[object, Security(APIKeyCookie(name=COOKIE, auto_error=False))],
) -> Actor:
    """Say who asks, with the roles held at this moment; Unauthenticated when nobody is logged in."""
    token = token_of(request)
    async with reading(engine) as conn:
        return await service.authenticate(conn, token=token, address=address_of(request), now_ms=clock())


ActorDep = Annotated[Actor, Depends(get_actor)]

router = APIRouter(prefix="/api/v1", tags=["access"])


def get_passwords(request: Request) -> Passwords:
    """Give what hashes and verifies passwords in this process."""
    return cast("Passwords", request.app.state.passwords)


PasswordsDep = Annotated[Passwords, Depends(get_passwords)]


class LoginRequest(Body):
    """Who wants in."""

    login: Plain = Field(min_length=1, max_length=64)
    password: Plain = Field(min_length=1, max_length=1000)


class PasswordRequest(Body):
    """A change of one's own password."""

    current: Plain = Field(min_length=1, max_length=1000)
    new: Plain = Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)


class GrantView(BaseModel):
    """A role and where it was given."""

    role: Role
    scope: ScopeKind
    scope_id: int


class Me(BaseModel):
    """The one who is logged in; `permissions` are those held somewhere at all."""

    account_id: int
    login: str
    name: str
    language: str
    grants: list[GrantView]
    permissions: list[Permission]


class LoginResponse(BaseModel):
    """A new session. The token is also set as a cookie; programs send it as `Authorization: Bearer`."""

    token: str
    expires_ms: int
    me: Me


class AuditEntry(BaseModel):
    """One privileged action; `outcome` is allowed, denied or failed."""

    id: int
    at_ms: int
    account_id: int | None
    actor: str
    action: str
    subject: str
    community_id: int | None
    outcome: str
    detail: dict[str, Any]
    address: str


def describe(actor: Actor) -> Me:
    """Give an actor as the API shows them."""
    return Me(
        account_id=actor.account_id,
        login=actor.login,
        name=actor.name,
        language=actor.language,
        grants=[GrantView(role=one.role, scope=one.scope.kind, scope_id=one.scope.id) for one in actor.grants],
        permissions=[permission for permission in Permission if actor.may_anywhere(permission)],
    )


def set_session_cookie(response: Response, request: Request, token: str, max_age_s: int) -> None:
    """Give a browser its session: unreadable for scripts, not sent from other sites, by TLS only where we have it."""
    public = public_origin(request)
    response.set_cookie(
        COOKIE,
        token,
        max_age=max_age_s,
        httponly=True,
        samesite="lax",
        secure=public is not None and public.startswith("https:"),
        path="/",
    )


@router.post("/login", summary="Log in", responses=errors(401, 403, 422, 429))
async def login(
    *,
    body: LoginRequest,
    request: Request,
    response: Response,
    engine: EngineDep,
    clock: ClockDep,
    passwords: PasswordsDep,
) -> LoginResponse:
    """Open a session. After 5 failures in 15 minutes a login must wait (429 with `Retry-After`)."""
    if request.headers.get("origin") and not comes_from_us(request.headers.get, public_origin(request)):
        raise Forbidden("this login does not come from a page of this service", code="foreign_origin")
    session_ms = request.app.state.config.web.session_ms
    made = await service.log_in(
        engine,
        passwords,
        login=body.login,
        password=body.password,
        address=address_of(request),
        session_ms=session_ms,
        token=new_token(),
        now_ms=clock(),
    )
    set_session_cookie(response, request, made.token, session_ms // 1000)
    return LoginResponse(token=made.token, expires_ms=made.expires_ms, me=describe(made.actor))


@router.post("/logout", summary="Log out", status_code=204, responses=errors(401, 403))
async def logout(request: Request, response: Response, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> None:
    """End this session."""
    async with transaction(engine) as conn:
        await service.log_out(conn, actor=actor, token=token_of(request), now_ms=clock())
    response.delete_cookie(COOKIE, path="/")


@router.get("/me", summary="Who is logged in", responses=errors(401))
async def me(actor: ActorDep) -> Me:
    """Say who asks, with roles and permissions."""
    return describe(actor)


@router.post("/me/password", summary="Change one's own password", status_code=204, responses=errors(401, 403, 422, 429))
async def change_password(
    *,
    body: PasswordRequest,
    request: Request,
    actor: ActorDep,
    engine: EngineDep,
    clock: ClockDep,
    passwords: PasswordsDep,
) -> None:
    """Change the password; every other session of this account ends."""
    await service.change_password(
        engine,
        passwords,
        actor=actor,
        current=body.current,
        new=body.new,
        keep_token=token_of(request),
        now_ms=clock(),
    )


@router.get("/audit", summary="List privileged actions", responses=errors(401, 403))
async def audit(
    *,
    actor: ActorDep,
    engine: EngineDep,
    account_id: Id | None = None,
    action: Annotated[Plain | None, Query(max_length=64)] = None,
    cursor: Id | None = None,
    limit: Limit = 100,
) -> Page[AuditEntry, int]:
    """List what people did where the asker holds the permission `audit`, newest first."""
    async with reading(engine) as conn:
        rows = await service.list_audit(
            conn, actor, account_id=account_id, action=action, before_id=cursor, limit=limit
        )
    items = [AuditEntry(**{**row, "detail": json.loads(row["detail"])}) for row in rows]
    return Page(items=items, next_cursor=items[-1].id if len(items) == limit else None)

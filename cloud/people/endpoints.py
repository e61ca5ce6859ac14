"""REST of people: accounts, skills, shifts."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud.access.domain import Permission, Role, Scope, ScopeKind
from cloud.access.endpoints import ActorDep, ClockDep, EngineDep, GrantView, PasswordsDep
from cloud.people import service
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Forbidden
from cloud.platform.http import Body, errors
from cloud.platform.rest import Id, Page, Plain, TimeMs
from cloud.platform.security import LONGEST_PASSWORD, SHORTEST_PASSWORD
from drivers.profile import Slug
from runtime.messages import Language

router = APIRouter(prefix="/api/v1", tags=["people"])
_DAY_MS = 24 * 3600 * 1000


class PersonView(BaseModel):
    """Somebody with an account."""

    id: int
    login: str
    name: str
    language: str
    phone: str
    active: bool
    grants: list[GrantView]
    skills: list[str]
    on_shift: bool


class GrantRequest(Body):
    """A role to give, and where."""

    role: Role
    scope: ScopeKind
    scope_id: Id


class AccountRequest(Body):
    """A new account."""

    login: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")
    name: Plain = Field(min_length=1, max_length=200)
    password: Plain = Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)
    language: Language = Language.ZH
    phone: Plain = Field(default="", max_length=32)
    grants: tuple[GrantRequest, ...] = Field(min_length=1)
    skills: tuple[Slug, ...] = ()


class ResetRequest(Body):
    """A new password for somebody."""

    password: Plain = Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)


class SkillsRequest(Body):
    """What somebody can do; replaces what was there."""

    skills: tuple[Slug, ...]


class LanguageRequest(Body):
    """The language in which one reads."""

    language: Language


class ShiftRequest(Body):
    """A span of duty."""

    account_id: Id
    community_id: Id
    starts_ms: TimeMs
    ends_ms: TimeMs


class Created(BaseModel):
    """The id of what was made."""

    id: int


class ShiftView(BaseModel):
    """Somebody's span of duty in a community."""

    id: int
    account_id: int
    login: str
    name: str
    community_id: int
    starts_ms: int
    ends_ms: int


@router.get("/people", summary="List people", responses=errors(401))
async def people(
    actor: ActorDep, engine: EngineDep, clock: ClockDep, community: Id | None = None
) -> Page[PersonView, int]:
    """List whom the asker manages, oneself, and who is on the rota of the communities that one sees."""
    async with reading(engine) as conn:
        found = await service.list_people(conn, actor, now_ms=clock(), community_id=community)
    items = [
        PersonView(
            id=one.id,
            login=one.login,
            name=one.name,
            language=one.language,
            phone=one.phone,
            active=one.active,
            grants=[GrantView(role=role, scope=scope.kind, scope_id=scope.id) for role, scope in one.grants],
            skills=list(one.skills),
            on_shift=one.on_shift,
        )
        for one in found
    ]
    return Page(items=items)


@router.post("/people", summary="Create an account", status_code=201, responses=errors(401, 403, 404, 409, 422))
async def create(
    body: AccountRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep, passwords: PasswordsDep
) -> Created:
    """Create an account with roles, each where the asker manages people."""
    if not actor.may_anywhere(Permission.MANAGE_PEOPLE):
        # Before the costly hash; the service decides again, scope by scope, and audits.
        raise Forbidden("this needs the permission `manage_people`", details={"permission": "manage_people"})
    hashed = await passwords.hash(body.password)
    async with transaction(engine) as conn:
        number = await service.create_account(
            conn,
            actor,
            login=body.login,
            name=body.name,
            password_hash=hashed,
            language=body.language.value,
            phone=body.phone,
            grants=[(one.role, Scope(kind=one.scope, id=one.scope_id)) for one in body.grants],
            skills=body.skills,
            now_ms=clock(),
        )
    return Created(id=number)


@router.post(
    "/people/{account_id}/deactivate", summary="Close an account", status_code=204, responses=errors(401, 403, 404, 409)
)
async def deactivate(account_id: Id, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> None:
    """Close an account and end its sessions; what it did stays on record."""
    async with transaction(engine) as conn:
        await service.deactivate_account(conn, actor, account_id=account_id, now_ms=clock())


@router.post(
    "/people/{account_id}/password",
    summary="Reset somebody's password",
    status_code=204,
    responses=errors(401, 403, 404, 422),
)
async def reset_password(
    *, account_id: Id, body: ResetRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep, passwords: PasswordsDep
) -> None:
    """Replace a forgotten password; the account's sessions end."""
    if not actor.may_anywhere(Permission.MANAGE_PEOPLE):
        raise Forbidden("this needs the permission `manage_people`", details={"permission": "manage_people"})
    hashed = await passwords.hash(body.password)
    async with transaction(engine) as conn:
        await service.reset_password(conn, actor, account_id=account_id, password_hash=hashed, now_ms=clock())


@router.put(
    "/people/{account_id}/skills",
    summary="Set somebody's skills",
    status_code=204,
    responses=errors(401, 403, 404, 422),
)
async def skills(account_id: Id, body: SkillsRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> None:
    """Replace what somebody can do; work goes first to who has its skill."""
    async with transaction(engine) as conn:
        await service.set_skills(conn, actor, account_id=account_id, skills=body.skills, now_ms=clock())


@router.put("/me/language", summary="Set one's own language", status_code=204, responses=errors(401, 403, 422))
async def language(body: LanguageRequest, actor: ActorDep, engine: EngineDep) -> None:
    """Change the language of the pages and messages for oneself."""
    async with transaction(engine) as conn:
        await service.set_language(conn, actor, language=body.language)


@router.get("/shifts", summary="List shifts", responses=errors(401))
async def shifts(
    *,
    actor: ActorDep,
    engine: EngineDep,
    clock: ClockDep,
    community: Id | None = None,
    from_ms: Annotated[TimeMs | None, Query(description="default: now")] = None,
    to_ms: Annotated[TimeMs | None, Query(description="default: a day after `from_ms`")] = None,
) -> Page[ShiftView, int]:
    """List who is on duty; without times: now and within a day."""
    start = clock() if from_ms is None else from_ms
    end = start + _DAY_MS if to_ms is None else to_ms
    async with reading(engine) as conn:
        rows = await service.list_shifts(conn, actor, from_ms=start, to_ms=end, community_id=community)
    return Page(items=[ShiftView(**row) for row in rows])


@router.post("/shifts", summary="Create a shift", status_code=201, responses=errors(401, 403, 404, 409, 422))
async def create_shift(body: ShiftRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> Created:
    """Put somebody on duty."""
    async with transaction(engine) as conn:
        number = await service.create_shift(
            conn,
            actor,
            account_id=body.account_id,
            community_id=body.community_id,
            starts_ms=body.starts_ms,
            ends_ms=body.ends_ms,
            now_ms=clock(),
        )
    return Created(id=number)

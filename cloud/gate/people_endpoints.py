"""REST of who may pass: people, their cards and PINs."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.gate import service
from cloud.gate.domain import PersonDraft, read_hours, read_texts
from cloud.gate.endpoints import KeysDep
from cloud.gate.ids import new_key, new_pin
from cloud.gate.service import Listed
from cloud.platform.database import reading, transaction
from cloud.platform.http import Body, errors
from cloud.platform.rest import Id, Limit, Page, Plain, TimeMs
from wire.roll import CredentialKind, Hours, PersonKind

router = APIRouter(prefix="/api/v1", tags=["gates"])


class HoursView(Body):
    """A time of the week by the community's clocks: days 0 (Monday) to 6, minutes since midnight; may end next day."""

    days: tuple[Annotated[int, Field(ge=0, le=6)], ...] = Field(min_length=1, max_length=7)
    from_min: int = Field(ge=0, le=1439)
    to_min: int = Field(ge=0, le=1440)


class PersonRequest(Body):
    """Somebody who may pass. Without areas everywhere, without hours always."""

    kind: PersonKind
    name: Plain = Field(min_length=1, max_length=80)
    unit: Plain = Field(default="", max_length=80, description="where they live or work")
    areas: tuple[Annotated[Plain, Field(min_length=1, max_length=64)], ...] = Field(default=(), max_length=20)
    hours: tuple[HoursView, ...] = Field(default=(), max_length=20)
    valid_from_ms: TimeMs | None = None
    valid_until_ms: TimeMs | None = None
    blocked: bool = False
    block_reason: Plain = Field(default="", max_length=200)
    health_id: Plain | None = Field(
        default=None,
        max_length=64,
        description="never told again; null keeps what is there, an empty text takes it away",
    )
    face: bool = Field(default=False, description="they asked for their face to be a way in")
    minor: bool = Field(default=False, description="a guardian consents for them")


class NewPersonRequest(PersonRequest):
    """Somebody new on a community's list."""

    community_id: Id


class CredentialView(BaseModel):
    """A card or a PIN; of its number at most the end is told."""

    id: int
    kind: CredentialKind
    hint: str
    valid_until_ms: int | None
    created_ms: int


class PersonView(BaseModel):
    """Somebody who may pass."""

    id: str
    number: int = Field(description="where they stand in the list: the cursor")
    community_id: int
    kind: PersonKind
    name: str
    unit: str
    areas: list[str]
    hours: list[HoursView]
    valid_from_ms: int | None
    valid_until_ms: int | None
    blocked: bool
    block_reason: str
    has_health_id: bool
    face: bool
    minor: bool
    credentials: list[CredentialView]
    created_ms: int
    changed_ms: int


class CredentialRequest(Body):
    """A card's number as its reader tells it, or a PIN; without a value a PIN is made."""

    kind: CredentialKind
    value: Plain | None = Field(default=None, max_length=64)
    valid_until_ms: TimeMs | None = None


class PersonCreated(BaseModel):
    """The id of somebody new."""

    id: str


class CredentialCreated(BaseModel):
    """A card or a PIN that was added. `pin` is told this once, when it was made here."""

    id: int
    pin: str | None


def _person(one: Listed) -> PersonView:
    row = one.row
    return PersonView(
        **{
            **row,
            "id": row["key"],
            "number": row["id"],
            "areas": read_texts(row["areas"]),
            "hours": [_hours(hours) for hours in read_hours(row["hours"])],
            "has_health_id": row["health_sealed"] is not None,
            "credentials": [CredentialView(**held) for held in one.credentials],
        }
    )


def _hours(one: Hours) -> HoursView:
    return HoursView(days=one.days, from_min=one.from_min, to_min=one.to_min)


def draft_of(body: PersonRequest) -> PersonDraft:
    """Give what a request says of somebody."""
    return PersonDraft(
        kind=body.kind,
        name=body.name,
        unit=body.unit,
        areas=body.areas,
        hours=tuple(Hours(days=one.days, from_min=one.from_min, to_min=one.to_min) for one in body.hours),
        valid_from_ms=body.valid_from_ms,
        valid_until_ms=body.valid_until_ms,
        blocked=body.blocked,
        block_reason=body.block_reason,
        health_id=body.health_id,
        face=body.face,
        minor=body.minor,
    )


@router.get("/gates/people", summary="List who may pass", responses=errors(401, 403, 422))
async def people(
    *,
    actor: ActorDep,
    engine: EngineDep,
    community: Id | None = None,
    q: Annotated[Plain | None, Query(max_length=80, description="in name, unit or id")] = None,
    blocked: bool | None = None,
    cursor: Id = 0,
    limit: Limit = 100,
) -> Page[PersonView, int]:
    """List the people of the communities whose gates the asker manages."""
    async with reading(engine) as conn:
        found = await service.list_people(
            conn, actor, community_id=community, text=q, blocked=blocked, after_id=cursor, limit=limit
        )
    items = [_person(one) for one in found]
    return Page(items=items, next_cursor=items[-1].number if len(items) == limit else None)


@router.post(
    "/gates/people", summary="Put somebody on the list", status_code=201, responses=errors(401, 403, 404, 409, 422)
)
async def add_person(
    body: NewPersonRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep, keys: KeysDep
) -> PersonCreated:
    """Let somebody pass; gates know it when they have pulled, within seconds as a rule."""
    known = keys.get()
    async with transaction(engine) as conn:
        key = await service.add_person(
            conn,
            actor,
            draft_of(body),
            community_id=body.community_id,
            key=new_key(),
            keys=known,
            now_ms=clock(),
        )
    return PersonCreated(id=key)


@router.get("/gates/people/{key}", summary="Somebody who may pass", responses=errors(401, 403, 404))
async def person(key: Plain, actor: ActorDep, engine: EngineDep) -> PersonView:
    """Give one person of the list."""
    async with reading(engine) as conn:
        return _person(await service.get_person(conn, actor, key))


@router.put(
    "/gates/people/{key}",
    summary="Change somebody on the list",
    status_code=204,
    responses=errors(401, 403, 404, 409, 422),
)
async def change_person(
    *, key: Plain, body: PersonRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep, keys: KeysDep
) -> None:
    """Replace what is kept of somebody; blocking them also revokes the passes of their visitors."""
    known = keys.get()
    async with transaction(engine) as conn:
        await service.change_person(conn, actor, draft_of(body), key=key, keys=known, now_ms=clock())


@router.delete(
    "/gates/people/{key}",
    summary="Take somebody off the list",
    status_code=204,
    responses=errors(401, 403, 404),
)
async def remove_person(key: Plain, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> None:
    """Delete somebody with cards, PINs and visitors' passes; gates erase their face when they pull."""
    async with transaction(engine) as conn:
        await service.remove_person(conn, actor, key=key, now_ms=clock())


@router.post(
    "/gates/people/{key}/credentials",
    summary="Give a card or a PIN",
    status_code=201,
    responses=errors(401, 403, 404, 409, 422),
)
async def add_credential(
    *, key: Plain, body: CredentialRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep, keys: KeysDep
) -> CredentialCreated:
    """Give somebody a card or a PIN. What is sent is never told again; a PIN that is made here is told this once."""
    known = keys.get()
    made = new_pin() if body.value is None and body.kind is CredentialKind.PIN else None
    async with transaction(engine) as conn:
        number = await service.add_credential(
            conn,
            actor,
            key=key,
            kind=body.kind,
            value=made or body.value or "",
            valid_until_ms=body.valid_until_ms,
            keys=known,
            now_ms=clock(),
        )
    return CredentialCreated(id=number, pin=made)


@router.delete(
    "/gates/people/{key}/credentials/{credential_id}",
    summary="Take a card or a PIN away",
    status_code=204,
    responses=errors(401, 403, 404),
)
async def remove_credential(key: Plain, credential_id: Id, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> None:
    """Take a card or a PIN away."""
    async with transaction(engine) as conn:
        await service.remove_credential(conn, actor, key=key, credential_id=credential_id, now_ms=clock())

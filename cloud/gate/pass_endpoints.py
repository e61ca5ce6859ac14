"""REST of visitors' passes: issued, shown as a QR code, revoked."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.gate import issuing
from cloud.gate.domain import PassDraft, read_texts
from cloud.gate.endpoints import KeysDep
from cloud.gate.ids import new_key
from cloud.gate.qr import qr_svg
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Conflict
from cloud.platform.http import Body, errors
from cloud.platform.rest import Id, Limit, Page, Plain, TimeMs

router = APIRouter(prefix="/api/v1", tags=["gates"])

_Name = Annotated[Plain, Field(min_length=1, max_length=129)]


class PassRequest(Body):
    """A visitor's pass. With a limited number of uses its gates are named, and are of one agent."""

    community_id: Id
    host: Plain = Field(min_length=1, max_length=32, description="the id of the person who invites")
    name: Plain = Field(min_length=1, max_length=40)
    valid_from_ms: TimeMs
    valid_until_ms: TimeMs
    gates: tuple[_Name, ...] = Field(default=(), max_length=20, description="as `edge-1/north`; none: all gates")
    areas: tuple[_Name, ...] = Field(default=(), max_length=20, description="none: all areas")
    uses: int | None = Field(default=1, ge=1, le=1000, description="null: as often as they like")


class PassView(BaseModel):
    """A visitor's pass, without the text that opens gates."""

    id: str
    community_id: int
    host: str
    host_name: str | None = Field(description="null: the host is not on the list any more")
    name: str
    valid_from_ms: int
    valid_until_ms: int
    gates: list[str]
    areas: list[str]
    uses: int | None
    issuer: str
    issued_ms: int
    revoked_ms: int | None


class HostView(BaseModel):
    """Somebody who may invite."""

    id: str
    name: str
    unit: str


class PassIssued(BaseModel):
    """A new pass; `text` is what its QR code says. Whoever has it can use it."""

    id: str
    text: str


class PassDetail(PassView):
    """A pass with its text; null when it was revoked or has ended."""

    text: str | None


def _pass(row: RowMapping) -> dict[str, Any]:
    return {**row, "gates": read_texts(row["gates"]), "areas": read_texts(row["areas"])}


@router.get("/gates/passes", summary="List visitors' passes", responses=errors(401, 403, 422))
async def passes(
    *,
    actor: ActorDep,
    engine: EngineDep,
    clock: ClockDep,
    community: Id | None = None,
    usable: Annotated[bool, Query(description="only those that have not ended and were not revoked")] = False,
    cursor: Annotated[Plain | None, Query(max_length=32)] = None,
    limit: Limit = 100,
) -> Page[PassView, str]:
    """List the passes of the communities where the asker issues them, the newest first."""
    async with reading(engine) as conn:
        rows = await issuing.list_passes(
            conn,
            actor,
            community_id=community,
            valid_at_ms=clock() if usable else None,
            after_id=cursor,
            limit=limit,
        )
    items = [PassView(**_pass(row)) for row in rows]
    return Page(items=items, next_cursor=items[-1].id if len(items) == limit else None)


@router.get("/gates/hosts", summary="Find who may invite", responses=errors(401, 403, 422))
async def hosts(
    *,
    actor: ActorDep,
    engine: EngineDep,
    community: Id,
    q: Annotated[Plain, Query(min_length=1, max_length=80, description="in name, unit or id")],
) -> Page[HostView, int]:
    """Find the host of a pass: the first 20 who fit and are not blocked, where the asker issues passes."""
    async with reading(engine) as conn:
        rows = await issuing.find_hosts(conn, actor, community_id=community, text=q)
    return Page(items=[HostView(id=row["key"], name=row["name"], unit=row["unit"]) for row in rows])


@router.post(
    "/gates/passes",
    summary="Issue a visitor's pass",
    status_code=201,
    responses=errors(401, 403, 404, 409, 422, 429),
)
async def issue(body: PassRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep, keys: KeysDep) -> PassIssued:
    """Sign a pass that gates verify with no network."""
    known = keys.get()
    draft = PassDraft(
        host=body.host,
        name=body.name,
        valid_from_ms=body.valid_from_ms,
        valid_until_ms=body.valid_until_ms,
        gates=body.gates,
        areas=body.areas,
        uses=body.uses,
    )
    pass_id = new_key()
    async with transaction(engine) as conn:
        text = await issuing.issue(
            conn, actor, draft, community_id=body.community_id, pass_id=pass_id, keys=known, now_ms=clock()
        )
    return PassIssued(id=pass_id, text=text)


@router.get("/gates/passes/{pass_id}", summary="A visitor's pass", responses=errors(401, 403, 404, 409))
async def one(pass_id: Plain, actor: ActorDep, engine: EngineDep, clock: ClockDep, keys: KeysDep) -> PassDetail:
    """Give a pass with the text of its QR code."""
    known = keys.get()
    async with reading(engine) as conn:
        found = await issuing.get_pass(conn, actor, pass_id, keys=known, now_ms=clock())
    return PassDetail(**_pass(found.row), text=found.text)


_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "the code", "content": {"image/svg+xml": {"schema": {"type": "string"}}}}
}


@router.get(
    "/gates/passes/{pass_id}/qr",
    summary="A visitor's pass as a QR code",
    response_class=Response,
    responses={**_PICTURE, **errors(401, 403, 404, 409)},
)
async def picture(pass_id: Plain, actor: ActorDep, engine: EngineDep, clock: ClockDep, keys: KeysDep) -> Response:
    """Draw the QR code of a pass as SVG; 409 when it was revoked or has ended."""
    known = keys.get()
    async with reading(engine) as conn:
        found = await issuing.get_pass(conn, actor, pass_id, keys=known, now_ms=clock())
    if found.text is None:
        raise Conflict("this pass was revoked or has ended", code="pass_ended")
    drawn = await asyncio.to_thread(qr_svg, found.text)
    return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": "no-store"})


@router.post(
    "/gates/passes/{pass_id}/revoke",
    summary="Revoke a visitor's pass",
    status_code=204,
    responses=errors(401, 403, 404),
)
async def revoke(pass_id: Plain, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> None:
    """Revoke a pass; gates know it when they have pulled, within seconds as a rule."""
    async with transaction(engine) as conn:
        await issuing.revoke(conn, actor, pass_id=pass_id, now_ms=clock())

"""REST of quarantine and journals."""

import base64

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.ingest import quarantine, repository
from cloud.platform.database import reading, transaction
from cloud.platform.http import errors
from cloud.platform.rest import Id, Limit, Page

router = APIRouter(prefix="/api/v1", tags=["ingest"])


class QuarantineView(BaseModel):
    """Something that could not be read; `node` is null when it came from no agent that is known."""

    id: int
    received_ms: int
    topic: str
    metric: str | None
    reason: str
    payload: str = Field(description="the bytes, in base64")
    node: str | None
    community: str | None
    replay_ms: int | None = Field(description="since when ingest is asked to take it once more; null when it is not")
    answer: str | None = Field(description="why it could not be taken when it was replayed last")


class GapView(BaseModel):
    """Offsets of a journal that will never come, and why."""

    first_offset: int
    last_offset: int
    reason: str
    found_ms: int


class JournalView(BaseModel):
    """A journal of an agent; `watermark` is the last offset that is committed."""

    node_id: int
    node: str
    community: str
    online: bool
    journal_id: str
    watermark: int
    updated_ms: int
    gaps: list[GapView]


@router.get("/quarantine", summary="List what could not be read", responses=errors(401, 422))
async def list_quarantine(
    actor: ActorDep, engine: EngineDep, limit: Limit = 100, cursor: Id | None = None
) -> Page[QuarantineView, int]:
    """List what could not be read, newest first: topic, reason, metric, and the bytes in base64."""
    async with reading(engine) as conn:
        rows = await repository.list_quarantine(conn, actor.visible(), before_id=cursor, limit=limit)
    items = [_view(row) for row in rows]
    return Page(items=items, next_cursor=items[-1].id if len(items) == limit else None)


@router.get("/quarantine/{quarantine_id}", summary="Something that could not be read", responses=errors(401, 404))
async def get_quarantine(actor: ActorDep, engine: EngineDep, quarantine_id: Id) -> QuarantineView:
    """Give one thing that could not be read, with its bytes in base64."""
    async with reading(engine) as conn:
        return _view(await quarantine.get(conn, actor, quarantine_id))


@router.post(
    "/quarantine/{quarantine_id}/replay",
    status_code=202,
    summary="Take it once more",
    responses=errors(401, 403, 404, 409, 422),
)
async def replay_quarantine(actor: ActorDep, engine: EngineDep, clock: ClockDep, quarantine_id: Id) -> QuarantineView:
    """Ask ingest to take it once more, by the births that hold now.

    When that works it is gone from here within seconds; else `answer` says why it did not.
    """
    async with transaction(engine) as conn:
        return _view(await quarantine.replay(conn, actor, quarantine_id, now_ms=clock()))


@router.delete("/quarantine/{quarantine_id}", status_code=204, summary="Drop it", responses=errors(401, 403, 404, 422))
async def drop_quarantine(actor: ActorDep, engine: EngineDep, clock: ClockDep, quarantine_id: Id) -> None:
    """Delete it for good. The audit keeps who did that, its topic, and why it could not be read."""
    async with transaction(engine) as conn:
        await quarantine.drop(conn, actor, quarantine_id, now_ms=clock())


def _view(row: RowMapping) -> QuarantineView:
    shown = {name: row[name] for name in QuarantineView.model_fields}
    return QuarantineView(**{**shown, "payload": base64.b64encode(row["payload"]).decode()})


@router.get("/journals", summary="List journals and their gaps", responses=errors(401))
async def list_journals(actor: ActorDep, engine: EngineDep) -> Page[JournalView, int]:
    """List the journals of all agents: how far each is committed, and the gaps that will never be filled."""
    async with reading(engine) as conn:
        found = await repository.list_journals(conn, actor.visible())
    return Page(items=[JournalView.model_validate(one) for one in found])

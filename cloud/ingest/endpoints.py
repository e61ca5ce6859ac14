"""REST of quarantine and journals."""

import base64

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cloud.access.endpoints import ActorDep, EngineDep
from cloud.ingest import repository
from cloud.platform.database import reading
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
    items = [QuarantineView(**{**row, "payload": base64.b64encode(row["payload"]).decode()}) for row in rows]
    return Page(items=items, next_cursor=items[-1].id if len(items) == limit else None)


@router.get("/journals", summary="List journals and their gaps", responses=errors(401))
async def list_journals(actor: ActorDep, engine: EngineDep) -> Page[JournalView, int]:
    """List the journals of all agents: how far each is committed, and the gaps that will never be filled."""
    async with reading(engine) as conn:
        found = await repository.list_journals(conn, actor.visible())
    return Page(items=[JournalView.model_validate(one) for one in found])

"""REST of quarantine and journals."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Query

from cloud.access.endpoints import ActorDep, EngineDep
from cloud.ingest import repository
from cloud.platform.database import reading
from cloud.platform.http import errors

router = APIRouter(prefix="/api/v1", tags=["ingest"])


@router.get("/quarantine", responses=errors(401, 422))
async def list_quarantine(
    actor: ActorDep,
    engine: EngineDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[int | None, Query(description="`next` of the page before")] = None,
) -> dict[str, Any]:
    """List what could not be read, newest first: topic, reason, metric, and the bytes in base64."""
    async with reading(engine) as conn:
        rows = await repository.list_quarantine(conn, actor.visible(), before_id=cursor, limit=limit)
    items = [{**row, "payload": base64.b64encode(row["payload"]).decode()} for row in rows]
    return {"items": items, "next": rows[-1]["id"] if len(rows) == limit else None}


@router.get("/journals", responses=errors(401))
async def list_journals(actor: ActorDep, engine: EngineDep) -> dict[str, Any]:
    """List the journals of all agents: how far each is committed, and the gaps that will never be filled."""
    async with reading(engine) as conn:
        return {"items": await repository.list_journals(conn, actor.visible())}

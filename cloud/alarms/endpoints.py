"""REST of alarms and of the overview."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.alarms import service
from cloud.platform.database import reading, transaction
from cloud.platform.http import errors
from drivers.profile import Priority

router = APIRouter(prefix="/api/v1", tags=["alarms"])

StateFilter = Literal["open", "active", "unacknowledged", "closed", "all"]


@router.get("/overview", responses=errors(401))
async def overview(actor: ActorDep, engine: EngineDep, clock: ClockDep) -> dict[str, Any]:
    """Count alarms by priority, orders by state, and devices; and say whether the alarm engine is alive."""
    async with reading(engine) as conn:
        return await service.overview(conn, actor, now_ms=clock())


@router.get("/alarms", responses=errors(401, 422))
async def list_alarms(
    *,
    actor: ActorDep,
    engine: EngineDep,
    state: StateFilter = "open",
    community: str | None = None,
    priority: Annotated[Priority | None, Query(strict=False)] = None,
    device_id: int | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[int | None, Query(description="`next` of the page before")] = None,
) -> dict[str, Any]:
    """List alarms, newest first, each with cause, consequence, response and the time allowed, in both languages."""
    async with reading(engine) as conn:
        items = await service.list_alarms(
            conn,
            actor,
            state=state,
            community=community,
            priority=priority,
            device_id=device_id,
            before_id=cursor,
            limit=limit,
        )
    return {"items": items, "next": items[-1]["id"] if len(items) == limit else None}


@router.get("/alarms/{alarm_id}", responses=errors(401, 404))
async def get_alarm(actor: ActorDep, engine: EngineDep, alarm_id: int) -> dict[str, Any]:
    """Give one alarm with its history and its work order."""
    async with reading(engine) as conn:
        return await service.get_alarm(conn, actor, alarm_id)


@router.post("/alarms/{alarm_id}/acknowledge", responses=errors(401, 403, 404, 409))
async def acknowledge(actor: ActorDep, engine: EngineDep, clock: ClockDep, alarm_id: int) -> dict[str, Any]:
    """Say that you have seen an alarm and take care of it."""
    async with transaction(engine) as conn:
        await service.acknowledge(conn, actor, alarm_id, now_ms=clock())
        return await service.get_alarm(conn, actor, alarm_id)


@router.post("/alarms/{alarm_id}/reset", responses=errors(401, 403, 404, 409))
async def reset(actor: ActorDep, engine: EngineDep, clock: ClockDep, alarm_id: int) -> dict[str, Any]:
    """Let a latched alarm go back to normal after its cause is gone."""
    async with transaction(engine) as conn:
        await service.reset(conn, actor, alarm_id, now_ms=clock())
        return await service.get_alarm(conn, actor, alarm_id)

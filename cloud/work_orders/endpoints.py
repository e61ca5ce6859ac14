"""REST of work orders."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.platform.database import reading, transaction
from cloud.platform.http import errors
from cloud.work_orders import service
from cloud.work_orders.domain import Action, State

router = APIRouter(prefix="/api/v1/work-orders", tags=["work orders"])


class ActionBody(BaseModel):
    """What somebody does with an order."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["assign", "accept", "start", "hold", "resume", "complete", "close", "cancel"]
    note: str = Field(default="", max_length=2000, description="`hold` needs a reason")
    assignee_id: int | None = Field(default=None, description="whom to `assign`; left out: somebody on shift")


@router.get("", responses=errors(401, 422))
async def list_orders(
    *,
    actor: ActorDep,
    engine: EngineDep,
    state: Annotated[State | Literal["open", "all"], Query(description="`open`: all that is not ended")] = "open",
    community: str | None = None,
    mine: Annotated[bool, Query(description="only orders assigned to you")] = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[int | None, Query(description="`next` of the page before")] = None,
) -> dict[str, Any]:
    """List work orders, newest first."""
    async with reading(engine) as conn:
        items = await service.list_orders(
            conn, actor, state=state, community=community, mine=mine, before_id=cursor, limit=limit
        )
    return {"items": items, "next": items[-1]["id"] if len(items) == limit else None}


@router.get("/{order_id}", responses=errors(401, 404))
async def get_order(actor: ActorDep, engine: EngineDep, order_id: int) -> dict[str, Any]:
    """Give one order with its history and what may be done with it."""
    async with reading(engine) as conn:
        return await service.get_order(conn, actor, order_id)


@router.post("/{order_id}/actions", responses=errors(401, 403, 404, 409, 422))
async def act(actor: ActorDep, engine: EngineDep, clock: ClockDep, order_id: int, body: ActionBody) -> dict[str, Any]:
    """Move an order; a move that its state does not have is a 409 that says what is allowed."""
    async with transaction(engine) as conn:
        await service.act(
            conn,
            actor,
            order_id,
            Action(body.action),
            note=body.note,
            now_ms=clock(),
            assignee_id=body.assignee_id,
        )
        return await service.get_order(conn, actor, order_id)

"""REST of work orders."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.platform.database import reading, transaction
from cloud.platform.http import Body, errors
from cloud.platform.rest import Id, LabelView, Limit, Page, Plain
from cloud.work_orders import service
from cloud.work_orders.domain import Action, Closes, State
from drivers.profile import Priority

router = APIRouter(prefix="/api/v1/work-orders", tags=["work orders"])


class ActionBody(Body):
    """What somebody does with an order."""

    action: Literal["assign", "accept", "start", "hold", "resume", "complete", "close", "cancel"]
    note: Plain = Field(default="", max_length=2000, description="`hold` needs a reason")
    assignee_id: Id | None = Field(default=None, description="whom to `assign`; left out: somebody on shift")


class OrderView(BaseModel):
    """A work order. `closes` says who may end it once the sensor is back to normal.

    `arrive_by_ms` and `restore_by_ms` are its deadlines, `restored_ms` is when the sensor came back, by its own time.
    """

    id: int
    number: str
    state: State
    allowed: list[Action] = Field(description="what the asker may do with it now")
    closes: Closes
    title: LabelView
    category: list[LabelView] = Field(description="from the general to the special")
    checklist: list[LabelView]
    skill: str
    priority: Priority
    source: str
    historical: bool = Field(description="of a fault that lay in the past when it was learned of")
    alarm_id: int | None
    asset_id: int | None
    asset: LabelView | None
    device_id: int | None
    community_id: int
    community: str
    community_name: LabelView
    building_id: int | None
    building: str | None
    place_id: int | None
    place: str | None
    assignee_id: int | None
    assignee: str | None
    opened_ms: int
    assigned_ms: int | None
    accepted_ms: int | None
    arrive_by_ms: int | None
    restore_by_ms: int | None
    restored_ms: int | None
    closed_ms: int | None


class OrderEventView(BaseModel):
    """A move of an order; `account` is who made it, null for the sensor and the service. `from_state` "": opened."""

    at_ms: int
    from_state: str
    to_state: State
    action: str
    account_id: int | None
    account: str | None
    note: str


class OrderDetail(OrderView):
    """A work order with its history."""

    history: list[OrderEventView]


@router.get("", summary="List work orders", responses=errors(401, 422))
async def list_orders(
    *,
    actor: ActorDep,
    engine: EngineDep,
    state: Annotated[State | Literal["open", "all"], Query(description="`open`: all that is not ended")] = "open",
    community: Annotated[Plain | None, Query(max_length=64, description="its code")] = None,
    mine: Annotated[bool, Query(description="only orders assigned to you")] = False,
    limit: Limit = 100,
    cursor: Id | None = None,
) -> Page[OrderView, int]:
    """List work orders, newest first."""
    async with reading(engine) as conn:
        found = await service.list_orders(
            conn, actor, state=state, community=community, mine=mine, before_id=cursor, limit=limit
        )
    items = [OrderView.model_validate(one) for one in found]
    return Page(items=items, next_cursor=items[-1].id if len(items) == limit else None)


@router.get("/{order_id}", summary="A work order with its history", responses=errors(401, 404))
async def get_order(actor: ActorDep, engine: EngineDep, order_id: Id) -> OrderDetail:
    """Give one order with its history and what may be done with it."""
    async with reading(engine) as conn:
        return OrderDetail.model_validate(await service.get_order(conn, actor, order_id))


@router.post("/{order_id}/actions", summary="Move a work order", responses=errors(401, 403, 404, 409, 422))
async def act(actor: ActorDep, engine: EngineDep, clock: ClockDep, order_id: Id, body: ActionBody) -> OrderDetail:
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
        return OrderDetail.model_validate(await service.get_order(conn, actor, order_id))

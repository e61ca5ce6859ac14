"""REST of alarms and of the overview."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.alarms import service
from cloud.alarms.domain import Action, State
from cloud.platform.database import reading, transaction
from cloud.platform.http import errors
from cloud.platform.rest import Id, LabelView, Limit, Page, Plain
from cloud.work_orders.domain import State as OrderState
from drivers.profile import Priority

router = APIRouter(prefix="/api/v1", tags=["alarms"])

StateFilter = Literal["open", "active", "unacknowledged", "closed", "all"]


class FiguresView(BaseModel):
    """How many alarms of one priority are not closed, and how many of these are active or unacknowledged."""

    open: int
    active: int
    unacknowledged: int


class DeviceFigures(BaseModel):
    """How many devices answer, how many do not, and of how many nobody knows, as the service has no broker."""

    online: int
    offline: int
    unknown: int


class EngineView(BaseModel):
    """Whether the delays of alarms run out at all: `heartbeat_age_ms` is since a worker last said so."""

    alive: bool
    heartbeat_age_ms: int | None


class OverviewView(BaseModel):
    """The figures of the first page, over what the asker sees. `work_orders` counts those that are not ended."""

    alarms: dict[Priority, FiguresView]
    unacknowledged: int
    work_orders: dict[OrderState, int]
    devices: DeviceFigures
    engine: EngineView
    now_ms: int


class AlarmView(BaseModel):
    """An alarm with the texts of the profile version that raised it; null where that version has none.

    `state` is that of ISA-18.2: A normal, B unacknowledged, C acknowledged, D returned and unacknowledged, E latched
    and unacknowledged, F latched. `value` is what raised it, in `unit`, where that is a number.
    """

    id: int
    state: State
    allowed: list[Action] = Field(description="what a person may do now, roles apart")
    rule: str
    priority: Priority
    label: LabelView
    cause: LabelView | None
    consequence: LabelView | None
    response: LabelView | None
    respond_within_ms: int | None
    device_id: int
    device: str
    device_label: LabelView
    asset_id: int
    asset: LabelView
    community_id: int
    community: str
    community_name: LabelView
    building: str | None
    place: str | None
    active: bool
    acknowledged: bool
    latched: bool
    closed: bool
    historical: bool = Field(description="its fault lay in the past when it was learned of")
    occurrences: int
    value: float | None
    unit: str
    points: list[str]
    raised_ms: int
    last_active_ms: int
    cleared_ms: int | None
    acknowledged_ms: int | None
    acknowledged_by: int | None
    acknowledged_by_name: str | None
    recorded_ms: int


class AlarmEventView(BaseModel):
    """Something that happened to an alarm; `account` is who did it, null for the engine."""

    at_ms: int
    kind: str
    account_id: int | None
    account: str | None
    detail: str


class OrderOfAlarm(BaseModel):
    """The work order of an alarm."""

    id: int
    number: str
    state: OrderState


class AlarmDetail(AlarmView):
    """An alarm with its history and its work order."""

    history: list[AlarmEventView]
    work_order: OrderOfAlarm | None


@router.get("/overview", summary="The figures of the first page", responses=errors(401))
async def overview(actor: ActorDep, engine: EngineDep, clock: ClockDep) -> OverviewView:
    """Count alarms by priority, orders by state, and devices; and say whether the alarm engine is alive."""
    async with reading(engine) as conn:
        return OverviewView.model_validate(await service.overview(conn, actor, now_ms=clock()))


@router.get("/alarms", summary="List alarms", responses=errors(401, 422))
async def list_alarms(
    *,
    actor: ActorDep,
    engine: EngineDep,
    state: StateFilter = "open",
    community: Annotated[Plain | None, Query(max_length=64, description="its code")] = None,
    priority: Annotated[Priority | None, Query(strict=False)] = None,
    device_id: Id | None = None,
    limit: Limit = 100,
    cursor: Id | None = None,
) -> Page[AlarmView, int]:
    """List alarms, newest first, each with cause, consequence, response and the time allowed, in both languages."""
    async with reading(engine) as conn:
        found = await service.list_alarms(
            conn,
            actor,
            state=state,
            community=community,
            priority=priority,
            device_id=device_id,
            before_id=cursor,
            limit=limit,
        )
    items = [AlarmView.model_validate(one) for one in found]
    return Page(items=items, next_cursor=items[-1].id if len(items) == limit else None)


@router.get("/alarms/{alarm_id}", summary="An alarm with its history", responses=errors(401, 404))
async def get_alarm(actor: ActorDep, engine: EngineDep, alarm_id: Id) -> AlarmDetail:
    """Give one alarm with its history and its work order."""
    async with reading(engine) as conn:
        return AlarmDetail.model_validate(await service.get_alarm(conn, actor, alarm_id))


@router.post(
    "/alarms/{alarm_id}/acknowledge", summary="Acknowledge an alarm", responses=errors(401, 403, 404, 409, 422)
)
async def acknowledge(actor: ActorDep, engine: EngineDep, clock: ClockDep, alarm_id: Id) -> AlarmDetail:
    """Say that you have seen an alarm and take care of it."""
    async with transaction(engine) as conn:
        await service.acknowledge(conn, actor, alarm_id, now_ms=clock())
        return AlarmDetail.model_validate(await service.get_alarm(conn, actor, alarm_id))


@router.post("/alarms/{alarm_id}/reset", summary="Reset a latched alarm", responses=errors(401, 403, 404, 409, 422))
async def reset(actor: ActorDep, engine: EngineDep, clock: ClockDep, alarm_id: Id) -> AlarmDetail:
    """Let a latched alarm go back to normal after its cause is gone."""
    async with transaction(engine) as conn:
        await service.reset(conn, actor, alarm_id, now_ms=clock())
        return AlarmDetail.model_validate(await service.get_alarm(conn, actor, alarm_id))

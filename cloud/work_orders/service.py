"""What work orders do: open once for an alarm, find somebody, follow the sensor, and obey people."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Actor, Permission, Where
from cloud.access.service import authorise
from cloud.notify import service as notify
from cloud.notify.domain import Kind
from cloud.people.service import find_assignee
from cloud.platform.errors import Conflict, Invalid, NotFound
from cloud.work_orders import repository
from cloud.work_orders.domain import ENDED, OPEN, Action, Closes, IllegalMove, State, allowed, move, number
from cloud.work_orders.repository import OrderRow
from drivers.profile import Priority, WorkOrder

_MS = timedelta(milliseconds=1)
_BATCH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmRef:
    """What an order must know of its alarm. `notice` is what a notice about it says (see `cloud.notify.rendering`)."""

    id: int
    where: Where
    asset_id: int
    device_id: int
    priority: Priority
    historical: bool
    notice: Mapping[str, Any]


async def open_for_alarm(
    conn: AsyncConnection, alarm: AlarmRef, *, name: str, template: WorkOrder, now_ms: int
) -> OrderRow:
    """Open the order of an alarm from its template and send somebody; an alarm that has one keeps it."""
    existing = await repository.of_alarm(conn, alarm.id)
    if existing is not None:
        return existing
    where = alarm.where
    zone = await repository.time_zone(conn, where.community_id)
    day = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone)).strftime("%Y%m%d")
    order_id = await repository.add(
        conn,
        number=number(day, await repository.next_count(conn, day)),
        community_id=where.community_id,
        building_id=where.building_id,
        place_id=where.place_id,
        asset_id=alarm.asset_id,
        device_id=alarm.device_id,
        alarm_id=alarm.id,
        source="sensor",
        template=name,
        title_zh=template.title.zh,
        title_en=template.title.en,
        category=json.dumps([label.model_dump() for label in template.category], ensure_ascii=False),
        checklist=json.dumps([label.model_dump() for label in template.checklist], ensure_ascii=False),
        skill=template.skill,
        priority=alarm.priority.value,
        state=State.NEW.value,
        closes=template.closes,
        assignee_id=None,
        historical=alarm.historical,
        notice=json.dumps(alarm.notice, ensure_ascii=False),
        opened_ms=now_ms,
        arrive_by_ms=now_ms + round(template.arrive_within / _MS),
        restore_by_ms=now_ms + round(template.restore_within / _MS),
    )
    await repository.add_event(
        conn,
        order_id=order_id,
        at_ms=now_ms,
        from_state="",
        to_state=State.NEW.value,
        action="open",
        account_id=None,
        note="",
    )
    order = await _get(conn, order_id)
    # What lies in the past sends nobody out before it is known whether it still goes on; a matter of life does.
    if not alarm.historical or alarm.priority is Priority.URGENT:
        order = await _dispatch(conn, order, now_ms=now_ms)
    return order


async def sensor_restored(conn: AsyncConnection, alarm_id: int, *, at_ms: int, now_ms: int) -> None:
    """Verify the order of an alarm that has cleared, at the sensor's own time; nothing when there is none to verify."""
    order = await repository.of_alarm(conn, alarm_id)
    if order is not None and order.state not in ENDED and order.state is not State.VERIFIED:
        await _move(conn, order, Action.SENSOR_RESTORED, None, now_ms=now_ms, values={"restored_ms": at_ms})


async def sensor_failed_again(conn: AsyncConnection, alarm_id: int, *, historical: bool, now_ms: int) -> None:
    """Open the order of an alarm again that came back before it was closed; nothing when it is open."""
    order = await repository.of_alarm(conn, alarm_id)
    if order is None or order.state not in {State.VERIFIED, State.CLOSED, State.CANCELLED}:
        return
    values = {"restored_ms": None, "closed_ms": None, "accepted_ms": None, "historical": historical}
    order = await _move(conn, order, Action.SENSOR_FAILED_AGAIN, None, now_ms=now_ms, values=values)
    if order.assignee_id is None:
        if not historical:
            await _dispatch(conn, order, now_ms=now_ms)
    else:
        await _tell(conn, order, Kind.ORDER_REOPENED, order.assignee_id, now_ms=now_ms)


async def still_going_on(conn: AsyncConnection, alarm_id: int) -> None:
    """Take the mark of the past from an order whose alarm proved to be current; the worker then sends somebody."""
    order = await repository.of_alarm(conn, alarm_id)
    if order is not None and order.historical:
        await repository.change(conn, order.id, historical=False)


async def act(
    conn: AsyncConnection,
    actor: Actor,
    order_id: int,
    action: Action,
    *,
    note: str,
    now_ms: int,
    assignee_id: int | None = None,
) -> OrderRow:
    """Let a person move an order; NotFound, Forbidden, Conflict (illegal from here), Invalid.

    Who dispatches may assign, cancel and close; who works may do the rest, on orders that are their own.
    """
    order = await repository.get(conn, order_id)
    if order is None or not actor.may(Permission.VIEW, order.where):
        raise NotFound(f"there is no work order {order_id}")
    permission = _permission(actor, order, action)
    await authorise(
        conn,
        actor,
        permission,
        order.where,
        action=f"work_order.{action.replace(' ', '_')}",
        subject=f"work_order:{order_id}",
        now_ms=now_ms,
        detail={"number": order.number, "from": order.state.value, "note": note},
    )
    if permission is Permission.WORK and order.assignee_id != actor.account_id:
        raise Conflict("this order is not yours", code="not_assignee", remedy="ask for it to be assigned to you")
    if action is Action.HOLD and not note.strip():
        raise Invalid("putting an order on hold needs a reason", remedy="say why in `note`")
    values: dict[str, object] = {}
    if action is Action.ASSIGN:
        chosen = assignee_id
        if chosen is None:
            chosen = await find_assignee(conn, where=order.where, skill=order.skill, now_ms=now_ms)
        if chosen is None:
            raise Conflict("nobody on shift can take this order", code="nobody", remedy="name an `assignee_id`")
        if not await repository.may_be_assigned(conn, chosen):
            raise Invalid(f"there is no active account {chosen}")
        values = {"assignee_id": chosen, "assigned_ms": now_ms, "accepted_ms": None}
    moved = await _move(conn, order, action, actor, now_ms=now_ms, note=note, values=values)
    if action is Action.ASSIGN:
        await _tell(conn, moved, Kind.ORDER_ASSIGNED, moved.assignee_id, now_ms=now_ms)
    return moved


async def any_waiting(conn: AsyncConnection) -> bool:
    """Whether there is an order that nobody has."""
    return await repository.any_waiting(conn)


async def assign_waiting(conn: AsyncConnection, *, now_ms: int) -> int:
    """Try again to find somebody for orders that nobody has; how many were sent out."""
    sent = 0
    for order in await repository.waiting(conn, _BATCH):
        chosen = await find_assignee(conn, where=order.where, skill=order.skill, now_ms=now_ms)
        if chosen is not None:
            await _assign(conn, order, chosen, now_ms=now_ms)
            sent += 1
    return sent


async def close_quiet(conn: AsyncConnection, *, quiet_ms: int, now_ms: int) -> int:
    """Close the orders that trust their sensor and whose sensor has been quiet for long enough; how many."""
    found = await repository.verified_since(conn, now_ms - quiet_ms, _BATCH)
    for order in found:
        await _move(conn, order, Action.CLOSE, None, now_ms=now_ms, note="the sensor stayed normal")
    return len(found)


async def list_orders(
    conn: AsyncConnection,
    actor: Actor,
    *,
    state: str = "open",
    community: str | None = None,
    mine: bool = False,
    before_id: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """List the orders that somebody sees, newest first; `state` is a state, `open` or `all`."""
    states = {"open": OPEN, "all": None}[state] if state in {"open", "all"} else (State(state),)
    found = await repository.listing(
        conn,
        actor.visible(),
        states=states,
        community_code=community,
        assignee_id=actor.account_id if mine else None,
        before_id=before_id,
        limit=limit,
    )
    return [_with_allowed(actor, order) for order in found]


async def get_order(conn: AsyncConnection, actor: Actor, order_id: int) -> dict[str, Any]:
    """Give one order with its history; NotFound."""
    order = await repository.detail(conn, actor.visible(), order_id)
    if order is None:
        raise NotFound(f"there is no work order {order_id}")
    return _with_allowed(actor, order)


def _with_allowed(actor: Actor, order: dict[str, Any]) -> dict[str, Any]:
    """Add what this actor may do with the order now."""
    where = Where(community_id=order["community_id"], building_id=order["building_id"], place_id=order["place_id"])
    dispatches = actor.may(Permission.DISPATCH, where)
    works = actor.may(Permission.WORK, where) and order["assignee_id"] == actor.account_id
    choices = [
        action.value
        for action in allowed(State(order["state"]), Closes(order["closes"]))
        if (dispatches if action in {Action.ASSIGN, Action.CANCEL} else works)
        or (action is Action.CLOSE and dispatches)
    ]
    return {**order, "allowed": choices}


def _permission(actor: Actor, order: OrderRow, action: Action) -> Permission:
    if action in {Action.ASSIGN, Action.CANCEL}:
        return Permission.DISPATCH
    if action is Action.CLOSE and actor.may(Permission.DISPATCH, order.where):
        return Permission.DISPATCH
    return Permission.WORK


async def _dispatch(conn: AsyncConnection, order: OrderRow, *, now_ms: int) -> OrderRow:
    chosen = await find_assignee(conn, where=order.where, skill=order.skill, now_ms=now_ms)
    if chosen is not None:
        return await _assign(conn, order, chosen, now_ms=now_ms)
    await _tell(conn, order, Kind.ORDER_UNASSIGNED, None, now_ms=now_ms)
    return order


async def _assign(conn: AsyncConnection, order: OrderRow, account_id: int, *, now_ms: int) -> OrderRow:
    values = {"assignee_id": account_id, "assigned_ms": now_ms}
    moved = await _move(conn, order, Action.ASSIGN, None, now_ms=now_ms, values=values)
    await _tell(conn, moved, Kind.ORDER_ASSIGNED, account_id, now_ms=now_ms)
    return moved


async def _tell(conn: AsyncConnection, order: OrderRow, kind: Kind, account_id: int | None, *, now_ms: int) -> None:
    await notify.enqueue(
        conn,
        key=f"{order.number}:{kind.value}:{account_id or 'all'}:{now_ms}",
        kind=kind,
        account_id=account_id,
        community_id=order.where.community_id,
        body={**order.notice, "number": order.number, "title": order.title},
        now_ms=now_ms,
    )


_STAMPS: Mapping[Action, str] = {Action.ACCEPT: "accepted_ms", Action.CLOSE: "closed_ms", Action.CANCEL: "closed_ms"}


async def _move(
    conn: AsyncConnection,
    order: OrderRow,
    action: Action,
    actor: Actor | None,
    *,
    now_ms: int,
    note: str = "",
    values: Mapping[str, object] | None = None,
) -> OrderRow:
    try:
        target = move(order.state, action, closes=Closes(order.closes), assigned=order.assignee_id is not None)
    except IllegalMove as error:
        details = {"from": error.state.value, "action": action.value, "allowed": [one.value for one in error.allowed]}
        raise Conflict(str(error), code="illegal_move", details=details) from error
    stamp = {_STAMPS[action]: now_ms} if action in _STAMPS else {}
    await repository.change(conn, order.id, state=target.value, **stamp, **(values or {}))
    await repository.add_event(
        conn,
        order_id=order.id,
        at_ms=now_ms,
        from_state=order.state.value,
        to_state=target.value,
        action=action.value,
        account_id=actor.account_id if actor else None,
        note=note,
    )
    return await _get(conn, order.id)


async def _get(conn: AsyncConnection, order_id: int) -> OrderRow:
    order = await repository.get(conn, order_id)
    if order is None:
        raise NotFound(f"there is no work order {order_id}")
    return order

"""All SQL of work orders, their history and their numbers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Visible, Where
from cloud.access.repository import visible_clause
from cloud.access.tables import account
from cloud.assets.tables import asset, building, community, place
from cloud.work_orders.domain import OPEN, Closes, State
from cloud.work_orders.tables import work_order, work_order_event, work_order_number


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderRow:
    """An order as its rules see it."""

    id: int
    number: str
    where: Where
    alarm_id: int | None
    skill: str
    priority: str
    title: dict[str, str]
    state: State
    closes: Closes
    assignee_id: int | None
    historical: bool
    restored_ms: int | None
    notice: dict[str, Any]


def _order(row: Any) -> OrderRow:  # noqa: ANN401 - a row mapping
    return OrderRow(
        id=row["id"],
        number=row["number"],
        where=Where(community_id=row["community_id"], building_id=row["building_id"], place_id=row["place_id"]),
        alarm_id=row["alarm_id"],
        skill=row["skill"],
        priority=row["priority"],
        title={"zh": row["title_zh"], "en": row["title_en"]},
        state=State(row["state"]),
        closes=Closes(row["closes"]),
        assignee_id=row["assignee_id"],
        historical=row["historical"],
        restored_ms=row["restored_ms"],
        notice=json.loads(row["notice"]),
    )


async def next_count(conn: AsyncConnection, day: str) -> int:
    """Take the next number of a day; two processes never get the same."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    query = dialect.insert(work_order_number).values(day=day, last=1)
    counted = query.on_conflict_do_update(
        index_elements=[work_order_number.c.day], set_={"last": work_order_number.c.last + 1}
    ).returning(work_order_number.c.last)
    return int((await conn.execute(counted)).scalar_one())


async def time_zone(conn: AsyncConnection, community_id: int) -> str:
    """Give the time zone in which a community has its days."""
    zone = await conn.scalar(select(community.c.time_zone).where(community.c.id == community_id))
    return zone or "UTC"


async def add(conn: AsyncConnection, **values: object) -> int:
    """Insert an order and give its id."""
    return int((await conn.execute(insert(work_order).values(**values).returning(work_order.c.id))).scalar_one())


async def change(conn: AsyncConnection, order_id: int, **values: object) -> None:
    """Change columns of an order."""
    await conn.execute(update(work_order).where(work_order.c.id == order_id).values(**values))


async def add_event(
    conn: AsyncConnection,
    *,
    order_id: int,
    at_ms: int,
    from_state: str,
    to_state: str,
    action: str,
    account_id: int | None,
    note: str,
) -> None:
    """Write a row of an order's history."""
    await conn.execute(
        insert(work_order_event).values(
            work_order_id=order_id,
            at_ms=at_ms,
            from_state=from_state,
            to_state=to_state,
            action=action,
            account_id=account_id,
            note=note,
        )
    )


async def get(conn: AsyncConnection, order_id: int) -> OrderRow | None:
    """Find an order, and hold it until the transaction ends."""
    row = (await conn.execute(select(work_order).where(work_order.c.id == order_id).with_for_update())).mappings()
    found = row.first()
    return _order(found) if found is not None else None


async def of_alarm(conn: AsyncConnection, alarm_id: int) -> OrderRow | None:
    """Find the order of an alarm, and hold it until the transaction ends."""
    query = select(work_order).where(work_order.c.alarm_id == alarm_id).with_for_update()
    found = (await conn.execute(query)).mappings().first()
    return _order(found) if found is not None else None


_WAITING = and_(work_order.c.state == State.NEW.value, or_(~work_order.c.historical, work_order.c.priority == "urgent"))


async def any_waiting(conn: AsyncConnection) -> bool:
    """Whether there is an order that nobody has."""
    return (await conn.execute(select(work_order.c.id).where(_WAITING).limit(1))).first() is not None


async def waiting(conn: AsyncConnection, limit: int) -> list[OrderRow]:
    """List orders that nobody has, oldest first; those of the past wait until a person looks, unless urgent."""
    query = select(work_order).where(_WAITING).order_by(work_order.c.opened_ms, work_order.c.id).limit(limit)
    return [_order(row) for row in (await conn.execute(query)).mappings()]


async def verified_since(conn: AsyncConnection, restored_ms: int, limit: int) -> list[OrderRow]:
    """List orders that the sensor may close and whose sensor has been back since at least `restored_ms`."""
    query = (
        select(work_order)
        .where(
            work_order.c.state == State.VERIFIED.value,
            work_order.c.closes == Closes.SENSOR.value,
            work_order.c.restored_ms <= restored_ms,
        )
        .order_by(work_order.c.restored_ms)
        .limit(limit)
    )
    return [_order(row) for row in (await conn.execute(query)).mappings()]


async def may_be_assigned(conn: AsyncConnection, account_id: int) -> bool:
    """Whether an account exists and is active."""
    return bool(await conn.scalar(select(account.c.active).where(account.c.id == account_id)))


def _listing() -> Select[Any]:
    return (
        select(
            work_order,
            account.c.name.label("assignee"),
            community.c.code.label("community"),
            community.c.name_zh.label("community_zh"),
            community.c.name_en.label("community_en"),
            building.c.name.label("building"),
            place.c.name.label("place"),
            asset.c.label_zh.label("asset_zh"),
            asset.c.label_en.label("asset_en"),
        )
        .join(community, community.c.id == work_order.c.community_id)
        .outerjoin(building, building.c.id == work_order.c.building_id)
        .outerjoin(place, place.c.id == work_order.c.place_id)
        .outerjoin(asset, asset.c.id == work_order.c.asset_id)
        .outerjoin(account, account.c.id == work_order.c.assignee_id)
    )


def _document(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row mapping
    data = {name: row[name] for name in _PLAIN}
    return {
        **data,
        "title": {"zh": row["title_zh"], "en": row["title_en"]},
        "category": json.loads(row["category"]),
        "checklist": json.loads(row["checklist"]),
        "community_name": {"zh": row["community_zh"], "en": row["community_en"]},
        "asset": {"zh": row["asset_zh"], "en": row["asset_en"]} if row["asset_id"] is not None else None,
    }


_PLAIN = (
    "id", "number", "community_id", "community", "building_id", "building", "place_id", "place", "asset_id",
    "device_id", "alarm_id", "source", "skill", "priority", "state", "closes", "assignee_id", "assignee", "historical",
    "opened_ms", "assigned_ms", "accepted_ms", "arrive_by_ms", "restore_by_ms", "restored_ms", "closed_ms",
)  # fmt: skip


async def listing(
    conn: AsyncConnection,
    visible: Visible,
    *,
    states: Sequence[State] | None,
    community_code: str | None,
    assignee_id: int | None,
    before_id: int | None,
    limit: int,
) -> list[dict[str, Any]]:
    """List orders that somebody sees, newest first."""
    clauses: list[ColumnElement[bool]] = [visible_clause(work_order, visible)]
    if states is not None:
        clauses.append(work_order.c.state.in_([state.value for state in states]))
    if community_code is not None:
        clauses.append(community.c.code == community_code)
    if assignee_id is not None:
        clauses.append(work_order.c.assignee_id == assignee_id)
    if before_id is not None:
        clauses.append(work_order.c.id < before_id)
    query = _listing().where(*clauses).order_by(work_order.c.id.desc()).limit(limit)
    return [_document(row) for row in (await conn.execute(query)).mappings()]


async def detail(conn: AsyncConnection, visible: Visible, order_id: int) -> dict[str, Any] | None:
    """Give one order that somebody sees, with its history; None when there is none."""
    query = _listing().where(visible_clause(work_order, visible), work_order.c.id == order_id)
    row = (await conn.execute(query)).mappings().first()
    if row is None:
        return None
    events = (
        select(work_order_event, account.c.name.label("account"))
        .outerjoin(account, account.c.id == work_order_event.c.account_id)
        .where(work_order_event.c.work_order_id == order_id)
        .order_by(work_order_event.c.id)
    )
    names = ("at_ms", "from_state", "to_state", "action", "account_id", "account", "note")
    history = [{name: event[name] for name in names} for event in (await conn.execute(events)).mappings()]
    return {**_document(row), "history": history}


async def of_alarm_document(conn: AsyncConnection, alarm_id: int) -> dict[str, Any] | None:
    """Give number and state of an alarm's order; None when it has none."""
    query = select(work_order.c.id, work_order.c.number, work_order.c.state).where(work_order.c.alarm_id == alarm_id)
    row = (await conn.execute(query)).mappings().first()
    return dict(row) if row is not None else None


async def counts(conn: AsyncConnection, visible: Visible) -> dict[str, int]:
    """Count the open orders that somebody sees, by state."""
    query = (
        select(work_order.c.state, func.count())
        .where(visible_clause(work_order, visible), work_order.c.state.in_([state.value for state in OPEN]))
        .group_by(work_order.c.state)
    )
    found = {row[0]: int(row[1]) for row in await conn.execute(query)}
    return {state.value: found.get(state.value, 0) for state in OPEN}

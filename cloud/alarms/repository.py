"""All SQL of alarms, their conditions and events, and of the engine's heartbeat."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, case, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Visible, Where
from cloud.access.repository import visible_clause
from cloud.access.tables import account
from cloud.alarms.domain import Change, ConditionState, Flags
from cloud.alarms.tables import alarm, alarm_event, condition, heartbeat
from cloud.assets.tables import asset, building, community, device, node, place
from cloud.platform.database import among

Key = tuple[int, str]
"""A device's id and a rule's id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmRow:
    """An alarm as its rules see it."""

    id: int
    device_id: int
    rule: str
    where: Where
    flags: Flags
    historical: bool
    occurrences: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What people call the place of a device, and the time zone there."""

    place: str
    time_zone: str


def _alarm(row: Any) -> AlarmRow:  # noqa: ANN401 - a row mapping
    return AlarmRow(
        id=row["id"],
        device_id=row["device_id"],
        rule=row["rule"],
        where=Where(community_id=row["community_id"], building_id=row["building_id"], place_id=row["place_id"]),
        flags=Flags(
            active=row["active"], acknowledged=row["acknowledged"], latched=row["latched"], closed=row["closed"]
        ),
        historical=row["historical"],
        occurrences=row["occurrences"],
    )


def _condition(row: Any) -> ConditionState:  # noqa: ANN401 - a row mapping
    return ConditionState(
        met=row["met"],
        since_ms=row["since_ms"],
        pending=Change(row["pending"]) if row["pending"] is not None else None,
        due_ms=row["due_ms"],
        backlog=row["backlog"],
        value=row["value"],
    )


# --- conditions ------------------------------------------------------------------------------------------------------


async def conditions(conn: AsyncConnection, device_ids: Iterable[int]) -> dict[Key, ConditionState]:
    """Give the conditions of devices, and hold them until the transaction ends."""
    query = select(condition).where(among(conn, condition.c.device_id, device_ids)).with_for_update()
    return {(row["device_id"], row["rule"]): _condition(row) for row in (await conn.execute(query)).mappings()}


async def due_conditions(conn: AsyncConnection, now_ms: int, limit: int) -> dict[Key, ConditionState]:
    """Give the conditions whose delay has run out by the wall clock, and hold them until the transaction ends."""
    query = (
        select(condition)
        .where(condition.c.pending.is_not(None), condition.c.due_ms <= now_ms, ~condition.c.backlog)
        .order_by(condition.c.due_ms)
        .limit(limit)
        .with_for_update()
    )
    return {(row["device_id"], row["rule"]): _condition(row) for row in (await conn.execute(query)).mappings()}


async def any_due(conn: AsyncConnection, now_ms: int) -> bool:
    """Whether a delay has run out by the wall clock; takes no lock."""
    query = select(condition.c.rule).where(
        condition.c.pending.is_not(None), condition.c.due_ms <= now_ms, ~condition.c.backlog
    )
    return (await conn.execute(query.limit(1))).first() is not None


async def put_conditions(conn: AsyncConnection, rows: Mapping[Key, ConditionState], now_ms: int) -> None:
    """Insert or replace conditions."""
    if not rows:
        return
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    query = dialect.insert(condition)
    names = ("met", "since_ms", "pending", "due_ms", "backlog", "value", "evaluated_ms")
    upsert = query.on_conflict_do_update(
        index_elements=[condition.c.device_id, condition.c.rule], set_={name: query.excluded[name] for name in names}
    )
    await conn.execute(
        upsert,
        [
            {
                "device_id": device_id,
                "rule": rule,
                "met": state.met,
                "since_ms": state.since_ms,
                "pending": state.pending.value if state.pending is not None else None,
                "due_ms": state.due_ms,
                "backlog": state.backlog,
                "value": state.value,
                "evaluated_ms": now_ms,
            }
            for (device_id, rule), state in rows.items()
        ],
    )


async def drop_conditions(conn: AsyncConnection, keys: Iterable[Key]) -> None:
    """Delete conditions of rules that a device no longer has."""
    for device_id, rule in keys:
        await conn.execute(delete(condition).where(condition.c.device_id == device_id, condition.c.rule == rule))


async def end_backlog(conn: AsyncConnection, node_id: int) -> None:
    """Let the wall clock run for the conditions of a node's devices again."""
    devices = select(device.c.id).where(device.c.node_id == node_id)
    query = update(condition).where(condition.c.backlog, condition.c.device_id.in_(devices))
    await conn.execute(query.values(backlog=False))


# --- alarms ----------------------------------------------------------------------------------------------------------


async def find_open(conn: AsyncConnection, device_id: int, rule: str) -> AlarmRow | None:
    """Find the open alarm of a rule at a device, and hold it until the transaction ends."""
    query = select(alarm).where(alarm.c.device_id == device_id, alarm.c.rule == rule, ~alarm.c.closed)
    row = (await conn.execute(query.with_for_update())).mappings().first()
    return _alarm(row) if row is not None else None


async def open_of_device(conn: AsyncConnection, device_id: int) -> list[AlarmRow]:
    """List the open alarms of a device."""
    query = select(alarm).where(alarm.c.device_id == device_id, ~alarm.c.closed).order_by(alarm.c.id)
    return [_alarm(row) for row in (await conn.execute(query)).mappings()]


async def active_of_the_past(conn: AsyncConnection, node_id: int) -> list[AlarmRow]:
    """List the alarms of a node's devices that were learned from replayed data and are active."""
    devices = select(device.c.id).where(device.c.node_id == node_id)
    query = select(alarm).where(~alarm.c.closed, alarm.c.active, alarm.c.historical, alarm.c.device_id.in_(devices))
    return [_alarm(row) for row in (await conn.execute(query.order_by(alarm.c.id))).mappings()]


async def get(conn: AsyncConnection, alarm_id: int) -> AlarmRow | None:
    """Find an alarm, and hold it until the transaction ends."""
    row = (await conn.execute(select(alarm).where(alarm.c.id == alarm_id).with_for_update())).mappings().first()
    return _alarm(row) if row is not None else None


async def add(conn: AsyncConnection, **values: object) -> int | None:
    """Insert an alarm and give its id; None when the rule has an open one at this device already."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    query = (
        dialect.insert(alarm)
        .values(**values)
        .on_conflict_do_nothing(index_elements=[alarm.c.device_id, alarm.c.rule], index_where=text("NOT closed"))
        .returning(alarm.c.id)
    )
    return (await conn.execute(query)).scalar_one_or_none()


async def change(conn: AsyncConnection, alarm_id: int, flags: Flags | None = None, **values: object) -> None:
    """Change columns of an alarm."""
    parts: dict[str, object] = {}
    if flags is not None:
        parts = {
            "active": flags.active,
            "acknowledged": flags.acknowledged,
            "latched": flags.latched,
            "closed": flags.closed,
        }
    await conn.execute(update(alarm).where(alarm.c.id == alarm_id).values(**parts, **values))


async def add_event(
    conn: AsyncConnection, *, alarm_id: int, at_ms: int, kind: str, account_id: int | None = None, detail: str = ""
) -> None:
    """Write a row of an alarm's history."""
    await conn.execute(
        insert(alarm_event).values(alarm_id=alarm_id, at_ms=at_ms, kind=kind, account_id=account_id, detail=detail)
    )


async def surroundings(conn: AsyncConnection, where: Where) -> Surroundings:
    """Say where a row lies, in the words of its community."""
    query = (
        select(
            community.c.name_zh, community.c.time_zone, building.c.name.label("building"), place.c.name.label("place")
        )
        .select_from(
            community.outerjoin(building, building.c.id == where.building_id).outerjoin(
                place, place.c.id == where.place_id
            )
        )
        .where(community.c.id == where.community_id)
    )
    row = (await conn.execute(query)).one()
    parts = [row.name_zh]
    parts += [row.building or ""] if where.building_id is not None else []
    parts += [row.place or ""] if where.place_id is not None else []
    return Surroundings(place=" / ".join(parts), time_zone=row.time_zone)


# --- what people look at ---------------------------------------------------------------------------------------------

_COLUMNS = (
    *alarm.c,
    device.c.name.label("device"),
    device.c.label_zh,
    device.c.label_en,
    asset.c.label_zh.label("asset_zh"),
    asset.c.label_en.label("asset_en"),
    community.c.code.label("community"),
    community.c.name_zh.label("community_zh"),
    community.c.name_en.label("community_en"),
    building.c.name.label("building"),
    place.c.name.label("place"),
    account.c.name.label("acknowledged_by_name"),
)
_JOINED = (
    alarm.join(device, device.c.id == alarm.c.device_id)
    .join(asset, asset.c.id == alarm.c.asset_id)
    .join(community, community.c.id == alarm.c.community_id)
    .outerjoin(building, building.c.id == alarm.c.building_id)
    .outerjoin(place, place.c.id == alarm.c.place_id)
    .outerjoin(account, account.c.id == alarm.c.acknowledged_by)
)

FILTERS: Mapping[str, ColumnElement[bool]] = {
    "open": ~alarm.c.closed,
    "active": alarm.c.active,
    "unacknowledged": and_(~alarm.c.closed, ~alarm.c.acknowledged),
    "closed": alarm.c.closed,
    "all": or_(alarm.c.closed, ~alarm.c.closed),
}
"""What the parameter `state` of the list can be."""


async def listing(
    conn: AsyncConnection,
    visible: Visible,
    *,
    state: str,
    community_code: str | None,
    priority: str | None,
    device_id: int | None,
    before_id: int | None,
    limit: int,
) -> list[RowMapping]:
    """List alarms that somebody sees, newest first."""
    clauses = [visible_clause(alarm, visible), FILTERS[state]]
    if community_code is not None:
        clauses.append(community.c.code == community_code)
    if priority is not None:
        clauses.append(alarm.c.priority == priority)
    if device_id is not None:
        clauses.append(alarm.c.device_id == device_id)
    if before_id is not None:
        clauses.append(alarm.c.id < before_id)
    query = select(*_COLUMNS).select_from(_JOINED).where(*clauses).order_by(alarm.c.id.desc()).limit(limit)
    return list((await conn.execute(query)).mappings())


async def detail(conn: AsyncConnection, visible: Visible, alarm_id: int) -> RowMapping | None:
    """Give one alarm that somebody sees; None when there is none."""
    query = select(*_COLUMNS).select_from(_JOINED).where(visible_clause(alarm, visible), alarm.c.id == alarm_id)
    return (await conn.execute(query)).mappings().first()


async def events(conn: AsyncConnection, alarm_id: int) -> list[dict[str, Any]]:
    """Give the history of an alarm."""
    query = (
        select(alarm_event, account.c.name.label("account"))
        .outerjoin(account, account.c.id == alarm_event.c.account_id)
        .where(alarm_event.c.alarm_id == alarm_id)
        .order_by(alarm_event.c.id)
    )
    names = ("at_ms", "kind", "account_id", "account", "detail")
    return [{name: row[name] for name in names} for row in (await conn.execute(query)).mappings()]


async def counts(conn: AsyncConnection, visible: Visible) -> list[tuple[str, int, int, int]]:
    """Count the open alarms that somebody sees by priority: (priority, open, active, unacknowledged)."""
    query = (
        select(
            alarm.c.priority,
            func.count(),
            func.sum(case((alarm.c.active, 1), else_=0)),
            func.sum(case((alarm.c.acknowledged, 0), else_=1)),
        )
        .where(visible_clause(alarm, visible), ~alarm.c.closed)
        .group_by(alarm.c.priority)
    )
    return [(row[0], int(row[1]), int(row[2]), int(row[3])) for row in await conn.execute(query)]


async def device_counts(conn: AsyncConnection, visible: Visible) -> tuple[int, int, int]:
    """Count the devices that somebody sees: (online, offline, those of which nobody knows whether they are online)."""
    live = and_(device.c.online, node.c.online)
    heard = node.c.unheard_ms.is_(None)
    query = (
        select(
            func.count(),
            func.sum(case((and_(live, heard), 1), else_=0)),
            func.sum(case((and_(live, ~heard), 1), else_=0)),
        )
        .select_from(device.join(node, node.c.id == device.c.node_id))
        .where(visible_clause(device, visible))
    )
    row = (await conn.execute(query)).one()
    online, unknown = int(row[1] or 0), int(row[2] or 0)
    return online, int(row[0]) - online - unknown, unknown


# --- the engine itself -----------------------------------------------------------------------------------------------


async def put_heartbeat(conn: AsyncConnection, *, process: str, started_ms: int, at_ms: int) -> None:
    """Say that a worker's timers run."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    query = dialect.insert(heartbeat).values(process=process, started_ms=started_ms, at_ms=at_ms)
    await conn.execute(
        query.on_conflict_do_update(
            index_elements=[heartbeat.c.process], set_={"started_ms": started_ms, "at_ms": at_ms}
        )
    )


async def newest_heartbeat(conn: AsyncConnection) -> int | None:
    """Give the time of the newest heartbeat of any worker."""
    newest: int | None = await conn.scalar(select(func.max(heartbeat.c.at_ms)))
    return newest

"""All SQL of commands."""

import json
from collections.abc import Iterable

from sqlalchemy import RowMapping, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.assets.domain import OUTCOME_PATIENCE_MS, CommandRow, CommandState, PendingCommand
from cloud.assets.repository import where_of
from cloud.assets.tables import command, community, device, node


def _command(row: RowMapping) -> CommandRow:
    return CommandRow(
        id=row["id"],
        device_id=row["device_id"],
        where=where_of(row),
        name=row["name"],
        value=json.loads(row["value"]),
        state=CommandState(row["state"]),
        detail=row["detail"],
        requested_by=row["requested_by"],
        timeout_ms=row["timeout_ms"],
        requested_ms=row["requested_ms"],
        deadline_ms=row["deadline_ms"],
        sent_ms=row["sent_ms"],
        ended_ms=row["ended_ms"],
        token=row["token"],
    )


async def add(conn: AsyncConnection, row: CommandRow) -> None:
    """Insert a command."""
    await conn.execute(
        insert(command).values(
            id=row.id,
            device_id=row.device_id,
            community_id=row.where.community_id,
            building_id=row.where.building_id,
            place_id=row.where.place_id,
            name=row.name,
            value=json.dumps(row.value, ensure_ascii=False),
            state=row.state.value,
            detail=row.detail,
            requested_by=row.requested_by,
            timeout_ms=row.timeout_ms,
            requested_ms=row.requested_ms,
            deadline_ms=row.deadline_ms,
            sent_ms=row.sent_ms,
            ended_ms=row.ended_ms,
            token=row.token,
        )
    )


async def get(conn: AsyncConnection, command_id: str) -> CommandRow | None:
    """Find a command."""
    row = (await conn.execute(select(command).where(command.c.id == command_id))).mappings().first()
    return _command(row) if row is not None else None


async def of_device(
    conn: AsyncConnection, device_id: int, *, limit: int, after_id: str | None = None
) -> list[CommandRow]:
    """List the commands of a device, newest first, those after a certain one when it is given."""
    query = select(command).where(command.c.device_id == device_id)
    if after_id is not None:
        last = select(command.c.requested_ms).where(command.c.id == after_id).scalar_subquery()
        same = and_(command.c.requested_ms == last, command.c.id > after_id)
        query = query.where(or_(command.c.requested_ms < last, same))
    query = query.order_by(command.c.requested_ms.desc(), command.c.id).limit(limit)
    return [_command(row) for row in (await conn.execute(query)).mappings()]


async def move(
    conn: AsyncConnection, command_id: str, *, from_states: Iterable[CommandState], to: CommandState, **values: object
) -> bool:
    """Move a command to a state if it is in one of the expected ones; whether it was."""
    query = (
        update(command)
        .where(command.c.id == command_id, command.c.state.in_([state.value for state in from_states]))
        .values(state=to.value, **values)
        .returning(command.c.id)
    )
    return (await conn.execute(query)).first() is not None


async def pending(conn: AsyncConnection, *, now_ms: int, token_since_ms: int, limit: int) -> list[PendingCommand]:
    """List what can be sent now, oldest first: in time, and to a node that is online and has told a token lately."""
    query = (
        select(
            command.c.id,
            command.c.name,
            command.c.value,
            command.c.timeout_ms,
            community.c.code,
            node.c.id.label("node_id"),
            node.c.name.label("node"),
            command.c.token,
            device.c.name.label("device"),
        )
        .join(device, device.c.id == command.c.device_id)
        .join(node, node.c.id == device.c.node_id)
        .join(community, community.c.id == node.c.community_id)
        .where(
            command.c.state == CommandState.REQUESTED.value,
            command.c.deadline_ms > now_ms,
            node.c.online,
            command.c.token.is_not(None),
            node.c.command_token_ms > token_since_ms,
        )
        .order_by(command.c.requested_ms, command.c.id)
        .limit(limit)
    )
    result: list[PendingCommand] = []
    for row in await conn.execute(query):
        value = json.loads(row.value)
        result.append(
            PendingCommand(
                id=row.id,
                group=row.code,
                node=row.node,
                node_id=row.node_id,
                device=row.device,
                name=row.name,
                value=True if value is None else value,
                token=row.token,
                timeout_ms=row.timeout_ms,
            )
        )
    return result


async def expire(conn: AsyncConnection, now_ms: int) -> int:
    """End what nobody will answer any more; how many there were."""
    never_sent = (
        update(command)
        .where(command.c.state == CommandState.REQUESTED.value, command.c.deadline_ms <= now_ms)
        .values(state=CommandState.TIMED_OUT.value, detail="the agent could not be reached in time", ended_ms=now_ms)
        .returning(command.c.id)
    )
    unanswered = (
        update(command)
        .where(
            command.c.state == CommandState.SENT.value,
            command.c.sent_ms + command.c.timeout_ms <= now_ms - OUTCOME_PATIENCE_MS,
        )
        .values(state=CommandState.UNKNOWN.value, detail="no outcome was reported", ended_ms=now_ms)
        .returning(command.c.id)
    )
    return len((await conn.execute(never_sent)).all()) + len((await conn.execute(unanswered)).all())

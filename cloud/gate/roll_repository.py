"""All SQL of the revisions of who may pass, of the agents that pull them, and of the gates as they report."""

from collections.abc import Iterable

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Visible
from cloud.access.repository import visible_clause
from cloud.assets.tables import asset, command, community, device, node
from cloud.gate.tables import gate_agent, gate_change, gate_roll


async def revision_of(conn: AsyncConnection, community_id: int) -> int | None:
    """Give the revision of a community; None when nothing was ever changed there."""
    return await conn.scalar(select(gate_roll.c.revision).where(gate_roll.c.community_id == community_id))


async def put_revision(
    conn: AsyncConnection, community_id: int, revision: int, changes: Iterable[tuple[str, str]], *, new: bool
) -> None:
    """Note a revision and what it changed: (kind, subject)."""
    if new:
        await conn.execute(insert(gate_roll).values(community_id=community_id, revision=revision))
    else:
        await conn.execute(update(gate_roll).where(gate_roll.c.community_id == community_id).values(revision=revision))
    rows = [
        {"community_id": community_id, "revision": revision, "kind": kind, "subject": subject}
        for kind, subject in changes
    ]
    await conn.execute(insert(gate_change), rows)


async def forget_changes(conn: AsyncConnection, community_id: int, before: int) -> None:
    """Forget what was changed before a revision."""
    await conn.execute(
        delete(gate_change).where(gate_change.c.community_id == community_id, gate_change.c.revision < before)
    )


async def knows_revision(conn: AsyncConnection, community_id: int, revision: int) -> bool:
    """Whether what changed since a revision is still known."""
    query = select(gate_change.c.id).where(
        gate_change.c.community_id == community_id, gate_change.c.revision == revision
    )
    return await conn.scalar(query.limit(1)) is not None


async def changes_since(conn: AsyncConnection, community_id: int, revision: int) -> set[tuple[str, str]]:
    """Give what changed after a revision: (kind, subject)."""
    query = select(gate_change.c.kind, gate_change.c.subject).where(
        gate_change.c.community_id == community_id, gate_change.c.revision > revision
    )
    return {(row.kind, row.subject) for row in await conn.execute(query)}


async def revisions_after(conn: AsyncConnection, community_id: int, revision: int) -> int:
    """Count the revisions after one."""
    query = select(func.count(gate_change.c.revision.distinct())).where(
        gate_change.c.community_id == community_id, gate_change.c.revision > revision
    )
    return int((await conn.execute(query)).scalar_one())


# --- agents


async def put_agent(conn: AsyncConnection, community_id: int, agent: str, token_hash: str, now_ms: int) -> int:
    """Give an agent a token in place of the one that it had, and give its id."""
    await conn.execute(delete(gate_agent).where(gate_agent.c.community_id == community_id, gate_agent.c.agent == agent))
    query = insert(gate_agent).values(community_id=community_id, agent=agent, token_hash=token_hash, created_ms=now_ms)
    return int((await conn.execute(query.returning(gate_agent.c.id))).scalar_one())


async def get_agent(conn: AsyncConnection, agent_id: int) -> RowMapping | None:
    """Find an agent by its id."""
    return (await conn.execute(select(gate_agent).where(gate_agent.c.id == agent_id))).mappings().first()


async def agent_by_token(conn: AsyncConnection, token_hash: str) -> RowMapping | None:
    """Find an agent by its token, with its community's code."""
    query = select(*gate_agent.c, community.c.code).join(community, community.c.id == gate_agent.c.community_id)
    return (await conn.execute(query.where(gate_agent.c.token_hash == token_hash))).mappings().first()


async def change_agent(conn: AsyncConnection, agent_id: int, **values: object) -> None:
    """Change columns of an agent."""
    await conn.execute(update(gate_agent).where(gate_agent.c.id == agent_id).values(**values))


async def remove_agent(conn: AsyncConnection, agent_id: int) -> None:
    """Delete an agent: its token is worth nothing any more."""
    await conn.execute(delete(gate_agent).where(gate_agent.c.id == agent_id))


async def list_agents(conn: AsyncConnection, visible: Visible, community_id: int | None = None) -> list[RowMapping]:
    """List the agents that pull, without their tokens' hashes."""
    columns = [column for column in gate_agent.c if column.name != "token_hash"]
    query = select(*columns).where(visible_clause(gate_agent, visible))
    if community_id is not None:
        query = query.where(gate_agent.c.community_id == community_id)
    return list((await conn.execute(query.order_by(gate_agent.c.community_id, gate_agent.c.agent))).mappings())


# --- gates


async def gate_names(conn: AsyncConnection, community_id: int, kind: str) -> list[tuple[int, str, str]]:
    """Give the gates that a community's agents tell of: device id, agent, device."""
    query = (
        select(device.c.id, node.c.name.label("node"), device.c.name)
        .join(node, node.c.id == device.c.node_id)
        .join(asset, asset.c.id == device.c.asset_id)
        .where(device.c.community_id == community_id, asset.c.kind == kind)
        .order_by(node.c.name, device.c.name)
    )
    return [(row.id, row.node, row.name) for row in await conn.execute(query)]


async def count_commands(conn: AsyncConnection, *, device_id: int, name: str, requested_by: int, since_ms: int) -> int:
    """Count the commands of a name that somebody asked a device for since a time."""
    query = select(func.count()).select_from(command)
    query = query.where(
        command.c.device_id == device_id,
        command.c.name == name,
        command.c.requested_by == requested_by,
        command.c.requested_ms > since_ms,
    )
    return int((await conn.execute(query)).scalar_one())

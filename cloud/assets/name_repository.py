"""All SQL of names that differ by case only: Sparkplug tells them apart, and people do not."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Visible
from cloud.access.repository import visible_clause
from cloud.assets.tables import community, device, node


async def community_twin(conn: AsyncConnection, code: str) -> str | None:
    """Find a community whose code differs from this one by case only."""
    query = select(community.c.code).where(func.lower(community.c.code) == code.lower(), community.c.code != code)
    return await conn.scalar(query.order_by(community.c.code).limit(1))


async def node_twin(conn: AsyncConnection, node_id: int) -> str | None:
    """Find a node of the same community whose name differs from this one's by case only."""
    other = node.alias("other")
    query = (
        select(other.c.name)
        .join(node, node.c.community_id == other.c.community_id)
        .where(node.c.id == node_id, func.lower(other.c.name) == func.lower(node.c.name), other.c.name != node.c.name)
    )
    return await conn.scalar(query.order_by(other.c.name).limit(1))


async def device_twins_for_page(conn: AsyncConnection, visible: Visible) -> dict[int, list[str]]:
    """Give the names of devices that somebody sees and that differ by case only from another of their node, by node."""
    other = device.alias("other")
    twin = select(other.c.id).where(
        other.c.node_id == device.c.node_id,
        func.lower(other.c.name) == func.lower(device.c.name),
        other.c.name != device.c.name,
    )
    query = select(device.c.node_id, device.c.name).where(visible_clause(device, visible), twin.exists())
    found: dict[int, list[str]] = {}
    for row in await conn.execute(query.order_by(device.c.node_id, func.lower(device.c.name), device.c.name)):
        found.setdefault(row.node_id, []).append(row.name)
    return found

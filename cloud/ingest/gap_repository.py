"""All SQL of what readers see of gaps."""

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Visible
from cloud.access.repository import visible_clause
from cloud.assets.tables import community, node
from cloud.ingest.gaps import CLASSES, Gap
from cloud.ingest.tables import journal, journal_gap

_JOINED = journal_gap.join(node, node.c.id == journal_gap.c.node_id).join(
    community, community.c.id == node.c.community_id
)


async def list_gaps(
    conn: AsyncConnection,
    visible: Visible,
    *,
    node_id: int | None = None,
    before_id: int | None = None,
    limit: int,
) -> list[RowMapping]:
    """List the gaps of nodes that somebody sees, or of one of these, newest first, each as it was told."""
    query = (
        select(
            journal_gap,
            node.c.name.label("node"),
            node.c.community_id,
            community.c.code.label("community"),
        )
        .select_from(_JOINED)
        .where(visible_clause(node, visible))
        .order_by(journal_gap.c.id.desc())
        .limit(limit)
    )
    if node_id is not None:
        query = query.where(journal_gap.c.node_id == node_id)
    if before_id is not None:
        query = query.where(journal_gap.c.id < before_id)
    return list((await conn.execute(query)).mappings())


async def gaps_for_page(conn: AsyncConnection, visible: Visible) -> int:
    """Count the gaps of nodes that somebody sees."""
    query = select(func.count()).select_from(_JOINED).where(visible_clause(node, visible))
    return int((await conn.execute(query)).scalar_one())


async def newest_journal(conn: AsyncConnection, node_id: int, besides: str) -> tuple[str, int] | None:
    """Give the journal of a node that records came from last, and its watermark; None when there is no other."""
    query = (
        select(journal.c.journal_id, journal.c.watermark)
        .where(journal.c.node_id == node_id, journal.c.journal_id != besides)
        .order_by(journal.c.updated_ms.desc(), journal.c.journal_id)
        .limit(1)
    )
    row = (await conn.execute(query)).first()
    return (row.journal_id, row.watermark) if row is not None else None


def as_gap(row: RowMapping) -> Gap:
    """Make a gap of its row."""
    counts = {one: row[f"lost_{one}"] for one in CLASSES}
    known = any(count is not None for count in counts.values())
    return Gap(
        id=row["id"],
        node_id=row["node_id"],
        journal_id=row["journal_id"],
        reason=row["reason"],
        first=row["first_offset"],
        last=row["last_offset"],
        lost={one: count for one, count in counts.items() if count} if known else None,
        from_ms=row["from_ms"],
        to_ms=row["to_ms"],
        found_ms=row["found_ms"],
    )

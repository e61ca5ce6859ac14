"""SQL of what in quarantine is of one kind: how much there is of each reason, and what became of several things."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Visible
from cloud.assets.tables import node
from cloud.ingest.repository import sees_quarantine
from cloud.ingest.tables import quarantine

_JOINED = quarantine.outerjoin(node, node.c.id == quarantine.c.node_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayState:
    """How far the replay of something is: it waits for ingest, or `answer` says why it stays."""

    waits: bool
    answer: str | None


async def counts_by_reason(conn: AsyncConnection, visible: Visible, reasons: Collection[str]) -> dict[str, int]:
    """Count what somebody sees, for each of these reasons."""
    query = (
        select(quarantine.c.reason, func.count())
        .select_from(_JOINED)
        .where(sees_quarantine(visible), quarantine.c.reason.in_(reasons))
        .group_by(quarantine.c.reason)
    )
    return {row[0]: int(row[1]) for row in await conn.execute(query)}


async def of_reason(conn: AsyncConnection, visible: Visible, reason: str, limit: int) -> list[RowMapping]:
    """List what somebody sees that has this reason and waits for no replay, the oldest first: where it came from."""
    query = (
        select(
            quarantine.c.id,
            quarantine.c.topic,
            func.length(quarantine.c.payload).label("bytes"),
            node.c.community_id,
        )
        .select_from(_JOINED)
        .where(sees_quarantine(visible), quarantine.c.reason == reason, quarantine.c.replay_ms.is_(None))
        .order_by(quarantine.c.id)
        .limit(limit)
    )
    return list((await conn.execute(query)).mappings())


async def ask_replays(conn: AsyncConnection, ids: Collection[int], now_ms: int) -> None:
    """Let ingest take several things once more."""
    await conn.execute(update(quarantine).where(quarantine.c.id.in_(ids)).values(replay_ms=now_ms, answer=None))


async def replay_states(conn: AsyncConnection, ids: Collection[int]) -> dict[int, ReplayState]:
    """Say of several things how far their replay is; what is no longer in quarantine is left out."""
    query = select(quarantine.c.id, quarantine.c.replay_ms, quarantine.c.answer).where(quarantine.c.id.in_(ids))
    rows = await conn.execute(query)
    return {row.id: ReplayState(waits=row.replay_ms is not None, answer=row.answer) for row in rows}

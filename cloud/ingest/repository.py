"""All SQL of journals, gaps, quarantine and the lease."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, RowMapping, and_, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Visible
from cloud.access.repository import visible_clause
from cloud.assets.tables import command, community, node
from cloud.ingest.gaps import CLASSES, Loss
from cloud.ingest.tables import journal, journal_gap, lease, quarantine


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRow:
    """A node as ingest needs it."""

    id: int
    group: str
    name: str
    foreign: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantineRow:
    """Something that could not be read."""

    node_id: int | None
    topic: str
    payload: bytes
    metric: str | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayRow:
    """Something in quarantine that is to be taken once more."""

    id: int
    topic: str
    payload: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class GapRow:
    """Offsets that will never come; `last` is None where nobody knows how many."""

    node_id: int
    journal_id: str
    first: int
    last: int | None
    loss: Loss

    @property
    def size(self) -> int:
        """How many there are, as far as that is known."""
        return 0 if self.last is None else self.last - self.first + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaseRow:
    """Who holds the lease, and how often it has said that it lives."""

    owner: str
    process: str
    beats: int


async def find_node(conn: AsyncConnection, group: str, name: str) -> NodeRow | None:
    """Find a node by its Sparkplug names."""
    query = (
        select(node.c.id, node.c.foreign_node)
        .join(community, community.c.id == node.c.community_id)
        .where(community.c.code == group, node.c.name == name)
    )
    row = (await conn.execute(query)).first()
    return NodeRow(id=row.id, group=group, name=name, foreign=row.foreign_node) if row is not None else None


async def online_nodes(conn: AsyncConnection) -> list[NodeRow]:
    """List the nodes that are thought to be online."""
    query = (
        select(node.c.id, node.c.name, node.c.foreign_node, community.c.code)
        .join(community, community.c.id == node.c.community_id)
        .where(node.c.online)
        .order_by(node.c.id)
    )
    rows = await conn.execute(query)
    return [NodeRow(id=row.id, group=row.code, name=row.name, foreign=row.foreign_node) for row in rows]


async def commands_device(conn: AsyncConnection, command_id: str) -> int | None:
    """Give the device that a command is for; None for a command that nobody here asked for."""
    found: int | None = await conn.scalar(select(command.c.device_id).where(command.c.id == command_id))
    return found


async def watermark(conn: AsyncConnection, node_id: int, journal_id: str) -> int | None:
    """Give the last committed offset of a journal; None when the journal was never seen."""
    query = select(journal.c.watermark).where(journal.c.node_id == node_id, journal.c.journal_id == journal_id)
    found: int | None = await conn.scalar(query)
    return found


async def has_other_journal(conn: AsyncConnection, node_id: int, journal_id: str) -> bool:
    """Whether records of a node came from another journal before."""
    query = select(journal.c.journal_id).where(journal.c.node_id == node_id, journal.c.journal_id != journal_id)
    return (await conn.execute(query.limit(1))).first() is not None


async def put_watermarks(conn: AsyncConnection, rows: Sequence[tuple[int, str, int]], now_ms: int) -> None:
    """Store (node id, journal id, watermark)."""
    if not rows:
        return
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    query = dialect.insert(journal)
    upsert = query.on_conflict_do_update(
        index_elements=[journal.c.node_id, journal.c.journal_id],
        set_={"watermark": query.excluded.watermark, "updated_ms": query.excluded.updated_ms},
    )
    values = [
        {"node_id": node_id, "journal_id": journal_id, "watermark": offset, "updated_ms": now_ms}
        for node_id, journal_id, offset in rows
    ]
    await conn.execute(upsert, values)


async def add_gaps(conn: AsyncConnection, rows: Sequence[GapRow], now_ms: int) -> None:
    """Store gaps."""
    if not rows:
        return
    await conn.execute(
        insert(journal_gap),
        [
            {
                "node_id": row.node_id,
                "journal_id": row.journal_id,
                "first_offset": row.first,
                "last_offset": row.last,
                "reason": row.loss.reason,
                **{f"lost_{one}": (row.loss.lost or {}).get(one) for one in CLASSES},
                "from_ms": row.loss.from_ms,
                "to_ms": row.loss.to_ms,
                "found_ms": now_ms,
            }
            for row in rows
        ],
    )


async def add_quarantine(conn: AsyncConnection, rows: Sequence[QuarantineRow], now_ms: int) -> None:
    """Store what could not be read."""
    if not rows:
        return
    await conn.execute(
        insert(quarantine),
        [
            {
                "received_ms": now_ms,
                "node_id": row.node_id,
                "topic": row.topic[:1000],
                "payload": row.payload,
                "metric": row.metric[:200] if row.metric is not None else None,
                "reason": row.reason[:1000],
            }
            for row in rows
        ],
    )


async def forget_quarantine(conn: AsyncConnection, before_ms: int) -> int:
    """Delete what has lain in quarantine for too long; how much."""
    return int((await conn.execute(delete(quarantine).where(quarantine.c.received_ms < before_ms))).rowcount)


async def list_quarantine(
    conn: AsyncConnection, visible: Visible, *, before_id: int | None, limit: int
) -> list[RowMapping]:
    """List what lies in quarantine and comes from nodes that somebody sees, newest first.

    What belongs to no node is for those who see some whole community.
    """
    query = _QUARANTINED.where(sees_quarantine(visible)).order_by(quarantine.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(quarantine.c.id < before_id)
    return list((await conn.execute(query)).mappings())


async def get_quarantine(conn: AsyncConnection, visible: Visible, quarantine_id: int) -> RowMapping | None:
    """Give one thing that lies in quarantine and that somebody sees."""
    query = _QUARANTINED.where(sees_quarantine(visible), quarantine.c.id == quarantine_id)
    return (await conn.execute(query)).mappings().first()


async def ask_replay(conn: AsyncConnection, quarantine_id: int, now_ms: int) -> None:
    """Let ingest take something out of quarantine once more."""
    asked = {"replay_ms": now_ms, "answer": None}
    await conn.execute(update(quarantine).where(quarantine.c.id == quarantine_id).values(**asked))


async def due_replays(conn: AsyncConnection, limit: int) -> list[ReplayRow]:
    """List what is to be taken once more, in the order in which that was asked for."""
    query = select(quarantine.c.id, quarantine.c.topic, quarantine.c.payload).where(quarantine.c.replay_ms.is_not(None))
    rows = await conn.execute(query.order_by(quarantine.c.replay_ms, quarantine.c.id).limit(limit))
    return [ReplayRow(id=row.id, topic=row.topic, payload=row.payload) for row in rows]


async def refuse_replay(conn: AsyncConnection, quarantine_id: int, answer: str) -> None:
    """Say why something could not be taken; it stays in quarantine."""
    told = {"replay_ms": None, "answer": answer[:1000]}
    await conn.execute(update(quarantine).where(quarantine.c.id == quarantine_id).values(**told))


async def drop_quarantine(conn: AsyncConnection, quarantine_id: int) -> None:
    """Delete one thing that lies in quarantine."""
    await conn.execute(delete(quarantine).where(quarantine.c.id == quarantine_id))


def sees_quarantine(visible: Visible) -> ColumnElement[bool]:
    """Give the clause by which somebody sees a thing in quarantine, joined with its node."""
    mine = visible_clause(node, visible)
    return mine | quarantine.c.node_id.is_(None) if visible.everything or visible.communities else mine


_QUARANTINED = select(
    quarantine.c.id,
    quarantine.c.received_ms,
    quarantine.c.topic,
    quarantine.c.metric,
    quarantine.c.reason,
    quarantine.c.payload,
    quarantine.c.replay_ms,
    quarantine.c.answer,
    node.c.name.label("node"),
    node.c.community_id,
    community.c.code.label("community"),
).select_from(
    quarantine.outerjoin(node, node.c.id == quarantine.c.node_id).outerjoin(
        community, community.c.id == node.c.community_id
    )
)


async def count_quarantine(conn: AsyncConnection) -> int:
    """Count everything in quarantine."""
    return int((await conn.execute(select(func.count()).select_from(quarantine))).scalar_one())


async def list_journals(conn: AsyncConnection, visible: Visible, *, node_id: int | None = None) -> list[RowMapping]:
    """List the journals of nodes that somebody sees, or of one of these."""
    joined = journal.join(node, node.c.id == journal.c.node_id).join(community, community.c.id == node.c.community_id)
    query = (
        select(
            journal,
            node.c.name.label("node"),
            and_(node.c.online, node.c.unheard_ms.is_(None)).label("online"),
            community.c.code.label("community"),
        )
        .select_from(joined)
        .where(visible_clause(node, visible))
        .order_by(journal.c.node_id, journal.c.updated_ms.desc())
    )
    if node_id is not None:
        query = query.where(journal.c.node_id == node_id)
    return list((await conn.execute(query)).mappings())


async def quarantined_for_page(conn: AsyncConnection, visible: Visible) -> int:
    """Count what lies in quarantine and comes from nodes that somebody sees (as `list_quarantine` has it)."""
    joined = quarantine.outerjoin(node, node.c.id == quarantine.c.node_id)
    return int(
        (await conn.execute(select(func.count()).select_from(joined).where(sees_quarantine(visible)))).scalar_one()
    )


_ALL = "all"


async def get_lease(conn: AsyncConnection) -> LeaseRow | None:
    """Give who holds the lease, and keep it so until the transaction ends."""
    query = select(lease.c.owner, lease.c.process, lease.c.beats).where(lease.c.name == _ALL).with_for_update()
    row = (await conn.execute(query)).first()
    return LeaseRow(owner=row.owner, process=row.process, beats=row.beats) if row is not None else None


async def put_lease(conn: AsyncConnection, *, owner: str, process: str, replaces: LeaseRow | None, now_ms: int) -> None:
    """Become the holder in the place of a certain one, or of nobody; nothing when another was quicker."""
    values = {"owner": owner, "process": process[:200], "beats": 0, "beat_ms": now_ms}
    if replaces is None:
        dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
        await conn.execute(dialect.insert(lease).values(name=_ALL, **values).on_conflict_do_nothing())
        return
    before = (lease.c.name == _ALL, lease.c.owner == replaces.owner, lease.c.beats == replaces.beats)
    await conn.execute(update(lease).where(*before).values(**values))


async def beat_lease(conn: AsyncConnection, *, owner: str, now_ms: int) -> bool:
    """Say that the holder lives; False when it is another by now."""
    query = update(lease).where(lease.c.name == _ALL, lease.c.owner == owner)
    beaten = query.values(beats=lease.c.beats + 1, beat_ms=now_ms).returning(lease.c.beats)
    return (await conn.execute(beaten)).first() is not None


async def drop_lease(conn: AsyncConnection, *, owner: str) -> None:
    """Let go of the lease, if it is this owner's."""
    await conn.execute(delete(lease).where(lease.c.name == _ALL, lease.c.owner == owner))


async def newest_beat(conn: AsyncConnection) -> int | None:
    """Give when the holder of the lease said last that it lives; None when nobody holds it."""
    found: int | None = await conn.scalar(select(lease.c.beat_ms).where(lease.c.name == _ALL))
    return found


async def last_heard(conn: AsyncConnection) -> tuple[int, int | None]:
    """Give how many agents were ever born, and when any of them was heard of last."""
    count, heard_ms = (await conn.execute(select(func.count(), func.max(node.c.seen_ms)).select_from(node))).one()
    return int(count), heard_ms

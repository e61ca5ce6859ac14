"""What people do with the quarantine: look, let ingest take something once more, drop it. Authorised and audited."""

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import EVERYTHING, Actor, Permission, Where
from cloud.access.service import authorise, record
from cloud.assets.repository import community_by_code
from cloud.ingest import repository
from cloud.platform.errors import Conflict, Forbidden, NotFound
from wire.errors import MalformedTopic
from wire.topic import parse

MAX_KEPT_BYTES = 65_536
"""How much of a payload the quarantine keeps."""


async def get(conn: AsyncConnection, actor: Actor | None, quarantine_id: int) -> RowMapping:
    """Give one thing with its bytes; NotFound when the actor does not see it. The actor None is the service itself."""
    visible = EVERYTHING if actor is None else actor.visible()
    row = await repository.get_quarantine(conn, visible, quarantine_id)
    if row is None:
        raise NotFound(f"nothing in quarantine has the number {quarantine_id}")
    return row


async def replay(conn: AsyncConnection, actor: Actor | None, quarantine_id: int, *, now_ms: int) -> RowMapping:
    """Ask ingest to take something once more; Conflict when its bytes were not kept in full.

    Ingest does it within seconds: it takes the thing out of quarantine, or says in `answer` why it cannot.
    """
    row = await get(conn, actor, quarantine_id)
    await _authorise(conn, actor, row, action="quarantine.replay", now_ms=now_ms)
    if len(row["payload"]) >= MAX_KEPT_BYTES:
        raise Conflict(f"of this payload only the first {MAX_KEPT_BYTES} bytes were kept", code="cut_short")
    await repository.ask_replay(conn, quarantine_id, now_ms)
    return await get(conn, actor, quarantine_id)


async def drop(conn: AsyncConnection, actor: Actor | None, quarantine_id: int, *, now_ms: int) -> None:
    """Delete something for good; the audit keeps what it was."""
    row = await get(conn, actor, quarantine_id)
    await _authorise(conn, actor, row, action="quarantine.drop", now_ms=now_ms)
    await repository.drop_quarantine(conn, quarantine_id)


async def _authorise(conn: AsyncConnection, actor: Actor | None, row: RowMapping, *, action: str, now_ms: int) -> None:
    """Let whoever may command devices in the community that it came from; without one, only the service itself."""
    subject = f"quarantine:{row['id']}"
    detail = {"topic": row["topic"][:200], "reason": row["reason"][:200]}
    community_id = row["community_id"] or await _community_of(conn, row["topic"])
    if community_id is not None:
        where = Where(community_id=community_id)
        await authorise(
            conn, actor, Permission.COMMAND, where, action=action, subject=subject, now_ms=now_ms, detail=detail
        )
        return
    if actor is not None:
        remedy = "do it on the server: `linli cloud quarantine`"
        raise Forbidden("this came from no community, so that nobody answers for it", remedy=remedy)
    await record(
        conn,
        actor=None,
        action=action,
        subject=subject,
        community_id=None,
        outcome="allowed",
        detail=detail,
        now_ms=now_ms,
    )


async def _community_of(conn: AsyncConnection, topic: str) -> int | None:
    try:
        group = parse(topic).group
    except MalformedTopic:
        return None
    return await community_by_code(conn, group)

"""What people do with the quarantine: look, let ingest take something once more, drop it. Authorised and audited."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import EVERYTHING, Actor, Permission, Where
from cloud.access.service import authorise, record
from cloud.assets.repository import community_by_code
from cloud.ingest import quarantine_repository, repository
from cloud.platform.errors import Conflict, Forbidden, NotFound
from wire.errors import MalformedTopic
from wire.topic import parse

MAX_KEPT_BYTES = 65_536
"""How much of a payload the quarantine keeps."""

MAX_ALIKE = 1_000
"""How much is replayed by one request at most; what is more waits for the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What will be replayed, and how much will not: cut short, or from no community of the actor's."""

    ids: tuple[int, ...]
    cut_short: int
    not_yours: int


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


async def replay_alike(conn: AsyncConnection, actor: Actor | None, quarantine_id: int, *, now_ms: int) -> Asked:
    """Ask ingest to take everything once more that has the reason of one thing, the oldest first.

    Authorised and audited once for each community that something of it came from; Forbidden when none is the actor's.
    """
    chosen = await get(conn, actor, quarantine_id)
    visible = EVERYTHING if actor is None else actor.visible()
    found = await quarantine_repository.of_reason(conn, visible, chosen["reason"], MAX_ALIKE)
    whole = [row for row in found if row["bytes"] < MAX_KEPT_BYTES]
    by_community: dict[int | None, list[int]] = {}
    for row in whole:
        by_community.setdefault(await _from(conn, row), []).append(row["id"])
    if actor is not None:
        mine: dict[int | None, list[int]] = {
            community_id: ids
            for community_id, ids in by_community.items()
            if community_id is not None and actor.may(Permission.COMMAND, Where(community_id=community_id))
        }
        if whole and not mine:
            await _authorise(conn, actor, chosen, action="quarantine.replay", now_ms=now_ms)  # refused, and audited
        by_community = mine
    subject = f"quarantine:{quarantine_id}"
    for community_id, some in by_community.items():
        detail = {"reason": chosen["reason"][:200], "count": len(some), "first": some[0], "last": some[-1]}
        await _allow(
            conn, actor, community_id, action="quarantine.replay", subject=subject, detail=detail, now_ms=now_ms
        )
    ids = tuple(sorted(one for some in by_community.values() for one in some))
    await quarantine_repository.ask_replays(conn, ids, now_ms)
    return Asked(ids=ids, cut_short=len(found) - len(whole), not_yours=len(whole) - len(ids))


async def drop(conn: AsyncConnection, actor: Actor | None, quarantine_id: int, *, now_ms: int) -> None:
    """Delete something for good; the audit keeps what it was."""
    row = await get(conn, actor, quarantine_id)
    await _authorise(conn, actor, row, action="quarantine.drop", now_ms=now_ms)
    await repository.drop_quarantine(conn, quarantine_id)


async def _authorise(conn: AsyncConnection, actor: Actor | None, row: RowMapping, *, action: str, now_ms: int) -> None:
    detail = {"topic": row["topic"][:200], "reason": row["reason"][:200]}
    subject = f"quarantine:{row['id']}"
    await _allow(conn, actor, await _from(conn, row), action=action, subject=subject, detail=detail, now_ms=now_ms)


async def _allow(
    conn: AsyncConnection,
    actor: Actor | None,
    community_id: int | None,
    *,
    action: str,
    subject: str,
    detail: Mapping[str, object],
    now_ms: int,
) -> None:
    """Let whoever may command devices in the community that it came from; without one, only the service itself."""
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


async def _from(conn: AsyncConnection, row: Mapping[Any, Any]) -> int | None:
    """Give the community that something came from: its node's, or that of its topic."""
    found: int | None = row["community_id"] or await _community_of(conn, row["topic"])
    return found


async def _community_of(conn: AsyncConnection, topic: str) -> int | None:
    try:
        group = parse(topic).group
    except MalformedTopic:
        return None
    return await community_by_code(conn, group)

"""All SQL of the outbox."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.tables import account
from cloud.notify.tables import outbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A notice whose time has come; `language` is its account's, None when it is for everybody who watches."""

    id: int
    key: str
    kind: str
    body: Mapping[str, Any]
    language: str | None
    reached: frozenset[str]
    attempts: int


async def add(
    conn: AsyncConnection,
    *,
    key: str,
    kind: str,
    account_id: int | None,
    community_id: int | None,
    body: Mapping[str, Any],
    now_ms: int,
) -> None:
    """Insert a notice unless its key is there already."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    query = dialect.insert(outbox).values(
        key=key,
        kind=kind,
        account_id=account_id,
        community_id=community_id,
        body=json.dumps(body, ensure_ascii=False, sort_keys=True),
        channel="",
        reached="[]",
        attempts=0,
        last_error="",
        created_ms=now_ms,
        due_ms=now_ms,
    )
    await conn.execute(query.on_conflict_do_nothing(index_elements=[outbox.c.key]))


async def due(conn: AsyncConnection, *, now_ms: int, limit: int) -> list[Due]:
    """List what is to be delivered now, oldest first."""
    query = (
        select(outbox, account.c.language)
        .outerjoin(account, account.c.id == outbox.c.account_id)
        .where(outbox.c.delivered_ms.is_(None), outbox.c.due_ms <= now_ms)
        .order_by(outbox.c.due_ms, outbox.c.id)
        .limit(limit)
    )
    return [
        Due(
            id=row["id"],
            key=row["key"],
            kind=row["kind"],
            body=json.loads(row["body"]),
            language=row["language"],
            reached=frozenset(json.loads(row["reached"])),
            attempts=row["attempts"],
        )
        for row in (await conn.execute(query)).mappings()
    ]


async def delivered(conn: AsyncConnection, notice_id: int, *, channel: str, attempts: int, now_ms: int) -> None:
    """Note that a notice has reached everybody it can reach."""
    values = {"delivered_ms": now_ms, "channel": channel, "attempts": attempts, "last_error": ""}
    await conn.execute(update(outbox).where(outbox.c.id == notice_id).values(**values))


async def failed(
    conn: AsyncConnection, notice_id: int, *, reached: frozenset[str], attempts: int, error: str, due_ms: int
) -> None:
    """Note a failed attempt and when the next one is due."""
    values = {"reached": json.dumps(sorted(reached)), "attempts": attempts, "last_error": error, "due_ms": due_ms}
    await conn.execute(update(outbox).where(outbox.c.id == notice_id).values(**values))

"""The quarantine from the server itself: what `linli cloud quarantine` does, as the service and not as a person."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.access.domain import EVERYTHING
from cloud.config import CloudConfig
from cloud.ingest import quarantine, repository
from cloud.platform.clock import system_clock
from cloud.platform.database import open_engine, reading, transaction
from cloud.platform.errors import LinliError, NotFound
from cloud.platform.migrate import check_schema
from wire.errors import MalformedPayload
from wire.payload import decode

PATIENCE = timedelta(seconds=15)
"""How long a replay is waited for."""

_LOOK_S = 0.2
_LINE = 32


class NotTaken(LinliError):
    """What was replayed stays in quarantine, or no ingest process has looked at it."""

    code = "not_taken"


@asynccontextmanager
async def _engine(config: CloudConfig) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(config.database_url)
    try:
        await check_schema(engine)
        yield engine
    finally:
        await engine.dispose()


async def describe(config: CloudConfig, *, limit: int) -> list[str]:
    """Give a line for each thing in quarantine, newest first."""
    async with _engine(config) as engine, reading(engine) as conn:
        rows = await repository.list_quarantine(conn, EVERYTHING, before_id=None, limit=limit)
    return [f"{row['id']:>8}  {_time(row['received_ms'])}  {row['topic']}  {_why(row)}" for row in rows]


async def show(config: CloudConfig, quarantine_id: int) -> list[str]:
    """Give all that is known of one thing: reason, bytes, and what they say where that can be read."""
    async with _engine(config) as engine, reading(engine) as conn:
        row = await quarantine.get(conn, None, quarantine_id)
    lines = [f"{name}: {row[name]}" for name in ("topic", "node", "metric", "reason") if row[name] is not None]
    lines.append(f"received: {_time(row['received_ms'])}")
    if row["replay_ms"] is not None:
        lines.append(f"to be replayed since: {_time(row['replay_ms'])}")
    if row["answer"] is not None:
        lines.append(f"last replay: {row['answer']}")
    return [*lines, *_said(row["payload"]), f"bytes: {len(row['payload'])}", *_hex(row["payload"])]


async def replay(config: CloudConfig, quarantine_id: int) -> None:
    """Let ingest take one thing once more, and wait for that; NotTaken says why it stays where it is."""
    async with _engine(config) as engine:
        async with transaction(engine) as conn:
            await quarantine.replay(conn, None, quarantine_id, now_ms=system_clock())
        for _ in range(round(PATIENCE.total_seconds() / _LOOK_S)):
            try:
                async with reading(engine) as conn:
                    row = await quarantine.get(conn, None, quarantine_id)
            except NotFound:
                return  # it is taken
            if row["replay_ms"] is None:
                raise NotTaken(f"{quarantine_id} stays in quarantine: {row['answer']}")
            await asyncio.sleep(_LOOK_S)
    raise NotTaken(f"nobody has looked at {quarantine_id} yet", remedy="does `linli cloud ingest` run and store?")


async def drop(config: CloudConfig, quarantine_id: int) -> None:
    """Delete one thing for good."""
    async with _engine(config) as engine, transaction(engine) as conn:
        await quarantine.drop(conn, None, quarantine_id, now_ms=system_clock())


def _why(row: RowMapping) -> str:
    return row["reason"] if row["metric"] is None else f"{row['metric']}: {row['reason']}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _said(payload: bytes) -> Iterator[str]:
    try:
        found = decode(payload)
    except MalformedPayload:
        return
    for metric in found.metrics:
        name = metric.name or f"alias {metric.alias}"
        yield f"  {name} = {metric.value!r:.80}" + (f" at {metric.timestamp_ms}" if metric.timestamp_ms else "")


def _hex(payload: bytes) -> Iterator[str]:
    for at in range(0, len(payload), _LINE):
        yield f"{at:08x}  {payload[at : at + _LINE].hex(' ')}"

"""Whether anybody receives what agents say: what the pages and REST show is old while ingest does not run.

Ingest says itself when it has no broker (`unheard`). When it was killed, it says nothing any more: then only its lease
tells, which is older than it should be.
"""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.ingest import repository

STALE_MS = 10_000
"""A lease that was beaten every second and has not been for so long is nobody's any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standstill:
    """Nothing has been received since a time (Unix ms), None where nobody knows."""

    since_ms: int | None


async def standstill(conn: AsyncConnection, now_ms: int) -> Standstill | None:
    """Say whether data stands still because no ingest process works on this database; None when one does.

    Without any agent there is nothing that could stand still.
    """
    beat_ms = await repository.newest_beat(conn)
    if beat_ms is not None and now_ms - beat_ms < STALE_MS:
        return None
    agents, heard_ms = await repository.last_heard(conn)
    if not agents:
        return None
    return Standstill(since_ms=beat_ms if beat_ms is not None else heard_ms)

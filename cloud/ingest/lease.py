"""Only one ingest process works on a database: it holds births and sequence numbers in memory, and acknowledges.

The holder beats in a row. Who comes second watches that row by its own monotonic clock: a beat means that the holder
lives, and silence that it was killed. So no clocks of two machines are compared. Each transaction of the holder looks
at the row too: one that was taken for dead and comes back stores nothing any more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.ingest import repository
from cloud.ingest.repository import LeaseRow
from cloud.platform.clock import Clock
from cloud.platform.database import transaction
from cloud.platform.errors import LinliError, Unavailable
from runtime.logs import get_log

BEAT = timedelta(seconds=1)
SILENCE = timedelta(seconds=3)
"""How long a holder must be silent before its lease is taken over."""

_LOOK_S = 0.1


class LeaseTaken(LinliError):
    """Another process holds the lease."""

    status = 503
    code = "lease_taken"

    def __init__(self, process: str) -> None:
        remedy = "stop it first; after a crash its lease runs out by itself within seconds"
        super().__init__(f"another ingest process works on this database: {process} ({remedy})", remedy=remedy)


class Lease:
    """The right to be the one ingest process. `owner` is random; `process` tells people who it is."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        owner: str,
        process: str,
        clock: Clock,
        monotonic: Callable[[], float],
        beat: timedelta = BEAT,
        silence: timedelta = SILENCE,
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._process = process
        self._clock = clock
        self._monotonic = monotonic
        self._beat_s = beat.total_seconds()
        self._silence_s = silence.total_seconds()
        self._log = get_log("cloud.ingest")

    async def take(self) -> None:
        """Become the holder, after a dead one's silence where need be; LeaseTaken when the holder lives."""
        first: LeaseRow | None = None
        since = self._monotonic()
        while True:
            silent = self._monotonic() - since >= self._silence_s
            async with transaction(self._engine) as conn:
                held = await repository.get_lease(conn)
                if held is None or (held == first and silent):
                    await repository.put_lease(
                        conn, owner=self._owner, process=self._process, replaces=held, now_ms=self._clock()
                    )
                    held = await repository.get_lease(conn)
                    if held is not None and held.owner == self._owner:
                        return
            if first is None:
                first = held
                self._log.info("waiting for a sign of another ingest process", process=held.process if held else "")
            elif held != first:
                raise LeaseTaken(held.process if held is not None else "one that has just started")
            await asyncio.sleep(_LOOK_S)

    async def keep(self) -> None:
        """Beat until cancelled; LeaseTaken when somebody else has taken over."""
        while True:
            await asyncio.sleep(self._beat_s)
            try:
                async with transaction(self._engine) as conn:
                    kept = await repository.beat_lease(conn, owner=self._owner, now_ms=self._clock())
                    if not kept:
                        await self.check(conn)
            except (Unavailable, OSError) as error:
                self._log.warning("cannot beat", error=str(error).splitlines()[0])

    async def check(self, conn: AsyncConnection) -> None:
        """Hold the lease until the transaction ends; LeaseTaken when it is no longer ours."""
        held = await repository.get_lease(conn)
        if held is None or held.owner != self._owner:
            raise LeaseTaken(held.process if held is not None else "one that has ended since")

    async def give_back(self) -> None:
        """Let the next process begin at once."""
        try:
            async with transaction(self._engine) as conn:
                await repository.drop_lease(conn, owner=self._owner)
        except (Unavailable, SQLAlchemyError, OSError) as error:
            self._log.warning("cannot give the lease back", error=str(error).splitlines()[0])


@asynccontextmanager
async def held(lease: Lease) -> AsyncIterator[None]:
    """Hold a lease while something runs; LeaseTaken when it cannot be had, or is lost.

    Of what failed together the one error that is meant for people is raised alone.
    """
    await lease.take()
    try:
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(lease.keep(), name="ingest:lease")
            yield
            beating.cancel()
    except ExceptionGroup as errors:
        raise _alone(errors) from errors
    finally:
        await lease.give_back()


def _alone(errors: ExceptionGroup[Exception]) -> Exception:
    inner: Exception = errors
    while isinstance(inner, ExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    if isinstance(inner, ExceptionGroup):
        taken = inner.subgroup(LeaseTaken)
        return _alone(taken) if taken is not None and len(taken.exceptions) == 1 else inner
    return inner

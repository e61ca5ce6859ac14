"""One transaction under way while the next run of data is prepared.

Transactions stay in order, one at a time. When one fails, its run is stored anew, and what was prepared behind it is
worth nothing any more: it rests on a memory that ran ahead of the database.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from cloud.ingest.lease import LeaseTaken
from cloud.ingest.memory import Event, Plan


class Overlap:
    """Prepares a run while the one before is being committed. Not for use by two tasks at once.

    `prepare` plans a run and makes its telemetry durable; `commit` stores the rest of the plan. `anew` forgets what
    runs ahead of the database and stores a run from the beginning, until it has worked. `worked` hears of a success.
    """

    def __init__(
        self,
        *,
        prepare: Callable[[list[Event]], Awaitable[Plan]],
        commit: Callable[[Plan], Coroutine[Any, Any, None]],
        anew: Callable[[list[Event]], Awaitable[None]],
        worked: Callable[[], None],
    ) -> None:
        self._prepare = prepare
        self._commit = commit
        self._anew = anew
        self._worked = worked
        self._flight: tuple[asyncio.Task[None], list[Event]] | None = None

    async def launch(self, run: list[Event]) -> None:
        """Prepare a run, wait for the one before, and begin with the transaction of this one."""
        plan: Plan | None = None
        try:
            plan = await self._prepare(run)
        except LeaseTaken:
            raise
        except Exception:  # noqa: BLE001, S110 - it is tried anew below, where every error is told and dealt with
            pass
        held = await self.land()
        if plan is None or not held:
            await self._anew(run)
        else:
            self._flight = (asyncio.create_task(self._commit(plan), name="ingest:commit"), run)

    async def land(self) -> bool:
        """Wait for the transaction that is under way; False when it failed, and its run was stored anew."""
        flight, self._flight = self._flight, None
        if flight is None:
            return True
        commit, run = flight
        try:
            await commit
        except LeaseTaken:
            raise  # somebody else does this work now
        except Exception:  # noqa: BLE001 - it is tried anew, where every error is told and dealt with
            await self._anew(run)
            return False
        self._worked()
        return True

    async def ended(self, *, unless: asyncio.Event) -> bool:
        """Wait until no transaction is under way, or something else has happened; whether none is."""
        if self._flight is None:
            return True
        other = asyncio.create_task(unless.wait(), name="ingest:unless")
        try:
            await asyncio.wait({self._flight[0], other}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            other.cancel()
        return self._flight[0].done()

    async def abandon(self) -> bool:
        """Let go of the transaction that is under way; whether there was one."""
        flight, self._flight = self._flight, None
        if flight is None:
            return False
        flight[0].cancel()
        await asyncio.gather(flight[0], return_exceptions=True)
        return True

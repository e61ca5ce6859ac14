"""The gates as a part of the agent that is loaded only when there are any, and follows the site file."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from edge.agent import Ear
from edge.gate.plan import GatePlan
from runtime.cancellation import end
from runtime.lifecycle import Backoff

if TYPE_CHECKING:
    from edge.gate.running import GateHost, Gates


class GatePart:
    """Runs the gates of a plan, once there are any, as a task of `tasks`; `hear` is told who hears the devices."""

    def __init__(
        self,
        *,
        tasks: asyncio.TaskGroup,
        host: "Callable[[], GateHost]",
        hear: Callable[[Ear], None],
        backoff: Callable[[], Backoff],
    ) -> None:
        self._tasks = tasks
        self._host = host
        self._hear = hear
        self._backoff = backoff
        self._gates: Gates | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, plan: GatePlan) -> None:
        """Run the gates of a plan; an agent without gates loads nothing of what they need."""
        if plan.house is None:
            return
        from edge.gate.running import Gates  # noqa: PLC0415 - heavy: models, pictures, a web server

        self._gates = Gates(plan, self._host(), backoff=self._backoff())
        self._hear(self._gates.heard)
        self._task = self._tasks.create_task(self._gates.run(), name="gates")

    @asynccontextmanager
    async def changing(self, plan: GatePlan) -> AsyncIterator[None]:
        """Let no door be opened while the agent's lines change; afterwards the gates run by `plan`."""
        if self._gates is None:
            yield
            self.start(plan)
            return
        async with self._gates.changing(plan):
            yield

    async def stop(self) -> None:
        """End the gates; returns when nothing of them runs any more."""
        if self._task is not None:
            await end(self._task)

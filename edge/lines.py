"""The lines that run now: each is started and stopped by itself, and nothing of the others takes note."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping

from drivers.api import PointResult, Reading
from edge.changes import LinePlan
from edge.executor import CommandTarget
from edge.line import Line, Surroundings
from edge.pipeline import DevicePipeline
from runtime.health import Health

_CANCEL_AGAIN_S = 1.0
"""A library may lose a cancellation (see runtime.cancellation)."""


class LineFailed(Exception):
    """A line cannot be made from what the site file says."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name
        super().__init__(f"the bus `{name}` cannot be made: {error}")


class Lines:
    """The lines of one agent; each runs as a task of `tasks`, and shows in `health`."""

    def __init__(self, *, around: Surroundings, tasks: asyncio.TaskGroup, health: Health) -> None:
        self._around = around
        self._tasks = tasks
        self._health = health
        self._running: dict[str, tuple[Line, asyncio.Task[None]]] = {}
        self._of: dict[str, Line] = {}
        self._held: frozenset[str] = frozenset()

    @property
    def down(self) -> int:
        """How many devices do not answer."""
        return sum(len(line.down) for line, _ in tuple(self._running.values()))  # also asked from another thread

    def prepare(self, plans: Mapping[str, LinePlan]) -> tuple[Line, ...]:
        """Make lines, without starting them; what their devices last showed is kept. LineFailed."""
        return tuple(self._make(name, plan) for name, plan in plans.items())

    def _make(self, name: str, plan: LinePlan) -> Line:
        try:
            return Line(name, plan, around=self._around, pipelines=self._known(plan))
        except Exception as error:  # no driver that fails over a changed file may end a running agent
            raise LineFailed(name, error) from error

    def start(self, lines: Iterable[Line]) -> None:
        """Start lines that were prepared."""
        for line in lines:
            task = self._tasks.create_task(line.run(), name=f"line:{line.name}")
            self._running[line.name] = (line, task)
            self._of |= dict.fromkeys(line.plan.devices, line)
            self._health.add(f"bus:{line.name}", line.check)

    def hold(self, names: Collection[str]) -> frozenset[str]:
        """Let the devices of these lines take no more commands, until the lines are stopped; gives the devices."""
        self._held = frozenset(device for name in names for device in self._running[name][0].plan.devices)
        return self._held

    async def stop(self, names: Collection[str]) -> None:
        """Stop lines; returns when their connections are closed and nothing more comes from them."""
        await asyncio.gather(*(self._stop(name) for name in names))
        self._held = frozenset()

    async def stop_all(self) -> None:
        """Stop every line."""
        await self.stop(tuple(self._running))

    async def _stop(self, name: str) -> None:
        line, task = self._running[name]
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_CANCEL_AGAIN_S)
        del self._running[name]
        self._of = {device: one for device, one in self._of.items() if one is not line}
        self._health.remove(f"bus:{name}")

    def rename(self, plans: Mapping[str, LinePlan]) -> None:
        """Take what can change of running lines."""
        for name, plan in plans.items():
            self._running[name][0].rename(plan)

    def target(self, device: str) -> CommandTarget | None:
        """Give a device as commands see it; None when it takes none now."""
        line = self._of.get(device)
        return None if line is None or device in self._held else line.target(device)

    def on_read(self, device: str, results: tuple[PointResult, ...]) -> None:
        """Take what a command's read-back gave; it is a reading like any other."""
        if (line := self._of.get(device)) is not None:
            line.on_read(device, results)

    def _known(self, plan: LinePlan) -> dict[str, DevicePipeline]:
        """Give the pipelines of the plan's devices that are here already under the same profile."""
        return {
            device: line.pipelines[device]
            for device, one in plan.devices.items()
            if (line := self._of.get(device)) is not None and line.last(device, one.identity.profile_hash) is not None
        }

    def birth(self, device: str) -> str:
        """Give the key of the birth under which a device is known now; empty for one that is not here."""
        line = self._of.get(device)
        return "" if line is None else line.birth(device)

    def last(self, device: str, profile_hash: str) -> Callable[[str], Reading] | None:
        """Give what the points of a device last showed; None when it does not run under that profile."""
        line = self._of.get(device)
        return None if line is None else line.last(device, profile_hash)

"""Brings the scheduled troubles about, and ends them."""

import asyncio
import contextlib
import resource
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from simulators.chaos.clock import step_clock
from simulators.chaos.ledger import Excuse, Outage
from simulators.chaos.schedule import CLOUD_MACHINE, Kind, Trouble
from simulators.chaos.stack import CLOUD, Stack
from simulators.chaos.wal import tear
from simulators.control import ControlError
from simulators.control import tell as tell_devices

_TINY = 4096
"""A process that may not write beyond this many bytes of any file has a full disk, as far as it can tell."""


@dataclass(kw_only=True)
class Troublemaker:
    """Carries out troubles, and knows when which devices could not be read, or what was read could be forgotten.

    `happened` is (Unix milliseconds, what) in words; `vanished` are records that a journal had promised and lost.
    """

    stack: Stack
    random: Random
    tell: Callable[[str], None]
    happened: list[tuple[float, str]] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    _full: dict[str, tuple[float, float]] = field(default_factory=dict)

    def note(self, what: str) -> None:
        """Say what happens."""
        self.happened.append((time.time() * 1000, what))
        self.tell(what)

    async def play(self, trouble: Trouble) -> None:
        """Bring a trouble about, wait, and end it."""
        began_ms = time.time() * 1000
        self.note(trouble.words)
        try:
            await self._begin(trouble)
            await asyncio.sleep(trouble.lasts)
        finally:
            await asyncio.shield(self._end(trouble))
            self._outage(trouble, began_ms)

    async def _begin(self, trouble: Trouble) -> None:
        target = trouble.target
        match trouble.kind:
            case Kind.KILL | Kind.TEAR | Kind.WIPE:
                await self.stack.kill(target)
                await self._look_into_dead(trouble)
            case Kind.CUT:
                self.stack.links[target].cut()
            case Kind.FREEZE:
                self.stack.links[target].freeze()
            case Kind.DELAY:
                self.stack.links[target].delay_s = trouble.amount
            case Kind.DISK:
                self._limit_files(target, _TINY)
            case Kind.CLOCK:
                self._step(target, trouble.amount)
            case Kind.LINE:
                await self._line(target, "fault")

    async def _end(self, trouble: Trouble) -> None:
        target = trouble.target
        match trouble.kind:
            case Kind.KILL | Kind.TEAR | Kind.WIPE:
                await self.stack.revive(target)
            case Kind.CUT | Kind.FREEZE | Kind.DELAY:
                self.stack.links[target].mend()
            case Kind.DISK:
                self._limit_files(target, resource.RLIM_INFINITY)
            case Kind.CLOCK:
                self._step(target, 0.0)
            case Kind.LINE:
                await self._line(target, "clear")

    def _step(self, target: str, seconds: float) -> None:
        for name in CLOUD if target == CLOUD_MACHINE else (target,):
            step_clock(self.stack.clock(name), seconds)

    async def _look_into_dead(self, trouble: Trouble) -> None:
        if trouble.target in self.stack.town.agents:
            await self.look(trouble.target)
        if trouble.kind is Kind.TEAR:
            file = self.stack.logs[trouble.target].file
            done = await asyncio.to_thread(tear, file.with_name(f"{file.name}-wal"), self.random)
            self.note(f"{trouble.target}: {done}")
            await self.look(trouble.target)  # everything that was promised must still be there
        elif trouble.kind is Kind.WIPE:
            await asyncio.to_thread(shutil.rmtree, self.stack.layout.broker / "data", ignore_errors=True)

    async def look(self, agent: str) -> None:
        """Copy out what the journal of an agent that is dead has accepted, and miss what it had promised."""
        look = await asyncio.to_thread(self.stack.logs[agent].look)
        if look is None:
            self.vanished.append(f"{agent}: the journal cannot be read")
        elif look.vanished:
            self.vanished.append(f"{agent}: {len(look.vanished)} accepted records are gone from the journal")

    def _limit_files(self, name: str, limit: int) -> None:
        with contextlib.suppress(KeyError, ProcessLookupError):
            resource.prlimit(self.stack.child(name).process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    async def _line(self, line: str, do: str) -> None:
        device = self.stack.town.lines[line][0]
        with contextlib.suppress(ControlError):
            await asyncio.to_thread(tell_devices, self.stack.layout.simulators, device, do, "line-dropped")

    def _outage(self, trouble: Trouble, began_ms: float) -> None:
        """Note which devices could not be heard meanwhile, or whose readings could be forgotten."""
        town, target, ended_ms = self.stack.town, trouble.target, time.time() * 1000
        if target in town.agents and trouble.kind is Kind.DISK:
            self._full[target] = (began_ms, ended_ms)
        elif target in town.agents and trouble.kind in {Kind.KILL, Kind.TEAR}:
            self.outages.append(self._death(target, began_ms, ended_ms))
        line = target.removesuffix(":devices")
        if line in town.lines:
            broken = Outage(why=Excuse.LINE, devices=frozenset(town.lines[line]), from_ms=began_ms, to_ms=ended_ms)
            self.outages.append(broken)

    def _death(self, agent: str, from_ms: float, to_ms: float) -> Outage:
        """Say what the death of an agent excuses: what waited in its memory for a place on the disk among it."""
        devices = frozenset(self.stack.town.devices_of(agent))
        full = self._full.get(agent)
        if full is None or from_ms - full[1] > WRITTEN_MS:
            return Outage(why=Excuse.AGENT, devices=devices, from_ms=from_ms, to_ms=to_ms)
        return Outage(why=Excuse.DISK, devices=devices, from_ms=from_ms, to_ms=to_ms, unwritten_ms=full[0])


WRITTEN_MS = 40_000.0
"""So long after its disk was full an agent may still wait before it tries to write again."""

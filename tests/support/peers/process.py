"""A peer in a process of its own, which speaks JSON lines: what to do goes in, what it saw comes out."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.broker import Broker

HERE = Path(__file__).parent
Said = dict[str, Any]


@dataclass(kw_only=True)
class Peer:
    """A running peer, and all that it said."""

    process: asyncio.subprocess.Process
    said: list[Said] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def do(self, what: str, **more: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        await self.process.stdin.drain()

    def of(self, kind: str) -> list[Said]:
        """What it said of one kind, such as NBIRTH."""
        return [one for one in self.said if one["kind"] == kind]

    async def until(self, what: str, holds: Callable[[], object], *, within: float = 30.0) -> None:
        try:
            async with asyncio.timeout(within):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within} s: {what}; it said {self.said}") from None

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(json.loads(line))
            self._news.set()


@contextlib.asynccontextmanager
async def running_peer(
    python: Path, script: str, broker: Broker, *arguments: str, user: str, password: str
) -> AsyncIterator[Peer]:
    """Run a script of this folder with its own Python; it is ready when it says so."""
    process = await asyncio.create_subprocess_exec(
        python,
        HERE / script,
        broker.host,
        str(broker.port),
        user,
        password,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**22,
    )
    peer = Peer(process=process)
    listening = asyncio.create_task(peer.listen(), name="peer")
    try:
        await peer.until("that it is ready", lambda: peer.of("ready"))
        yield peer
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening

"""The network between two processes: a TCP relay that can be cut, fall silent, or be slow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_PIECE = 65536


@dataclass(kw_only=True, slots=True)
class _Passage:
    """One connection; `lost` when the network forgot it, so that nothing of it arrives any more."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    lost: bool = False


@dataclass(kw_only=True)
class Link:
    """Passes everything on to `target` on this machine, as long as the network is well.

    Cut: connections break, and nobody gets through. Silent: connections stand, and nothing arrives; when it is over,
    those that were silent go on if both ends still hold them, as TCP does. Slow: everything takes `delay_s` longer.
    """

    target: int
    port: int = 0
    delay_s: float = 0.0
    is_cut: bool = False
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _passages: list[_Passage] = field(default_factory=list)

    def cut(self) -> None:
        """Break all connections, and let nobody through."""
        self.is_cut = True
        for passage in self._passages:
            passage.lost = True
            for writer in (passage.near, passage.far):
                writer.transport.abort()

    def freeze(self) -> None:
        """Let nothing arrive."""
        self._open.clear()

    def mend(self) -> None:
        """Let the network be well again."""
        self.is_cut, self.delay_s = False, 0.0
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if self.is_cut:
            writer.transport.abort()
            return
        await self._open.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        passage = _Passage(near=writer, far=far_writer)
        self._passages.append(passage)
        try:
            await asyncio.gather(self._carry(passage, reader, far_writer), self._carry(passage, far_reader, writer))
        finally:
            self._passages.remove(passage)
            for one in (writer, far_writer):
                one.transport.abort()

    async def _carry(self, passage: _Passage, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(_PIECE):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._open.wait()
                if passage.lost or source.at_eof():
                    # Whoever sent it has gone: on a network that was silent it never arrived.
                    break
                sink.write(data)
                await sink.drain()
        if not sink.is_closing():
            sink.close()


@contextlib.asynccontextmanager
async def linked(target: int) -> AsyncIterator[Link]:
    """Give a link to a port while the context lasts."""
    link = Link(target=target)
    link.mend()
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    link.port = int(server.sockets[0].getsockname()[1])
    try:
        yield link
    finally:
        server.close()
        link.cut()
        link.mend()
        await asyncio.sleep(0.05)

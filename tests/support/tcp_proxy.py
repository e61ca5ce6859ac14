"""A TCP proxy whose connections can go dead without a word, as behind a firewall that forgot them."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator


class Proxy:
    """Passes everything on to `target`. What goes through a frozen connection disappears; new ones are good again.

    The next `resets` connections are reset as soon as they have said something.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.connections = 0
        self.resets = 0
        self._target = target
        self._frozen: set[int] = set()
        self._writers: list[asyncio.StreamWriter] = []

    def freeze(self) -> None:
        """Let every connection that stands now go dead; neither side hears of it."""
        self._frozen = set(range(1, self.connections + 1))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        if self.resets > 0:
            self.resets -= 1
            await reader.read(1)
            peer: socket.socket = writer.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, far_writer]
        await asyncio.gather(self._pump(number, reader, far_writer), self._pump(number, far_reader, writer))

    async def _pump(self, number: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(4096):
                if number not in self._frozen:
                    sink.write(data)
        sink.close()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def proxied(target: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.close()
        await asyncio.sleep(0.05)

"""What all servers of cameras have in common: connections that can be dropped, or left open with nobody behind them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from simulators.devices import Devices
from simulators.transport import Clients, serve_clients

_MOST_UNSENT = 256 * 1024
_LONGEST_HEAD = 16_384


class Connection:
    """One client. Once it is forgotten, whoever serves it waits for ever at its next step."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.forgotten = False
        writer.transport.set_write_buffer_limits(high=_MOST_UNSENT)

    async def head(self) -> list[str]:
        """Read a request's head up to its blank line; EOFError at the end of the connection."""
        await self._live()
        text = await self._reader.readuntil(b"\r\n\r\n")
        await self._live()
        return text.decode("latin-1").split("\r\n")[:-2]

    async def exactly(self, count: int) -> bytes:
        """Read so many bytes."""
        return await self._reader.readexactly(count)

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        await self._live()
        self._writer.write(data)
        await self._writer.drain()

    @property
    def is_behind(self) -> bool:
        """Whether the client has not taken yet what was sent: then a camera drops pictures."""
        return self._writer.transport.get_write_buffer_size() > 0

    def forget(self) -> None:
        """Neither read nor answer any more, and do not close it: what a lost peer looks like."""
        self.forgotten = True

    def close(self) -> None:
        """Cut it."""
        self._writer.transport.abort()

    async def _live(self) -> None:
        if self.forgotten:
            await asyncio.Event().wait()  # nobody ever sets it


Serve = Callable[[Connection], Awaitable[None]]


@asynccontextmanager
async def serve_connections(devices: Devices[Any], serve: Serve, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def one(connection: Connection, clients: Clients) -> None:
        clients.add(connection)
        try:
            # EOFError: the client went; LimitOverrunError: it sends no head.
            with suppress(ConnectionError, EOFError, asyncio.LimitOverrunError, ValueError):
                await serve(connection)
        finally:
            clients.discard(connection)
            connection.close()

    def accept(clients: Clients) -> asyncio.BaseProtocol:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = loop.create_task(one(Connection(reader, writer), clients), name="camera-client")
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=_LONGEST_HEAD, loop=loop), connected, loop=loop)

    async with serve_clients(devices, accept, host=host, port=port) as used:
        try:
            yield used
        finally:
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

"""What all servers of cameras have in common: connections that can be dropped, or left open with nobody behind them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from simulators.devices import Devices
from simulators.disturbances import Kind
from simulators.pseudo_terminal import LineUnavailable

_MOST_UNSENT = 256 * 1024
_LONGEST_HEAD = 16_384


class Connection:
    """One client. Once it is forgotten, whoever serves it waits for ever at its next step."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._forgotten = False
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
        self._forgotten = True

    def abort(self) -> None:
        """Drop it."""
        self._writer.transport.abort()

    async def _live(self) -> None:
        if self._forgotten:
            await asyncio.Event().wait()  # nobody ever sets it


Serve = Callable[[Connection], Awaitable[None]]


@asynccontextmanager
async def serve_connections(devices: Devices[Any], serve: Serve, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken."""
    served: dict[asyncio.Task[None], Connection] = {}

    async def one(connection: Connection) -> None:
        # EOFError: the client went; LimitOverrunError: it sends no head.
        with suppress(ConnectionError, EOFError, asyncio.LimitOverrunError, ValueError):
            await serve(connection)
        connection.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        if Kind.LINE_DROPPED in devices.line:
            connection.abort()
            return
        task = asyncio.get_running_loop().create_task(one(connection), name="camera-client")
        served[task] = connection
        task.add_done_callback(lambda done: served.pop(done, None))

    def on_line() -> None:
        for connection in tuple(served.values()):
            if Kind.LINE_DROPPED in devices.line:
                connection.abort()
            elif Kind.HALF_OPEN in devices.line:
                connection.forget()

    try:
        server = await asyncio.start_server(accept, host, port, limit=_LONGEST_HEAD)
    except OSError as error:
        remedy = "stop what uses it, or change the scene's `port`"
        why = f"cannot listen on {host}:{port}: {error.strerror or error}; {remedy}"
        raise LineUnavailable(why) from error
    devices.watch(on_line)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        devices.unwatch(on_line)
        server.close()
        for task, connection in tuple(served.items()):
            connection.abort()
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)
        await server.wait_closed()

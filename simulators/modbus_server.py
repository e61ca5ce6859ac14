"""Modbus servers on real transports: a TCP port, and a pseudo-terminal that a serial master opens like any line.

Not pymodbus's server: it hides the moment at which an answer is handed over, which the witness must note, and the
drivers already use its codec (see modbus_frames).
"""

import asyncio
import os
import pty
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from runtime.logs import get_log
from simulators import modbus_frames as frames
from simulators.station import Stations

_SILENCE_S = 0.05  # what is left of a request after such a pause is noise; a pty delivers a frame in far less
_CHUNK = 4096


class LineUnavailable(Exception):
    """A line cannot be opened; the text says why and what to do."""


@asynccontextmanager
async def serve_tcp(stations: Stations, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken."""
    connections: set[_TcpConnection] = set()
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: _TcpConnection(stations, connections), host, port)
    except OSError as error:
        remedy = "stop what uses it, or change the scene's `port`"
        why = f"cannot listen on {host}:{port}: {error.strerror or error}; {remedy}"
        raise LineUnavailable(why) from error
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for connection in tuple(connections):
            connection.close()
        await server.wait_closed()


@asynccontextmanager
async def serve_rtu(stations: Stations, *, link: Path) -> AsyncIterator[Path]:
    """Serve on a new pseudo-terminal, which `link` points to while the context lasts; masters may come and go.

    LineUnavailable when `link` is something else than a link, or cannot be made.
    """
    try:
        master, slave = pty.openpty()
    except OSError as error:
        raise LineUnavailable(f"no pseudo-terminal: {error}; is /dev/pts mounted?") from error
    # The simulator keeps the slave open too: a master that closes it would hang up the line for good.
    loop = asyncio.get_running_loop()
    line = _RtuLine(stations, master, loop)
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        _point(link, os.ttyname(slave))
        loop.add_reader(master, line.on_readable)
        yield link
    finally:
        loop.remove_reader(master)
        line.close()
        _unpoint(link, os.ttyname(slave))
        os.close(master)
        os.close(slave)


def _point(link: Path, target: str) -> None:
    """Make or turn a link in one step, so that nobody ever finds it missing."""
    if link.exists() and not link.is_symlink():
        raise LineUnavailable(f"{link} is not a link; move it away, or change the scene's `link`")
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            fresh.unlink()
        fresh.symlink_to(target)
        fresh.replace(link)
    except OSError as error:
        raise LineUnavailable(f"{link} cannot be made: {error.strerror or error}") from error


def _unpoint(link: Path, target: str) -> None:
    """Take the link away, unless another simulator has turned it to its own line."""
    with suppress(OSError):
        if str(link.readlink()) == target:
            link.unlink()


class _TcpConnection(asyncio.Protocol):
    def __init__(self, stations: Stations, connections: "set[_TcpConnection]") -> None:
        self._stations = stations
        self._connections = connections
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._buffer += data
        try:
            while (frame := frames.take_tcp(self._buffer)) is not None:
                transport.write(self._stations.answer_tcp(frame))
        except ValueError as error:
            get_log("simulators.modbus").warning("connection dropped", why=str(error))
            transport.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _RtuLine:
    def __init__(self, stations: Stations, master: int, loop: asyncio.AbstractEventLoop) -> None:
        self._stations = stations
        self._master = master
        self._loop = loop
        self._buffer = bytearray()
        self._silence: asyncio.TimerHandle | None = None

    def on_readable(self) -> None:
        """Take what came; a garbled or unfinished request is thrown away once the line is silent."""
        try:
            self._buffer += os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        if self._silence is not None:
            self._silence.cancel()
        with suppress(ValueError):
            while (frame := frames.take_rtu(self._buffer)) is not None:
                self._send(self._stations.answer_rtu(frame))
        if self._buffer:
            self._silence = self._loop.call_later(_SILENCE_S, self._buffer.clear)

    def close(self) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def _send(self, data: bytes | None) -> None:
        if data is not None:
            with suppress(BlockingIOError):  # nobody reads the line, and its buffer is full
                os.write(self._master, data)

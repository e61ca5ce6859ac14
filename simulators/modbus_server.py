"""Modbus servers on real transports: a TCP port, and a pseudo-terminal that a serial master opens like any line.

Not pymodbus's server: it hides the moment at which an answer is handed over, which the witness must note, and the
drivers already use its codec (see modbus_frames).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from runtime.logs import get_log
from simulators import modbus_frames as frames
from simulators.disturbances import Kind
from simulators.pseudo_terminal import LineUnavailable, PseudoTerminal
from simulators.station import Stations
from simulators.transmitter import Reply, Transmitter

_SILENCE_S = 0.05  # what is left of a request after such a pause is noise; a pty delivers a frame in far less
_BITS = 10  # of a character on the wire: start, eight, stop
_UNIT_AND_CRC = 3
_RETRY_S = 0.5
_Hear = Callable[[Stations, bytearray], Iterator[Reply | None]]
"""Takes whole requests out of what came, and gives what is to be answered to each."""


@asynccontextmanager
async def serve_tcp(stations: Stations, *, host: str, port: int, serial_frames: bool = False) -> AsyncIterator[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken.

    With `serial_frames` it carries the frames of a serial line, as cheap gateways do.
    """
    server = _TcpServer(stations, host, port, hear=_serial_frames if serial_frames else _tcp_frames)
    try:
        await server.listen()
    except OSError as error:
        remedy = "stop what uses it, or change the scene's `port`"
        why = f"cannot listen on {host}:{port}: {error.strerror or error}; {remedy}"
        raise LineUnavailable(why) from error
    stations.watch(server.on_line)
    try:
        yield server.port
    finally:
        stations.unwatch(server.on_line)
        await server.close()


@asynccontextmanager
async def serve_rtu(stations: Stations, *, link: Path, baudrate: int | None = None) -> AsyncIterator[Path]:
    """Serve on a new pseudo-terminal, which `link` points to while the context lasts; masters may come and go.

    With `baudrate` requests and answers take the time that a wire (8N1) would take. LineUnavailable when `link` is
    something else than a link, or cannot be made.
    """
    line = _RtuLine(stations, link, byte_s=_BITS / baudrate if baudrate else 0.0)
    line.open()
    stations.watch(line.on_line)
    try:
        yield link
    finally:
        stations.unwatch(line.on_line)
        line.close()


def _tcp_frames(stations: Stations, buffer: bytearray) -> Iterator[Reply | None]:
    while (frame := frames.take_tcp(buffer)) is not None:
        yield stations.reply_tcp(frame)


def _serial_frames(stations: Stations, buffer: bytearray) -> Iterator[Reply | None]:
    try:
        while (frame := frames.take_rtu(buffer)) is not None:
            yield stations.reply_rtu(frame)
    except ValueError:
        buffer.clear()  # noise on the line is no fault of the connection


class _TcpServer:
    """A listening port and its connections; gone and back again as the line's disturbances say."""

    def __init__(self, stations: Stations, host: str, port: int, *, hear: _Hear) -> None:
        self.port = port
        self._hear = hear
        self._stations = stations
        self._host = host
        self._server: asyncio.Server | None = None
        self._connections: set[_TcpConnection] = set()
        self._restoring: asyncio.Task[None] | None = None
        self._half_open = False

    async def listen(self) -> None:
        def connection() -> _TcpConnection:
            return _TcpConnection(self._stations, self._connections, self._hear)

        self._server = await asyncio.get_running_loop().create_server(connection, self._host, self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def on_line(self) -> None:
        """Follow the line's disturbances."""
        if Kind.LINE_DROPPED in self._stations.line:
            self._drop()
        elif self._server is None and self._restoring is None:
            self._restoring = asyncio.create_task(self._restore(), name=f"simulators:restore:{self.port}")
        half_open = Kind.HALF_OPEN in self._stations.line
        if half_open and not self._half_open:
            for connection in self._connections:
                connection.forget()
        elif self._half_open and not half_open:
            for connection in tuple(self._connections):
                if connection.forgotten:
                    connection.close()
        self._half_open = half_open

    async def close(self) -> None:
        server, restoring = self._server, self._restoring
        self._drop()
        if restoring is not None:
            await asyncio.gather(restoring, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    def _drop(self) -> None:
        if self._restoring is not None:
            self._restoring.cancel()
            self._restoring = None
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self._connections):
            connection.close()

    async def _restore(self) -> None:
        while self._server is None:
            try:
                await self.listen()
            except OSError as error:
                get_log("simulators.modbus").warning("port not back yet", port=self.port, why=str(error))
                await asyncio.sleep(_RETRY_S)
        self._restoring = None


class _TcpConnection(asyncio.Protocol):
    def __init__(self, stations: Stations, connections: "set[_TcpConnection]", hear: _Hear) -> None:
        self._hear = hear
        self.forgotten = False
        self._stations = stations
        self._connections = connections
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._transmitter = Transmitter(self._write)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transmitter.close()
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or self.forgotten:
            return
        self._buffer += data
        try:
            for reply in self._hear(self._stations, self._buffer):
                if reply is not None:
                    self._transmitter.send(reply)
        except ValueError as error:
            get_log("simulators.modbus").warning("connection dropped", why=str(error))
            transport.close()

    def forget(self) -> None:
        """Neither read nor answer any more, and do not close it: what a lost peer looks like."""
        self.forgotten = True
        self._transmitter.close()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def close(self) -> None:
        self._transmitter.close()
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class _RtuLine:
    """A serial line; gone and back again as the line's disturbances say."""

    def __init__(self, stations: Stations, link: Path, *, byte_s: float) -> None:
        self._stations = stations
        self._terminal = PseudoTerminal(link, hear=self._hear)
        self._buffer = bytearray()
        self._silence: asyncio.TimerHandle | None = None
        self._transmitter = Transmitter(self._terminal.write, byte_s=byte_s)

    def open(self) -> None:
        """Bring the line up; LineUnavailable."""
        self._terminal.open()

    def close(self) -> None:
        """Take the line away; whoever has it open is hung up."""
        self._transmitter.close()
        self._buffer.clear()
        if self._silence is not None:
            self._silence.cancel()
        self._terminal.close()

    def on_line(self) -> None:
        """Follow the line's disturbances."""
        if Kind.LINE_DROPPED in self._stations.line:
            self.close()
        elif not self._terminal.is_open:
            try:
                self.open()
            except LineUnavailable as error:
                get_log("simulators.modbus").error("line not restored", why=str(error))

    def _hear(self, data: bytes) -> None:
        """Take what came; a garbled or unfinished request is thrown away once the line is silent."""
        self._buffer += data
        if self._silence is not None:
            self._silence.cancel()
        with suppress(ValueError):
            while (frame := frames.take_rtu(self._buffer)) is not None:
                self._transmitter.heard(len(frame.pdu) + _UNIT_AND_CRC)
                reply = self._stations.reply_rtu(frame)
                if reply is not None:
                    self._transmitter.send(reply)
        if self._buffer:
            self._silence = asyncio.get_running_loop().call_later(_SILENCE_S, self._buffer.clear)

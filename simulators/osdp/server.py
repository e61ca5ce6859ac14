"""Lines of simulated readers on real transports: a TCP port as a serial server has it, and a pseudo-terminal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.logs import get_log
from simulators.disturbances import Kind
from simulators.osdp.frames import Splitter
from simulators.osdp.station import ReaderStations
from simulators.pseudo_terminal import LineUnavailable, PseudoTerminal
from simulators.transmitter import Transmitter

_SILENCE_S = 0.1  # what is left of a command after such a pause is noise
_BITS = 10  # of a character on the wire: start, eight, stop


@asynccontextmanager
async def serve_readers_tcp(stations: ReaderStations, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken."""
    connections: set[_Connection] = set()
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: _Connection(stations, connections), host, port)
    except OSError as error:
        remedy = "stop what uses it, or change the scene's `port`"
        why = f"cannot listen on {host}:{port}: {error.strerror or error}; {remedy}"
        raise LineUnavailable(why) from error

    def on_line() -> None:
        for connection in tuple(connections):
            if Kind.LINE_DROPPED in stations.line:
                connection.close()
            elif Kind.HALF_OPEN in stations.line:
                connection.forget()

    stations.watch(on_line)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        stations.unwatch(on_line)
        server.close()
        for connection in tuple(connections):
            connection.close()
        await server.wait_closed()


@asynccontextmanager
async def serve_readers_pty(
    stations: ReaderStations, *, link: Path, baudrate: int | None = None
) -> AsyncIterator[Path]:
    """Serve on a new pseudo-terminal, which `link` points to while the context lasts; panels may come and go.

    With `baudrate` frames take the time that a wire (8N1) would take. LineUnavailable when `link` cannot be made.
    """
    line = _ReaderLine(stations, link, byte_s=_BITS / baudrate if baudrate else 0.0)
    line.open()
    stations.watch(line.on_line)
    try:
        yield link
    finally:
        stations.unwatch(line.on_line)
        line.close()


class _Ear:
    """Takes commands out of bytes, and has them answered."""

    def __init__(self, stations: ReaderStations, transmitter: Transmitter) -> None:
        self._stations = stations
        self._transmitter = transmitter
        self._splitter = Splitter()
        self._silence: asyncio.TimerHandle | None = None

    def hear(self, data: bytes) -> None:
        if self._silence is not None:
            self._silence.cancel()
        for heard in self._splitter.feed(data):
            self._transmitter.heard(len(heard.whole))
            for station in self._stations.by_name.values():
                if (reply := station.hear(heard)) is not None:
                    self._transmitter.send(reply)
        if self._splitter.waiting:
            self._silence = asyncio.get_running_loop().call_later(_SILENCE_S, self._splitter.forget)

    def close(self) -> None:
        self._splitter.forget()
        self._transmitter.close()
        if self._silence is not None:
            self._silence.cancel()


class _Connection(asyncio.Protocol):
    def __init__(self, stations: ReaderStations, connections: "set[_Connection]") -> None:
        self._stations = stations
        self._connections = connections
        self._ear = _Ear(stations, Transmitter(self._write))
        self._transport: asyncio.Transport | None = None
        self._forgotten = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._connections.add(self)
        if Kind.LINE_DROPPED in self._stations.line:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._ear.close()
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if not self._forgotten:
            self._ear.hear(data)

    def forget(self) -> None:
        """Neither read nor answer any more, and do not close it: what a lost peer looks like."""
        self._forgotten = True
        self._ear.close()

    def close(self) -> None:
        self._ear.close()
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class _ReaderLine:
    """A serial line; gone and back again as the line's disturbances say."""

    def __init__(self, stations: ReaderStations, link: Path, *, byte_s: float) -> None:
        self._stations = stations
        self._terminal = PseudoTerminal(link, hear=self._hear)
        self._ear = _Ear(stations, Transmitter(self._terminal.write, byte_s=byte_s))

    def open(self) -> None:
        """Bring the line up; LineUnavailable."""
        self._terminal.open()

    def close(self) -> None:
        """Take the line away; whoever has it open is hung up."""
        self._ear.close()
        self._terminal.close()

    def on_line(self) -> None:
        """Follow the line's disturbances."""
        if Kind.LINE_DROPPED in self._stations.line:
            self.close()
        elif not self._terminal.is_open:
            try:
                self.open()
            except LineUnavailable as error:
                get_log("simulators.osdp").error("line not restored", why=str(error))

    def _hear(self, data: bytes) -> None:
        self._ear.hear(data)

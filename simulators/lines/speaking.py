"""Lines with one device that speaks by itself: how a scene describes them, and their two transports.

As on a serial server's TCP port, everybody who is connected hears what the device says, and what nobody hears is lost.
"""

import asyncio
from abc import ABC
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self, TypeVar

from pydantic import Field, model_validator

from runtime.logs import get_log
from simulators.devices import Devices, Played
from simulators.disturbances import Kind, Transport
from simulators.lines.base import Baudrate, LineContext, Link, SceneDevice, SceneLine
from simulators.pseudo_terminal import LineUnavailable, PseudoTerminal
from simulators.transmitter import Reply, Transmitter

_RETRY_S = 0.2
_BITS = 10  # of a byte on the wire: start, eight, stop


class SpeakingLine(SceneLine, ABC):
    """One device: a pseudo-terminal at `<data>/<link>`, or (with `port`) a serial server's TCP port.

    With `baudrate` what it says takes the time that it would take on the wire.
    """

    protocol: str
    devices: tuple[SceneDevice, ...] = Field(min_length=1, max_length=1)
    link: Link | None = None
    baudrate: Baudrate | None = None
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int | None = Field(default=None, ge=0, le=65535)

    @property
    def members(self) -> tuple[SceneDevice, ...]:
        """Its device."""
        return self.devices

    def _endpoint_of(self, number: int) -> dict[str, object]:
        return {"link": self.link and f"{self.link}-{number}", "port": self.port and self.port + number - 1}

    @property
    def transport(self) -> Transport:
        """What carries the bytes."""
        return Transport.TCP if self.link is None else Transport.SERIAL

    @property
    def endpoint(self) -> tuple[str, object]:
        """Its link, or its port."""
        return ("link", self.link) if self.link is not None else ("port", (self.host, self.port or self.name))

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.link is None) == (self.port is None):
            raise ValueError("a line of a device that speaks by itself has either `link` or `port`")
        return self


class Speaker(Played, Protocol):
    """A device that speaks by itself. Whoever serves its line sets `say`."""

    say: Callable[[Reply], None]

    def hear(self, data: bytes) -> None:
        """Take what a master sends, if anything."""
        ...


Heard = TypeVar("Heard", bound=Speaker)


def nobody_hears(reply: Reply) -> None:
    """Say something where no line is served yet."""


async def serve(line: SpeakingLine, devices: Devices[Heard], context: LineContext) -> str:
    """Serve a line until the context's stack is closed; gives where it is. LineUnavailable."""
    if line.link is not None:
        served = speaking_pty(devices, link=context.data / line.link, baudrate=line.baudrate)
        return str(await context.stack.enter_async_context(served))
    port = await context.stack.enter_async_context(
        speaking_tcp(devices, host=line.host, port=line.port or 0, baudrate=line.baudrate)
    )
    return f"{line.host}:{port}"


@asynccontextmanager
async def speaking_tcp(
    devices: Devices[Heard], *, host: str, port: int, baudrate: int | None = None
) -> AsyncIterator[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken."""
    (speaker,) = devices.by_name.values()
    served = _TcpPort(devices, speaker, host, port, byte_s=_BITS / baudrate if baudrate else 0.0)
    try:
        await served.listen()
    except OSError as error:
        remedy = "stop what uses it, or change the scene's `port`"
        why = f"cannot listen on {host}:{port}: {error.strerror or error}; {remedy}"
        raise LineUnavailable(why) from error
    devices.watch(served.on_line)
    speaker.say = served.say
    try:
        yield served.port
    finally:
        speaker.say = nobody_hears
        devices.unwatch(served.on_line)
        await served.close()


@asynccontextmanager
async def speaking_pty(devices: Devices[Heard], *, link: Path, baudrate: int | None = None) -> AsyncIterator[Path]:
    """Serve on a new pseudo-terminal, which `link` points to while the context lasts; LineUnavailable."""
    (speaker,) = devices.by_name.values()
    terminal = PseudoTerminal(link, hear=speaker.hear)
    transmitter = Transmitter(terminal.write, byte_s=_BITS / baudrate if baudrate else 0.0)

    def on_line() -> None:
        if Kind.LINE_DROPPED in devices.line:
            transmitter.close()
            terminal.close()
        elif not terminal.is_open:
            terminal.open()

    def say(reply: Reply) -> None:
        if terminal.is_open:
            transmitter.send(reply)

    terminal.open()
    devices.watch(on_line)
    speaker.say = say
    try:
        yield link
    finally:
        speaker.say = nobody_hears
        devices.unwatch(on_line)
        transmitter.close()
        terminal.close()


class _TcpPort:
    """A port that is taken away and comes back in the same place, and its connections."""

    def __init__(self, devices: Devices[Heard], speaker: Heard, host: str, port: int, *, byte_s: float) -> None:
        self.port = port
        self._line = devices.line
        self._speaker = speaker
        self._host = host
        self._byte_s = byte_s
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._restoring: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """Open the port; OSError when it cannot be had."""
        self._server = await asyncio.get_running_loop().create_server(self._connection, self._host, self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def on_line(self) -> None:
        """Follow the line's disturbances."""
        if Kind.LINE_DROPPED in self._line:
            self._drop()
        elif self._server is None and self._restoring is None:
            self._restoring = asyncio.create_task(self._restore(), name=f"simulators:restore:{self.port}")
        if Kind.HALF_OPEN in self._line:
            for connection in self._connections:
                connection.forget()

    def say(self, reply: Reply) -> None:
        """Send to everybody; noted once, however many hear it."""
        for number, connection in enumerate(tuple(self._connections)):
            connection.say(reply if number == 0 else replace(reply, note=_nothing))

    async def close(self) -> None:
        """Close the port and its connections."""
        server, restoring = self._server, self._restoring
        self._drop()
        if restoring is not None:
            await asyncio.gather(restoring, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    def _connection(self) -> "_Connection":
        return _Connection(self._speaker.hear, self._connections, self._byte_s)

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
                get_log("simulators.lines").warning("port not back yet", port=self.port, why=str(error))
                await asyncio.sleep(_RETRY_S)
        self._restoring = None


class _Connection(asyncio.Protocol):
    def __init__(self, hear: Callable[[bytes], None], connections: "set[_Connection]", byte_s: float) -> None:
        self._hear = hear
        self._connections = connections
        self._transmitter = Transmitter(self._write, byte_s=byte_s)
        self._transport: asyncio.Transport | None = None
        self._forgotten = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transmitter.close()
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if not self._forgotten:
            self._hear(data)

    def say(self, reply: Reply) -> None:
        """Send something, unless this connection is forgotten."""
        if not self._forgotten:
            self._transmitter.send(reply)

    def forget(self) -> None:
        """Neither read nor say anything any more, and do not close it: what a lost peer looks like."""
        self._forgotten = True
        self._transmitter.close()

    def close(self) -> None:
        """Cut it."""
        self._transmitter.close()
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _nothing() -> None:
    """Note nothing."""

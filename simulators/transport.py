"""How a line's bytes come and go: a TCP port, or a pseudo-terminal, with whatever disturbs the line itself.

Whoever answers on a line gives a `Listen`: it is called with the transmitter of every conversation that begins (a
connection, or a serial line that is up), and hears that conversation. Both ends of it are closed here.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from runtime.logs import get_log
from simulators.devices import Devices
from simulators.disturbances import Kind
from simulators.pseudo_terminal import LineUnavailable, PseudoTerminal
from simulators.transmitter import Transmitter

_RETRY_S = 0.5
_LOG = "simulators.transport"


class Ear(Protocol):
    """What hears one conversation."""

    silence_s: float | None
    """After such a pause whatever is unfinished is noise; None where it may be finished at any time."""

    def hear(self, data: bytes) -> bool:
        """Take what came; gives whether something unfinished is left. ValueError: nobody who speaks so is heard on."""
        ...

    def forget(self) -> None:
        """Throw away what is unfinished."""
        ...


Listen = Callable[[Transmitter], Ear]
"""Makes what hears a conversation, given what it can answer with."""


class Client(Protocol):
    """A connection, as its port handles it."""

    @property
    def forgotten(self) -> bool:
        """Whether `forget` was called."""
        ...

    def forget(self) -> None:
        """Neither read nor answer any more, and do not close it: what a lost peer looks like."""
        ...

    def close(self) -> None:
        """Cut it."""
        ...


class Clients:
    """The connections of a port that last. Whoever comes while the port is shut, on a late accept, is cut off."""

    def __init__(self) -> None:
        self._all: set[Client] = set()
        self.is_shut = False

    def __iter__(self) -> Iterator[Client]:
        """Go over those that there are now, whoever comes or goes meanwhile."""
        return iter(tuple(self._all))

    def add(self, client: Client) -> None:
        """Say that a connection began."""
        self._all.add(client)
        if self.is_shut:
            client.close()

    def discard(self, client: Client) -> None:
        """Say that it ended."""
        self._all.discard(client)


Accept = Callable[[Clients], asyncio.BaseProtocol]
"""Makes a connection, which tells when it begins and ends."""


@asynccontextmanager
async def serve_port(
    devices: Devices[Any], listen: Listen, *, host: str, port: int, byte_s: float = 0.0
) -> AsyncIterator[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken.

    With `byte_s` there is a wire behind it that carries a byte in so many seconds.
    """

    def accept(clients: Clients) -> asyncio.BaseProtocol:
        return _Connection(listen, clients, byte_s)

    async with serve_clients(devices, accept, host=host, port=port) as used:
        yield used


@asynccontextmanager
async def serve_clients(devices: Devices[Any], accept: Accept, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve connections of any making, likewise."""
    served = _Port(devices, accept, host, port)
    try:
        await served.open()
    except OSError as error:
        remedy = "stop what uses it, or change the scene's `port`"
        why = f"cannot listen on {host}:{port}: {error.strerror or error}; {remedy}"
        raise LineUnavailable(why) from error
    async with _following(devices, served):
        yield served.port


@asynccontextmanager
async def serve_terminal(
    devices: Devices[Any], listen: Listen, *, link: Path, byte_s: float = 0.0
) -> AsyncIterator[Path]:
    """Serve on a new pseudo-terminal, which `link` points to while the context lasts; masters may come and go.

    With `byte_s` the wire carries a byte in so many seconds. LineUnavailable when `link` is something else than a
    link, or cannot be made.
    """
    served = _SerialLine(devices, listen, link, byte_s)
    await served.open()
    async with _following(devices, served):
        yield link


@asynccontextmanager
async def _following(devices: Devices[Any], served: "_Served") -> AsyncIterator[None]:
    devices.watch(served.follow)
    try:
        yield
    finally:
        devices.unwatch(served.follow)
        await served.end()


class _Served(ABC):
    """Where a line is served; gone and back again in the same place as the line's disturbances say."""

    def __init__(self, devices: Devices[Any]) -> None:
        self._line = devices.line
        self._restoring: asyncio.Task[None] | None = None

    @property
    @abstractmethod
    def where(self) -> str:
        """Say where it is, for the log."""

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether the line is there."""

    @abstractmethod
    async def open(self) -> None:
        """Bring the line up; OSError, LineUnavailable."""

    @abstractmethod
    def shut(self) -> None:
        """Take the line away, and cut everybody off."""

    def is_back(self) -> bool:
        """Bring the line up at once if that can be; gives whether it is there."""
        return self.is_open

    def follow(self) -> None:
        """Do what the line's disturbances say now."""
        if Kind.LINE_DROPPED in self._line:
            self._give_up()
            self.shut()
        elif self._restoring is None and not self.is_back():
            self._restoring = asyncio.create_task(self._restore(), name=f"simulators:restore:{self.where}")

    async def end(self) -> None:
        """Take the line away for good."""
        restoring = self._restoring
        self._give_up()
        if restoring is not None:
            await asyncio.gather(restoring, return_exceptions=True)
        self.shut()

    def _give_up(self) -> None:
        if self._restoring is not None:
            self._restoring.cancel()
            self._restoring = None

    async def _restore(self) -> None:
        while not self.is_open:
            try:
                await self.open()
            except (OSError, LineUnavailable) as error:
                get_log(_LOG).warning("line not back yet", where=self.where, why=str(error))
                await asyncio.sleep(_RETRY_S)
        self._restoring = None


class _Port(_Served):
    """A listening port and its connections."""

    def __init__(self, devices: Devices[Any], accept: Accept, host: str, port: int) -> None:
        super().__init__(devices)
        self.port = port
        self._accept = accept
        self._host = host
        self._server: asyncio.Server | None = None
        self._clients = Clients()
        self._half_open = False

    @property
    def where(self) -> str:
        return f"{self._host}:{self.port}"

    @property
    def is_open(self) -> bool:
        return self._server is not None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._accept(self._clients), self._host, self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._clients.is_shut = False

    def shut(self) -> None:
        self._clients.is_shut = True
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in self._clients:
            client.close()

    async def end(self) -> None:
        server = self._server
        await super().end()
        if server is not None:
            await server.wait_closed()

    def follow(self) -> None:
        super().follow()
        half_open = Kind.HALF_OPEN in self._line
        for client in self._clients:
            if half_open and not self._half_open:
                client.forget()
            elif not half_open and client.forgotten:
                client.close()  # as by a device that has started again
        self._half_open = half_open


class _SerialLine(_Served):
    """A pseudo-terminal; each time that it is up is one conversation."""

    def __init__(self, devices: Devices[Any], listen: Listen, link: Path, byte_s: float) -> None:
        super().__init__(devices)
        self._listen = listen
        self._link = link
        self._byte_s = byte_s
        self._terminal = PseudoTerminal(link, hear=self._hear)
        self._conversation: _Conversation | None = None

    @property
    def where(self) -> str:
        return str(self._link)

    @property
    def is_open(self) -> bool:
        return self._terminal.is_open

    async def open(self) -> None:
        self._bring_up()

    def is_back(self) -> bool:
        if not self.is_open:
            with suppress(LineUnavailable):  # it is tried again, and then logged
                self._bring_up()
        return self.is_open

    def shut(self) -> None:
        if self._conversation is not None:
            self._conversation.end()
            self._conversation = None
        self._terminal.close()

    def _bring_up(self) -> None:
        self._terminal.open()
        self._conversation = _Conversation(self._listen, Transmitter(self._terminal.write, byte_s=self._byte_s))

    def _hear(self, data: bytes) -> None:
        if self._conversation is not None:
            with suppress(ValueError):  # a wire cannot be closed; what is unfinished goes with the next silence
                self._conversation.hear(data)


class _Connection(asyncio.Protocol):
    """One connection: one conversation."""

    def __init__(self, listen: Listen, clients: Clients, byte_s: float) -> None:
        self.forgotten = False
        self._clients = clients
        self._transport: asyncio.Transport | None = None
        self._conversation = _Conversation(listen, Transmitter(self._write, byte_s=byte_s))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._conversation.end()
        self._clients.discard(self)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or self.forgotten:
            return
        try:
            self._conversation.hear(data)
        except ValueError as error:
            get_log(_LOG).warning("connection dropped", why=str(error))
            transport.close()

    def forget(self) -> None:
        self.forgotten = True
        self._conversation.end()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def close(self) -> None:
        self._conversation.end()
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class _Conversation:
    """An ear with its transmitter; what is unfinished is thrown away after a silence."""

    def __init__(self, listen: Listen, transmitter: Transmitter) -> None:
        self._transmitter = transmitter
        self._ear = listen(transmitter)
        self._silence: asyncio.TimerHandle | None = None

    def hear(self, data: bytes) -> None:
        self._stop_waiting()
        unfinished = True
        try:
            unfinished = self._ear.hear(data)
        finally:
            if unfinished and self._ear.silence_s is not None:
                loop = asyncio.get_running_loop()
                self._silence = loop.call_later(self._ear.silence_s, self._ear.forget)

    def end(self) -> None:
        """Hear and say nothing more."""
        self._stop_waiting()
        self._ear.forget()
        self._transmitter.close()

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

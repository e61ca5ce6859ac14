"""The two ways to a line's bytes: a serial port, and a serial server's TCP port. They read nothing into the bytes."""

import asyncio
import os
import socket
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import serial

from drivers.serial_line.config import LineSettings

_CHUNK = 4096
_PSEUDO = range(136, 144)
_KEEPALIVE_S = 5
_KEEPALIVE = {
    "TCP_KEEPIDLE": _KEEPALIVE_S,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 1000 * _KEEPALIVE_S,
}


class Link(Protocol):
    """An open way to a line. What comes goes to the `received` of `open_link`; an end of the way to its `lost`."""

    def send(self, data: bytes) -> None:
        """Hand bytes to the system; OSError when it does not take them."""
        ...

    def close(self) -> None:
        """Give the way up; never raises, and `lost` is not told."""
        ...


async def open_link(settings: LineSettings, received: Callable[[bytes], None], lost: Callable[[str], None]) -> Link:
    """Open what the settings describe. OSError, or ValueError for settings that the port cannot do."""
    if settings.host is not None:
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(lambda: _TcpLink(received, lost), settings.host, int(settings.port))
        return link
    return _SerialLink(settings, received, lost)


class _SerialLink:
    """A serial port, or a pseudo-terminal. pyserial sets it up; the event loop watches its descriptor."""

    def __init__(self, settings: LineSettings, received: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self._received = received
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        try:
            self._port = serial.Serial(
                str(settings.port),
                baudrate=settings.baudrate,
                # A pseudo-terminal carries bytes without parity bits, and refuses to be asked for them.
                parity="N" if _is_pseudo(str(settings.port)) else settings.parity,
                stopbits=settings.stopbits,
                bytesize=settings.bytesize,
                timeout=0,
                exclusive=True,  # two masters on one line would take each other's answers
            )
        except termios.error as error:  # it is no OSError, though the system gave it
            raise OSError(f"{settings.port} cannot be set up: {error.args[-1]}") from error
        self._descriptor = self._port.fileno()
        self._port.reset_input_buffer()
        self._loop.add_reader(self._descriptor, self._on_readable)

    def send(self, data: bytes) -> None:
        if os.write(self._descriptor, data) != len(data):
            raise OSError("the port does not take a whole request: is its flow stopped?")

    def close(self) -> None:
        if self._port.is_open:
            self._loop.remove_reader(self._descriptor)
            self._port.close()

    def _on_readable(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self.close()
            self._lost(str(error))
            return
        if not data:
            self.close()
            self._lost("the port hung up")
            return
        self._received(data)


def _is_pseudo(port: str) -> bool:
    """Whether a port is a pseudo-terminal of Linux (Documentation/admin-guide/devices.txt: 136 to 143)."""
    return os.major(Path(port).stat().st_rdev) in _PSEUDO


class _TcpLink(asyncio.Protocol):
    def __init__(self, received: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self._received = received
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE.items():
                if hasattr(socket, option):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._closed = True
            self._lost(str(exc) if exc is not None else "closed by the other end")

    def send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise OSError("the connection is closed")
        self._transport.write(data)

    def close(self) -> None:
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

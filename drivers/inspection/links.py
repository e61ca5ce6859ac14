"""Asking units one by one, on a connection or a line that is ours alone. It blocks: it serves a command.

Apart from `drivers.modbus.bus`, because a scan sends what no driver sends (device identification), waits only briefly
and has nobody else on the line to be fair to.
"""

import socket
import time
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

import serial

from drivers.inspection import frames
from drivers.inspection.frames import Frame, RtuSplitter, TcpSplitter

_CHUNK = 4096
_GAP_S = 0.05  # an adapter hands over what it has at least this often
_BITS = 11
_TURNAROUND_CHARACTERS = 3.5


class LinkError(Exception):
    """A line cannot be opened, or was lost; the text is for people."""


class Link(Protocol):
    """A way to ask units."""

    place: str
    """Where it is, with its settings, for people."""
    garbled: int
    """How many bytes came that made no answer."""

    def ask(self, unit: int, pdu: bytes) -> bytes | None:
        """Send a request and give the answer's PDU, an exception too; None when there is none in time. LinkError."""
        ...

    def close(self) -> None:
        """Close it; never raises."""
        ...


class TcpLink:
    """Units behind a Modbus TCP port."""

    def __init__(self, host: str, port: int, *, timeout_s: float) -> None:
        self.place = f"{host}:{port}"
        self.garbled = 0
        self._target = (host, port)
        self._timeout_s = timeout_s
        self._transaction = 0
        self._connection: socket.socket | None = None
        self._splitter = TcpSplitter()
        self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, unit: int, pdu: bytes) -> bytes | None:
        """Ask; a server that hangs up is asked again by a new connection next time."""
        self._transaction = self._transaction % 0xFFFF + 1
        connection = self._connection or self._connect()
        deadline = time.monotonic() + self._timeout_s
        try:
            connection.sendall(frames.tcp(unit, self._transaction, pdu))
            while (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                data = connection.recv(_CHUNK)
                if not data:
                    break
                for one in self._splitter.feed(data):
                    if not isinstance(one, Frame):
                        self.garbled += len(one.data)
                    elif (one.transaction, one.unit, one.function) == (self._transaction, unit, pdu[0]):
                        return one.pdu
            else:
                return None
        except TimeoutError:
            return None
        except OSError:  # reset by the other end, as some do for a unit that is not theirs
            pass
        self.close()
        return None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> socket.socket:
        try:
            self._connection = socket.create_connection(self._target, timeout=max(2.0, self._timeout_s))
        except OSError as error:
            raise LinkError(f"{self.place}: {error.strerror or error}") from error
        self._splitter = TcpSplitter()
        return self._connection


def open_line(port: str, *, baudrate: int, parity: str, stopbits: int, wait_s: float) -> serial.SerialBase:
    """Open a serial device, or one behind a device server (`socket://`, `rfc2217://`); OSError, ValueError.

    A read waits at most `wait_s`.
    """
    return serial.serial_for_url(port, baudrate=baudrate, parity=parity, stopbits=stopbits, timeout=wait_s)


class SerialLink:
    """Units on a serial line, by RTU; `port` is a device, or a line behind a device server."""

    def __init__(self, port: str, *, baudrate: int, parity: str, stopbits: int, timeout_s: float) -> None:
        self.place = f"{port} {baudrate} 8{parity}{stopbits}"
        self.garbled = 0
        self._timeout_s = timeout_s
        self._byte_s = _BITS / baudrate
        try:
            self._line = open_line(port, baudrate=baudrate, parity=parity, stopbits=stopbits, wait_s=0.01)
            self._line.exclusive = True
        except (OSError, ValueError) as error:  # pyserial's own error is an OSError
            raise LinkError(f"{self.place}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, unit: int, pdu: bytes) -> bytes | None:
        """Ask; the time-out runs from the request's last byte on the wire."""
        request = frames.rtu(unit, pdu)
        try:
            time.sleep(max(0.002, _TURNAROUND_CHARACTERS * self._byte_s))
            self._line.reset_input_buffer()
            self._line.write(request)
            return self._answer(Frame(unit=unit, pdu=pdu), time.monotonic() + len(request) * self._byte_s)
        except OSError as error:
            raise LinkError(f"{self.place}: the line was lost: {error}") from error

    def close(self) -> None:
        """Close the line."""
        with suppress(OSError):
            self._line.close()

    def _answer(self, asked: Frame, sent_at: float) -> bytes | None:
        splitter = RtuSplitter()
        heard_at = sent_at
        while (now := time.monotonic()) < max(sent_at, heard_at) + self._timeout_s:
            data = self._line.read(max(1, self._line.in_waiting))
            if data:
                heard_at = now
                taken = splitter.feed(data)
            elif splitter.waiting and now > heard_at + _GAP_S:
                taken = splitter.silence()
            else:
                continue
            for one in taken:
                if not isinstance(one, Frame):
                    self.garbled += len(one.data)
                elif (one.unit, one.function) == (asked.unit, asked.function) and one != asked:  # some adapters echo
                    return one.pdu
        return None

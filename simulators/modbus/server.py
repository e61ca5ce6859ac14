"""Modbus servers on real transports: a TCP port, and a pseudo-terminal that a serial master opens like any line.

Not pymodbus's server: it hides the moment at which an answer is handed over, which the witness must note, and the
drivers already use its codec (see frames).
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from simulators.modbus import frames
from simulators.modbus.station import Stations
from simulators.transmitter import Transmitter
from simulators.transport import serve_port, serve_terminal

_SILENCE_S = 0.05  # what is left of a request after such a pause is noise; a pty delivers a frame in far less
_BITS = 10  # of a character on the wire: start, eight, stop
_UNIT_AND_CRC = 3


def serve_tcp(
    stations: Stations, *, host: str, port: int, serial_frames: bool = False
) -> AbstractAsyncContextManager[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken.

    With `serial_frames` it carries the frames of a serial line, as cheap gateways do.
    """
    ear = _GatewayEar if serial_frames else _TcpEar
    return serve_port(stations, lambda transmitter: ear(stations, transmitter), host=host, port=port)


def serve_rtu(stations: Stations, *, link: Path, baudrate: int | None = None) -> AbstractAsyncContextManager[Path]:
    """Serve on a new pseudo-terminal, which `link` points to while the context lasts; masters may come and go.

    With `baudrate` requests and answers take the time that a wire (8N1) would take. LineUnavailable when `link` is
    something else than a link, or cannot be made.
    """
    byte_s = _BITS / baudrate if baudrate else 0.0
    return serve_terminal(stations, lambda transmitter: _RtuEar(stations, transmitter), link=link, byte_s=byte_s)


class _TcpEar:
    """Modbus TCP: whoever sends something else is cut off."""

    silence_s: float | None = None

    def __init__(self, stations: Stations, transmitter: Transmitter) -> None:
        self._stations = stations
        self._transmitter = transmitter
        self._buffer = bytearray()

    def hear(self, data: bytes) -> bool:
        self._buffer += data
        while (frame := frames.take_tcp(self._buffer)) is not None:
            if (reply := self._stations.reply_tcp(frame)) is not None:
                self._transmitter.send(reply)
        return bool(self._buffer)

    def forget(self) -> None:
        self._buffer.clear()


class _RtuEar:
    """Modbus RTU: a garbled or unfinished request is thrown away once the line is silent."""

    silence_s: float | None = _SILENCE_S

    def __init__(self, stations: Stations, transmitter: Transmitter) -> None:
        self._stations = stations
        self._transmitter = transmitter
        self._buffer = bytearray()

    def hear(self, data: bytes) -> bool:
        self._buffer += data
        while (frame := frames.take_rtu(self._buffer)) is not None:
            self._transmitter.heard(len(frame.pdu) + _UNIT_AND_CRC)
            if (reply := self._stations.reply_rtu(frame)) is not None:
                self._transmitter.send(reply)
        return bool(self._buffer)

    def forget(self) -> None:
        self._buffer.clear()


class _GatewayEar(_RtuEar):
    """Modbus RTU over TCP: noise on the line is no fault of the connection."""

    silence_s: float | None = None

    def hear(self, data: bytes) -> bool:
        try:
            return super().hear(data)
        except ValueError:
            self.forget()
            return False

"""Lines of simulated meters on real transports: a TCP port as a serial server has it, and a pseudo-terminal."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from simulators.meters.station import SPEECHES, MeterStations
from simulators.transmitter import Transmitter
from simulators.transport import Listen, serve_port, serve_terminal

_SILENCE_S = 0.1  # what is left of a request after such a pause is noise
_BITS = 11  # of a character on the wire: start, eight, parity, stop


def serve_meters_tcp(
    stations: MeterStations, protocol: str, *, host: str, port: int
) -> AbstractAsyncContextManager[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken."""
    return serve_port(stations, _listening(stations, protocol), host=host, port=port)


def serve_meters_pty(
    stations: MeterStations, protocol: str, *, link: Path, baudrate: int | None = None
) -> AbstractAsyncContextManager[Path]:
    """Serve on a new pseudo-terminal, which `link` points to while the context lasts; masters may come and go.

    With `baudrate` requests and answers take the time that a wire (8E1) would take. LineUnavailable when `link` is
    something else than a link, or cannot be made.
    """
    byte_s = _BITS / baudrate if baudrate else 0.0
    return serve_terminal(stations, _listening(stations, protocol), link=link, byte_s=byte_s)


def _listening(stations: MeterStations, protocol: str) -> Listen:
    return lambda transmitter: _MeterEar(stations, protocol, transmitter)


class _MeterEar:
    """Takes requests out of bytes, and has them answered."""

    silence_s: float | None = _SILENCE_S

    def __init__(self, stations: MeterStations, protocol: str, transmitter: Transmitter) -> None:
        self._stations = stations
        self._speech = SPEECHES[protocol]
        self._transmitter = transmitter
        self._buffer = bytearray()

    def hear(self, data: bytes) -> bool:
        self._buffer += data
        before = len(self._buffer)
        while (replies := self._speech.hear(self._buffer, self._stations.by_name.values())) is not None:
            self._transmitter.heard(before - len(self._buffer))
            before = len(self._buffer)
            for reply in replies:
                self._transmitter.send(reply)
        return bool(self._buffer)

    def forget(self) -> None:
        self._buffer.clear()

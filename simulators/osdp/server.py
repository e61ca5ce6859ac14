"""Lines of simulated readers on real transports: a TCP port as a serial server has it, and a pseudo-terminal."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from simulators.osdp.frames import Splitter
from simulators.osdp.station import ReaderStations
from simulators.transmitter import Transmitter
from simulators.transport import serve_port, serve_terminal

_SILENCE_S = 0.1  # what is left of a command after such a pause is noise
_BITS = 10  # of a character on the wire: start, eight, stop


def serve_readers_tcp(stations: ReaderStations, *, host: str, port: int) -> AbstractAsyncContextManager[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken."""
    return serve_port(stations, lambda transmitter: _ReaderEar(stations, transmitter), host=host, port=port)


def serve_readers_pty(
    stations: ReaderStations, *, link: Path, baudrate: int | None = None
) -> AbstractAsyncContextManager[Path]:
    """Serve on a new pseudo-terminal, which `link` points to while the context lasts; panels may come and go.

    With `baudrate` frames take the time that a wire (8N1) would take. LineUnavailable when `link` cannot be made.
    """
    byte_s = _BITS / baudrate if baudrate else 0.0
    return serve_terminal(stations, lambda transmitter: _ReaderEar(stations, transmitter), link=link, byte_s=byte_s)


class _ReaderEar:
    """Takes commands out of bytes, and has them answered."""

    silence_s: float | None = _SILENCE_S

    def __init__(self, stations: ReaderStations, transmitter: Transmitter) -> None:
        self._stations = stations
        self._transmitter = transmitter
        self._splitter = Splitter()

    def hear(self, data: bytes) -> bool:
        for heard in self._splitter.feed(data):
            self._transmitter.heard(len(heard.whole))
            for station in self._stations.by_name.values():
                if (reply := station.hear(heard)) is not None:
                    self._transmitter.send(reply)
        return self._splitter.waiting

    def forget(self) -> None:
        self._splitter.forget()

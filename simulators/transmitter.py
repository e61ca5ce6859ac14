"""Carrying out what `disturbances` decides: bytes that go out later, in order, and no faster than a wire would."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from simulators.disturbances import Part

_SILENT_CHARACTERS = 3.5
_CHUNK = 8  # bytes that are handed over at once, when the last of them has arrived, as a USB adapter does


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a device sends in answer to one request. `note` is called just before the answer's last byte goes out."""

    parts: tuple[Part, ...]
    note: Callable[[], None]


class Transmitter:
    """The sending end of a connection or line. With `byte_s` the wire carries a byte in so many seconds."""

    def __init__(self, write: Callable[[bytes], None], *, byte_s: float = 0.0) -> None:
        self._write = write
        self._byte_s = byte_s
        self._loop = asyncio.get_running_loop()
        self._free_at = 0.0
        self._pending: set[asyncio.TimerHandle] = set()
        self.is_closed = False

    def heard(self, size: int) -> None:
        """Say that a request of `size` bytes came: the wire was taken by it, and rests before an answer."""
        self._free_at = max(self._loop.time(), self._free_at) + (size + _SILENT_CHARACTERS) * self._byte_s

    def send(self, reply: Reply) -> None:
        """Send a reply, each part in its time; nothing once it is closed."""
        for part in () if self.is_closed else reply.parts:
            note = reply.note if part.is_answer else None
            at = max(self._loop.time(), self._free_at) + part.after_s if self._byte_s or part.after_s else 0.0
            self._at(at, partial(self._begin, part.data, note))

    def close(self) -> None:
        """Send nothing more, not even what is due."""
        self.is_closed = True
        for handle in self._pending:
            handle.cancel()
        self._pending.clear()

    def _begin(self, data: bytes, note: Callable[[], None] | None) -> None:
        if not self._byte_s:
            self._out(data, note)
            return
        start = max(self._loop.time(), self._free_at)
        for begin in range(0, len(data), _CHUNK):
            chunk = data[begin : begin + _CHUNK]
            end = begin + len(chunk)
            last = note if end == len(data) else None
            self._at(start + end * self._byte_s, partial(self._out, chunk, last))
        self._free_at = start + len(data) * self._byte_s

    def _out(self, data: bytes, note: Callable[[], None] | None) -> None:
        if note is not None:
            note()
        self._write(data)

    def _at(self, at: float, action: Callable[[], None]) -> None:
        """Do something at a time of the loop; at once for 0."""
        if not at:
            action()
            return

        def run() -> None:
            self._pending.discard(handle)
            action()

        handle = self._loop.call_at(at, run)
        self._pending.add(handle)

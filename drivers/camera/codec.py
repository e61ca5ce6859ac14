"""A Motion JPEG stream over HTTP (multipart/x-mixed-replace): bytes in, JPEG pictures out. Pure.

Cameras differ: the boundary is announced with or without its two dashes, `Content-Length` may be missing or written in
any case, and some send a bare line end before it. What counts is therefore where the pictures are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_BYTES = 16_000_000
"""A picture that is longer is none: the stream is out of step."""
_MOST_HEADER = 8192
_START = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_FILLING = b"\r\n\x00"
_BOUNDARY = re.compile(r"boundary\s*=\s*\"?([^\";,\s]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_BLANK = re.compile(rb"\r?\n\r?\n")


class NotMotionJpeg(ValueError):
    """The answer is no stream of pictures; the text says what it is."""


def boundary_of(content_type: str) -> bytes:
    """Give the boundary that a Content-Type announces, without dashes before it. NotMotionJpeg."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in {"multipart/x-mixed-replace", "multipart/mixed"}:
        raise NotMotionJpeg(f"the answer is {kind or 'of no known type'} and no Motion JPEG stream")
    found = _BOUNDARY.search(content_type)
    if found is None or not (boundary := found[1].lstrip("-")):
        raise NotMotionJpeg("the answer announces no boundary between pictures")
    return boundary.encode("latin-1", "replace")


@dataclass(kw_only=True, slots=True)
class Parts:
    """Takes pictures out of a stream with this `boundary`. `lost` counts the parts that were no picture."""

    boundary: bytes
    lost: int = 0
    _buffer: bytearray = field(default_factory=bytearray)
    _scanned: int = 0  # the boundary does not begin before here

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what came, and give the pictures that are whole now; nothing is kept of what lies before them."""
        self._buffer += data
        while (part := self._next()) is not None:
            if part[: len(_START)] == _START and part[-len(_END) :] == _END:
                yield part
            else:
                self.lost += 1
        if len(self._buffer) > MOST_BYTES + _MOST_HEADER:
            self.lost += 1
            self._drop(len(self._buffer) - _MOST_HEADER)

    def _next(self) -> bytes | None:
        """Cut the next part out of the buffer; None when it is not whole yet."""
        begin = self._buffer.find(b"--" + self.boundary)
        if begin < 0:
            if len(self._buffer) > _MOST_HEADER:
                self._drop(len(self._buffer) - len(self.boundary) - 2)
            return None
        header_from = begin + 2 + len(self.boundary)
        blank = _BLANK.search(self._buffer, header_from, header_from + _MOST_HEADER)
        if blank is None:
            if len(self._buffer) - header_from > _MOST_HEADER:
                self._drop(header_from)
                return b""
            return None
        length = _LENGTH.search(self._buffer, header_from, blank.start() + 1)
        if length is not None and 0 < int(length[1]) <= MOST_BYTES:
            return self._by_length(blank.end(), int(length[1]))
        return self._by_boundary(blank.end())

    def _by_length(self, start: int, length: int) -> bytes | None:
        """Cut by the length that the part states; where that is a lie, by the boundary."""
        end = start + length
        if len(self._buffer) < end:
            # A part that broke off, and the next one after it, must not be waited for.
            found = self._boundary_from(start)
            return self._cut(start, found) if found >= 0 else None
        part = bytes(self._buffer[start:end]).rstrip(_FILLING)
        if part.endswith(_END) and b"--" + self.boundary not in part:
            self._drop(end)
            return part
        return self._by_boundary(start)

    def _by_boundary(self, start: int) -> bytes | None:
        found = self._boundary_from(start)
        return self._cut(start, found) if found >= 0 else None

    def _boundary_from(self, start: int) -> int:
        mark = b"--" + self.boundary
        found = self._buffer.find(mark, max(start, self._scanned))
        if found < 0:
            self._scanned = max(start, len(self._buffer) - len(mark) + 1)
        return found

    def _cut(self, start: int, end: int) -> bytes:
        part = bytes(self._buffer[start:end])
        self._drop(end)
        last = part.rfind(_END)  # white space, or filling, lies between a picture and the boundary
        return part[: last + len(_END)] if last >= 0 else part

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._scanned = 0

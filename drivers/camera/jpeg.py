"""Whether a JPEG picture is whole (ITU-T T.81, annex B): its segments are walked, nothing is decoded. Pure.

Decoders draw what they can of a damaged picture and say nothing, so that a half-grey face would come out of one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_LONGEST_SIDE = 16_384
_SOF_HEAD = 8
_MARKER_IN_SCAN = re.compile(rb"\xff+[^\x00\xff]")
_RESTART = re.compile(rb"[\xd0-\xd7]")
_RESTARTS = 8


class BrokenPicture(ValueError):
    """The bytes are no whole JPEG picture; the text says where they break."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A picture's size in pixels."""

    width: int
    height: int


def check(jpeg: bytes) -> Shape:
    """Give the size of a whole picture; BrokenPicture for any other bytes.

    What it finds: a picture that breaks off, a second one inside it, markers where none can be, restart markers out of
    order. What it cannot find: damage that is itself a legal code.
    """
    if jpeg[:2] != b"\xff\xd8":
        raise BrokenPicture("it does not begin as a picture")
    shape: Shape | None = None
    scans = 0
    for marker, body, at in _segments(jpeg):
        if marker in _FRAMES:
            shape = _shape(body)
        elif marker == _SOS:
            scans += 1
        elif marker == _EOI:
            if shape is None or not scans:
                raise BrokenPicture("it ends before there is anything to see")
            return shape
        elif marker == _SOI:
            raise BrokenPicture(f"a second picture begins at byte {at}")
    raise BrokenPicture("it breaks off")


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Give marker, content and place of each segment after the start."""
    at = 2
    while at + 2 <= len(jpeg):
        if jpeg[at] != 0xFF:  # noqa: PLR2004 - how every marker begins
            raise BrokenPicture(f"no marker at byte {at}")
        marker = jpeg[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - filling
            at += 1
            continue
        if marker in {_SOI, _EOI} or marker in _ALONE:
            yield marker, b"", at
            at += 2
            continue
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(jpeg):  # noqa: PLR2004 - the length counts itself
            raise BrokenPicture(f"the segment at byte {at} breaks off")
        yield marker, jpeg[at + 4 : at + 2 + length], at
        at += 2 + length
        if marker == _SOS:
            at = _end_of_scan(jpeg, at)


def _end_of_scan(jpeg: bytes, at: int) -> int:
    """Find the marker behind the coded data; restart markers lie in between, counted modulo 8."""
    expected = 0
    for found in _MARKER_IN_SCAN.finditer(jpeg, at):
        code = jpeg[found.end() - 1 : found.end()]
        if not _RESTART.match(code):
            return found.end() - 2
        if code[0] != 0xD0 + expected:
            raise BrokenPicture(f"a restart marker is out of order at byte {found.start()}")
        expected = (expected + 1) % _RESTARTS
    raise BrokenPicture("it breaks off")


def _shape(body: bytes) -> Shape:
    if len(body) < _SOF_HEAD:
        raise BrokenPicture("its size is not told")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if not (0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE):
        raise BrokenPicture(f"it would have {width} x {height} pixels")
    return Shape(width=width, height=height)

"""JPEG pictures in RTP packets (RFC 2435, RFC 3550): a picture in, packets out. Pure."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

CLOCK_HZ = 90_000
PAYLOAD_TYPE = 26
_MOST = 1400
_LARGEST_SIDE = 2040
_TABLES_INLINE = 255
_FOUR_TWO_ZERO = 1
_SAMPLING = {b"\x21": 0, b"\x22": _FOUR_TWO_ZERO}
_LUMA, _QUANT, _FRAME, _SCAN = 0, 0xDB, 0xC0, 0xDA


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """What RFC 2435 sends of a picture: its size, its quantization tables, and the coded data."""

    kind: int
    width: int
    height: int
    tables: bytes
    data: bytes


def scan_of(jpeg: bytes) -> Scan:
    """Take a baseline JPEG with standard Huffman tables apart. ValueError for one that RFC 2435 cannot carry."""
    at, tables, frame = 2, {}, b""
    while at + 4 <= len(jpeg):
        marker, (length,) = jpeg[at + 1], struct.unpack_from(">H", jpeg, at + 2)
        content = jpeg[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == _QUANT:
            for start in range(0, len(content), 65):
                tables[content[start] & 0x0F] = content[start + 1 : start + 65]
        elif marker == _FRAME:
            frame = content
        elif marker == _SCAN:
            break
    if not frame or _LUMA not in tables:
        raise ValueError("no baseline picture")
    height, width = struct.unpack_from(">HH", frame, 1)
    if width > _LARGEST_SIDE or height > _LARGEST_SIDE or width % 8 or height % 8:
        raise ValueError("RFC 2435 carries sides up to 2040 that are multiples of 8")
    end = len(jpeg) - 2 if jpeg.endswith(b"\xff\xd9") else len(jpeg)
    return Scan(
        kind=_SAMPLING[frame[7:8]],
        width=width,
        height=height,
        tables=b"".join(tables[number] for number in sorted(tables)[:2]),
        data=jpeg[at:end],
    )


def packets(scan: Scan, *, sequence: int, timestamp: int, source: int) -> Iterator[bytes]:
    """Give the RTP packets of a picture, the first with the number `sequence`; the last one is marked."""
    offset = 0
    while offset < len(scan.data) or offset == 0:
        head = struct.pack(">I", offset) + bytes([scan.kind, _TABLES_INLINE, scan.width // 8, scan.height // 8])
        if offset == 0:
            head += struct.pack(">BBH", 0, 0, len(scan.tables)) + scan.tables
        piece = scan.data[offset : offset + _MOST]
        offset += len(piece)
        last = offset >= len(scan.data)
        rtp = struct.pack(
            ">BBHII", 0x80, PAYLOAD_TYPE | (0x80 if last else 0), sequence & 0xFFFF, timestamp & 0xFFFFFFFF, source
        )
        yield rtp + head + piece
        sequence += 1
        if not piece:
            return

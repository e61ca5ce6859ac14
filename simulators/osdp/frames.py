"""OSDP frames as a reader sees them. Pure, and on purpose not the driver's.

Source: SIA OSDP 2.2, with the check sums of its Annex E in the tests.
"""

from dataclasses import dataclass

SOM = 0x53
FROM_READER = 0x80
ANYBODY = 0x7F

POLL, ID, CAP, LSTAT, OSTAT, OUT, LED, BUZ, TEXT = 0x60, 0x61, 0x62, 0x64, 0x66, 0x68, 0x69, 0x6A, 0x6B
KEYSET, CHLNG, SCRYPT = 0x75, 0x76, 0x77
ACK, NAK, PDID, PDCAP, LSTATR, OSTATR, RAW, KEYPAD = 0x40, 0x41, 0x45, 0x46, 0x48, 0x4A, 0x50, 0x53
CCRYPT, RMAC_I, BUSY = 0x76, 0x78, 0x79

BAD_LENGTH, UNKNOWN, BAD_SEQUENCE, NO_SECURE_CHANNEL, SECURITY_NEEDED, NOT_POSSIBLE = 2, 3, 4, 5, 6, 9
"""Reasons of a NAK."""


def _table() -> tuple[int, ...]:
    rows = []
    for high in range(256):
        value = high << 8
        for _ in range(8):
            value = value << 1 ^ (0x1021 if value & 0x8000 else 0)
        rows.append(value & 0xFFFF)
    return tuple(rows)


_TABLE = _table()


def crc(data: bytes) -> bytes:
    """Give the two bytes that end a frame."""
    value = 0x1D0F
    for byte in data:
        value = (value << 8 & 0xFF00) ^ _TABLE[value >> 8 ^ byte]
    return bytes([value & 0xFF, value >> 8])


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """A command: `block` without its length byte; `signed` is what the MAC covers."""

    address: int
    number: int
    code: int
    data: bytes
    block: bytes
    mac: bytes
    signed: bytes
    whole: bytes


class Splitter:
    """Cuts what comes along the line into commands; what makes none is passed over."""

    def __init__(self) -> None:
        self._bytes = b""

    @property
    def waiting(self) -> bool:
        """Whether there are bytes that are no command yet."""
        return bool(self._bytes)

    def forget(self) -> None:
        """Drop what is there, because the line was silent."""
        self._bytes = b""

    def feed(self, data: bytes) -> list[Heard]:
        """Take bytes as they come; gives the commands that they complete."""
        self._bytes += data
        found: list[Heard] = []
        while (start := self._bytes.find(SOM)) >= 0:
            rest = self._bytes[start:]
            if len(rest) < 5:  # noqa: PLR2004 - up to the control byte
                break
            size = rest[2] + 256 * rest[3]
            if not 8 <= size <= 1440 or not rest[4] & 0x04:  # noqa: PLR2004 - frames with a CRC, as v2.2 has them
                self._bytes = rest[1:]
                continue
            if len(rest) < size:
                break
            heard = _heard(rest[:size])
            self._bytes = rest[size:] if heard is not None else rest[1:]
            if heard is not None:
                found.append(heard)
        return found


def _heard(whole: bytes) -> Heard | None:
    if crc(whole[:-2]) != whole[-2:] or whole[1] & FROM_READER:
        return None
    at, block = 5, b""
    if whole[4] & 0x08:
        at += whole[5]
        block = whole[6:at]
    signed_by = 4 if block and block[0] in {0x15, 0x17} else 0
    end = len(whole) - 2 - signed_by
    if at >= end:
        return None
    return Heard(
        address=whole[1],
        number=whole[4] & 3,
        code=whole[at],
        data=whole[at + 1 : end],
        block=block,
        mac=whole[end:-2],
        signed=whole[:end],
        whole=whole,
    )


def unsigned(address: int, number: int, code: int, data: bytes, block: bytes = b"", *, mac: int = 0) -> bytes:
    """Build a reply up to its MAC, for which there will be `mac` bytes."""
    middle = (bytes([len(block) + 1]) + block if block else b"") + bytes([code]) + data
    size = 5 + len(middle) + mac + 2
    control = number | 0x04 | (0x08 if block else 0)
    return bytes([SOM, address | FROM_READER, size % 256, size // 256, control]) + middle


def sealed(body: bytes) -> bytes:
    """End a frame."""
    return body + crc(body)

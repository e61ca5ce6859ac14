"""Frames of OSDP v2.2. Bytes in, values out: no line, no clock, no key.

[FF] | 53 | address (a reply: + 80H) | length (2, low first) | control | [security block] | code | data | [MAC, 4] |
CRC-16 (2, low first) or check sum (1). Length counts from 53 to the last byte. In control, D1 D0 are the sequence
number, D2 says CRC, D3 security block. A block is its length, its type, and data; types 15H to 18H have a MAC.

Sources: IEC 60839-11-5 and SIA OSDP 2.2 as public implementations have them; Annex E of the latter for the check sums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

START = 0x53
MARK = b"\xff"
"""May go before a frame, so that receivers see the line driven."""
REPLY = 0x80
BROADCAST = 0x7F
HIGHEST_ADDRESS = 0x7E
LONGEST = 1440
MAC_BYTES = 4
_HEADER = 5
_SEQUENCE, _CRC, _SECURED = 0x03, 0x04, 0x08
_CRC_START, _CRC_POLYNOMIAL = 0x1D0F, 0x1021


class Command(IntEnum):
    """What a control panel sends."""

    POLL = 0x60
    ID = 0x61
    CAP = 0x62
    LSTAT = 0x64
    ISTAT = 0x65
    OSTAT = 0x66
    RSTAT = 0x67
    OUT = 0x68
    LED = 0x69
    BUZ = 0x6A
    TEXT = 0x6B
    COMSET = 0x6E
    KEYSET = 0x75
    CHLNG = 0x76
    SCRYPT = 0x77


class Reply(IntEnum):
    """What a reader answers."""

    ACK = 0x40
    NAK = 0x41
    PDID = 0x45
    PDCAP = 0x46
    LSTATR = 0x48
    ISTATR = 0x49
    OSTATR = 0x4A
    RSTATR = 0x4B
    RAW = 0x50
    FMT = 0x51
    KEYPAD = 0x53
    COM = 0x54
    CCRYPT = 0x76
    RMAC_I = 0x78
    BUSY = 0x79


class Block(IntEnum):
    """The types of a security block."""

    CHALLENGE = 0x11
    CLIENT_CRYPTOGRAM = 0x12
    SERVER_CRYPTOGRAM = 0x13
    FIRST_MAC = 0x14
    COMMAND = 0x15
    REPLY = 0x16
    COMMAND_WITH_DATA = 0x17
    REPLY_WITH_DATA = 0x18


WITH_MAC = frozenset({Block.COMMAND, Block.REPLY, Block.COMMAND_WITH_DATA, Block.REPLY_WITH_DATA})
REFUSALS: Mapping[int, str] = {
    1: "wrong check sum",
    2: "wrong length of the command",
    3: "unknown command",
    4: "wrong sequence number",
    5: "it has no secure channel",
    6: "only by secure channel",
    7: "no such biometric type",
    8: "no such biometric format",
    9: "the command cannot be carried out",
}
"""The codes of a NAK."""


class Malformed(Exception):
    """A whole frame whose data do not have the form of its code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame. `block` is the security block without its length byte, empty where there is none.

    `head` are all bytes that the MAC covers. `data` are as on the wire, so perhaps encrypted.
    """

    address: int
    is_reply: bool
    sequence: int
    code: int
    data: bytes = field(default=b"", repr=False)
    block: bytes = b""
    mac: bytes = b""
    head: bytes = field(default=b"", repr=False, compare=False)
    has_crc: bool = True


def crc16(data: bytes) -> int:
    """CRC-16 of polynomial 1021H from 1D0FH on, the highest bit first."""
    crc = _CRC_START
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ _CRC_POLYNOMIAL if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc


def check_sum(data: bytes) -> int:
    """Give the byte that makes the sum of all bytes 0."""
    return -sum(data) & 0xFF


def head(*, address: int, sequence: int, code: int, data: bytes = b"", block: bytes = b"") -> bytes:
    """Build a frame up to where its MAC or its CRC stands; the length is that of the whole frame. 80H says reply."""
    secured = bytes([len(block) + 1]) + block if block else b""
    macs = MAC_BYTES if block and block[0] in WITH_MAC else 0
    length = _HEADER + len(secured) + 1 + len(data) + macs + 2
    if length > LONGEST:
        raise Malformed(f"{length} bytes are too many for a frame")
    control = sequence | _CRC | (_SECURED if block else 0)
    return bytes([START, address, length & 0xFF, length >> 8, control]) + secured + bytes([code]) + data


def complete(covered: bytes, mac: bytes = b"") -> bytes:
    """End a frame that `head` began."""
    body = covered + mac
    return body + crc16(body).to_bytes(2, "little")


def build(*, address: int, sequence: int, code: int, data: bytes = b"", block: bytes = b"") -> bytes:
    """Build a frame without a MAC."""
    return complete(head(address=address, sequence=sequence, code=code, data=data, block=block))


def take(buffer: bytearray) -> Frame | None:
    """Take the next whole frame out of what came, with what stands before it; None when there is none yet.

    What can never become a frame is removed. A false start that waits for more bytes holds up no frame behind it.
    """
    keep: int | None = None
    position = buffer.find(START)
    while position >= 0:
        length = _length(buffer, position)
        if length is None or (length and position + length > len(buffer)):
            keep = position if keep is None else keep
        elif length and (frame := _parse(bytes(buffer[position : position + length]))) is not None:
            del buffer[: position + length]
            return frame
        position = buffer.find(START, position + 1)
    del buffer[: len(buffer) if keep is None else keep]
    return None


def _length(buffer: bytearray, position: int) -> int | None:
    """Give the length of the frame that may begin here; None when it is not known yet, 0 when none begins."""
    if position + _HEADER > len(buffer):
        return None
    length = buffer[position + 2] | buffer[position + 3] << 8
    control = buffer[position + 4]
    least = _HEADER + 1 + (2 if control & _CRC else 1) + (2 if control & _SECURED else 0)
    known = control & ~(_SEQUENCE | _CRC | _SECURED) == 0
    return length if known and least <= length <= LONGEST else 0


def _parse(raw: bytes) -> Frame | None:
    has_crc = bool(raw[4] & _CRC)
    body = raw[:-2] if has_crc else raw[:-1]
    if has_crc and crc16(body) != int.from_bytes(raw[-2:], "little"):
        return None
    if not has_crc and check_sum(body) != raw[-1]:
        return None
    position, block = _HEADER, b""
    if raw[4] & _SECURED:
        size = body[_HEADER]
        block = body[_HEADER + 1 : _HEADER + size]
        position += size
        if size < 2 or len(block) != size - 1:  # noqa: PLR2004 - its length and its type, at least
            return None
    macs = MAC_BYTES if block and block[0] in WITH_MAC else 0
    if len(body) < position + 1 + macs:
        return None
    covered = body[: len(body) - macs]
    return Frame(
        address=raw[1] & ~REPLY,
        is_reply=bool(raw[1] & REPLY),
        sequence=raw[4] & _SEQUENCE,
        code=body[position],
        data=covered[position + 1 :],
        block=block,
        mac=body[len(body) - macs :] if macs else b"",
        head=covered,
        has_crc=has_crc,
    )

"""Modbus on the wire, seen from a server: requests out of bytes, answers into bytes. Pure.

Written from the Modbus Application Protocol 1.1b3 and the serial line guide 1.02, and on purpose not by the library
that the drivers use: a mistake in one would agree with itself.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.profile import Table

READS = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
WRITES = {5: Table.COIL, 6: Table.HOLDING, 15: Table.COIL, 16: Table.HOLDING, 22: Table.HOLDING}
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, GATEWAY_TARGET_SILENT = 1, 2, 3, 11

_MOST_READ = {1: 2000, 2: 2000, 3: 125, 4: 125}
_MOST_WRITTEN = {15: 1968, 16: 123}
_ON, _OFF = 0xFF00, 0x0000
_FIXED_RTU = 8  # unit, function, two words, CRC
_MASK_RTU = 10  # one word more
_MBAP = 7
_CRC_START, _CRC_POLYNOMIAL = 0xFFFF, 0xA001


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """A request for the content of `count` addresses."""

    function: int
    address: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """A request to put words (or bits, as 0 and 1) at addresses; `echo` is the body of the answer."""

    function: int
    address: int
    words: tuple[int, ...]
    echo: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskWrite:
    """A request to make a register (what it holds AND `and_mask`) OR (`or_mask` AND NOT `and_mask`)."""

    function: int
    address: int
    and_mask: int
    or_mask: int
    echo: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class CoilWord:
    """Function 5 with a word that is neither on nor off: some relay boards take a time by it, others refuse it."""

    function: int
    address: int
    word: int
    echo: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Malformed:
    """A request that is answered with an exception before any device is asked."""

    function: int
    code: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One request as it came: for whom (`unit`), its transaction (TCP; 0 on a serial line), and its PDU."""

    unit: int
    transaction: int
    pdu: bytes


Request = Read | Write | MaskWrite | CoilWord | Malformed


def parse(pdu: bytes) -> Request:
    """Understand a request PDU (function code and body)."""
    function, body = pdu[0], pdu[1:]
    if function not in READS and function not in WRITES:
        return Malformed(function=function, code=ILLEGAL_FUNCTION)
    bad = Malformed(function=function, code=ILLEGAL_VALUE)
    if len(body) < 4:  # noqa: PLR2004 - two words
        return bad
    address, second = struct.unpack_from(">HH", body)
    if function in READS:
        if len(body) != 4 or not 1 <= second <= _MOST_READ[function]:  # noqa: PLR2004 - two words
            return bad
        return Read(function=function, address=address, count=second)
    return _write(function, address, second, body) or bad


def _write(function: int, address: int, second: int, body: bytes) -> Write | MaskWrite | CoilWord | None:
    """Understand a write; None when it contradicts itself."""
    if function == 22:  # noqa: PLR2004 - mask write register
        if len(body) != 6:  # noqa: PLR2004 - three words
            return None
        or_mask = struct.unpack_from(">H", body, 4)[0]
        return MaskWrite(function=function, address=address, and_mask=second, or_mask=or_mask, echo=body)
    if function == 5 and len(body) == 4 and second not in {_ON, _OFF}:  # noqa: PLR2004 - write single coil, two words
        return CoilWord(function=function, address=address, word=second, echo=body)
    words = _words(function, second, body)
    return None if words is None else Write(function=function, address=address, words=words, echo=body[:4])


def addresses(request: Request) -> range:
    """Give the addresses that a request concerns; none for one that is malformed."""
    match request:
        case Read():
            return range(request.address, request.address + request.count)
        case Write():
            return range(request.address, request.address + len(request.words))
        case MaskWrite() | CoilWord():
            return range(request.address, request.address + 1)
        case Malformed():
            return range(0)


def _words(function: int, second: int, body: bytes) -> tuple[int, ...] | None:
    """Give what a write brings; None when it contradicts itself."""
    if function == 5:  # noqa: PLR2004 - write single coil
        return (int(second == _ON),) if len(body) == 4 else None  # noqa: PLR2004 - two words
    if function == 6:  # noqa: PLR2004 - write single register
        return (second,) if len(body) == 4 else None  # noqa: PLR2004 - two words
    data = body[5:]
    size = 2 * second if function == 16 else (second + 7) // 8  # noqa: PLR2004 - write multiple registers
    if not 1 <= second <= _MOST_WRITTEN[function] or len(data) != size or body[4] != size:
        return None
    if function == 16:  # noqa: PLR2004 - write multiple registers
        return struct.unpack(f">{second}H", data)
    return tuple(data[i // 8] >> i % 8 & 1 for i in range(second))


def read_answer(function: int, words: Sequence[int]) -> bytes:
    """Give the answer PDU for registers, or for bits (eight to a byte, the first one lowest)."""
    if READS[function].is_bits:
        data = bytearray((len(words) + 7) // 8)
        for i, bit in enumerate(words):
            data[i // 8] |= bit << i % 8
    else:
        data = bytearray(struct.pack(f">{len(words)}H", *words))
    return bytes([function, len(data)]) + bytes(data)


def exception(function: int, code: int) -> bytes:
    """Give the PDU by which a device refuses."""
    return bytes([function | 0x80, code])


def take_tcp(buffer: bytearray) -> Frame | None:
    """Take one whole request out of what a connection has brought; ValueError when it is not Modbus TCP."""
    if len(buffer) < _MBAP + 1:
        return None
    transaction, protocol, length, unit = struct.unpack_from(">HHHB", buffer)
    if protocol != 0 or not 2 <= length <= 254:  # noqa: PLR2004 - unit and function; the longest PDU and unit
        raise ValueError("not Modbus TCP")
    end = 6 + length
    if len(buffer) < end:
        return None
    pdu = bytes(buffer[_MBAP:end])
    del buffer[:end]
    return Frame(unit=unit, transaction=transaction, pdu=pdu)


def tcp(frame: Frame, pdu: bytes) -> bytes:
    """Put an answer into the frame for Modbus TCP."""
    return struct.pack(">HHHB", frame.transaction, 0, len(pdu) + 1, frame.unit) + pdu


def take_rtu(buffer: bytearray) -> Frame | None:
    """Take one whole request out of what a line has brought; ValueError when it cannot be one."""
    if len(buffer) < 2:  # noqa: PLR2004 - unit and function
        return None
    function = buffer[1]
    size = _FIXED_RTU
    if function in {15, 16}:
        if len(buffer) < 7:  # noqa: PLR2004 - up to the byte count
            return None
        size = 9 + buffer[6]
    elif function == 22:  # noqa: PLR2004 - mask write register
        size = _MASK_RTU
    if len(buffer) < size and function in READS | WRITES:
        return None
    if function not in READS | WRITES:
        # The length of an unknown function's request is unknown: the frame is what came before the line fell silent.
        size = len(buffer)
    data = bytes(buffer[:size])
    if size < 4 or crc16(data[:-2]) != struct.unpack("<H", data[-2:])[0]:  # noqa: PLR2004 - unit, function, CRC
        raise ValueError("the CRC is wrong")
    del buffer[:size]
    return Frame(unit=data[0], transaction=0, pdu=data[1:-2])


def rtu(frame: Frame, pdu: bytes) -> bytes:
    """Put an answer into the frame for a serial line."""
    data = bytes([frame.unit]) + pdu
    return data + struct.pack("<H", crc16(data))


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: 0x4B37 for the text 123456789."""
    crc = _CRC_START
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ _CRC_POLYNOMIAL if value & 1 else value >> 1
    return value


_CRC_TABLE = tuple(_crc_row(value) for value in range(256))

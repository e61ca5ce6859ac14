"""Modbus frames cut out of streams of bytes, without knowing beforehand who speaks. Pure.

Sources: Modbus Application Protocol 1.1b3 (lengths, by function), Modbus over Serial Line 1.02 (RTU, its CRC), Modbus
Messaging on TCP/IP 1.0b (MBAP).
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_MBAP = 7
_LONGEST_RTU = 256
_EXCEPTION = 0x80
_CRC_START, _CRC_POLYNOMIAL = 0xFFFF, 0xA001
_Shape = tuple[int, int | None]
_REFUSAL: tuple[_Shape, ...] = ((5, None),)
_SHAPES: Mapping[int, tuple[_Shape, ...]] = {
    **dict.fromkeys((1, 2, 3, 4), ((8, None), (5, 2))),
    **dict.fromkeys((5, 6, 8), ((8, None),)),
    **dict.fromkeys((15, 16), ((8, None), (9, 6))),
    22: ((10, None),),
    23: ((5, 2), (13, 10)),
}
"""By function, the sizes of its request and of its answer on a serial line: so many bytes, and as many more as the byte
at this index says."""
_REGISTERS = frozenset({3, 4, 23})
_COUNTER = 2  # of an answer: its byte count, even for registers


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame: whose it is, its PDU (function and body), and its transaction (TCP alone)."""

    unit: int
    pdu: bytes
    transaction: int = 0

    @property
    def function(self) -> int:
        """The function, without the mark of an exception."""
        return self.pdu[0] & ~_EXCEPTION

    @property
    def is_exception(self) -> bool:
        """Whether a device refuses by it."""
        return bool(self.pdu[0] & _EXCEPTION)


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbage:
    """Bytes that make no frame, and why not."""

    data: bytes
    why: str


class RtuSplitter:
    """Cuts what a serial line carries into frames, each proven by its CRC.

    Frames need not be apart in time, because an adapter may hand over several at once; where bytes make no frame, the
    next frame or the next silence ends them.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether there are bytes that are no frame yet."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Frame | Garbage]:
        """Take bytes as they come."""
        self._buffer += data
        return list(self._take(silent=False))

    def silence(self) -> list[Frame | Garbage]:
        """Say that the line is silent: what has not become a frame by now does not become one."""
        return list(self._take(silent=True))

    def _take(self, *, silent: bool) -> Iterator[Frame | Garbage]:
        while self._buffer:
            size = _frame_at(self._buffer, 0, silent=silent)
            skipped = 0
            if size == 0:  # it may still become one
                if not silent and len(self._buffer) <= _LONGEST_RTU:
                    return
                size = -1
            if size < 0:
                skipped, size = _next_frame(self._buffer, silent=silent)
                if size == 0:
                    if not silent and len(self._buffer) <= _LONGEST_RTU:
                        return
                    skipped = len(self._buffer)
            if skipped:
                yield _garbage(bytes(self._buffer[:skipped]))
                del self._buffer[:skipped]
            if size > 0:
                data = bytes(self._buffer[:size])
                del self._buffer[:size]
                yield Frame(unit=data[0], pdu=data[1:-2])


class TcpSplitter:
    """Cuts one direction of a Modbus TCP connection into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame | Garbage]:
        """Take bytes as they come; what has no place in Modbus TCP is garbage up to the end of what has come."""
        self._buffer += data
        return list(self._take())

    def _take(self) -> Iterator[Frame | Garbage]:
        while len(self._buffer) > _MBAP:
            transaction, protocol, length, unit = struct.unpack_from(">HHHB", self._buffer)
            if protocol != 0 or not 2 <= length <= 254:  # noqa: PLR2004 - unit and function; the longest PDU and unit
                yield Garbage(data=bytes(self._buffer), why="not Modbus TCP")
                self._buffer.clear()
                return
            end = 6 + length
            if len(self._buffer) < end:
                return
            yield Frame(unit=unit, pdu=bytes(self._buffer[_MBAP:end]), transaction=transaction)
            del self._buffer[:end]


def rtu(unit: int, pdu: bytes) -> bytes:
    """Put a PDU into a frame for a serial line."""
    data = bytes([unit]) + pdu
    return data + struct.pack("<H", crc16(data))


def tcp(unit: int, transaction: int, pdu: bytes) -> bytes:
    """Put a PDU into a frame for Modbus TCP."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: 0x4B37 for the text 123456789."""
    crc = _CRC_START
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ _CRC_POLYNOMIAL if crc & 1 else crc >> 1
    return crc


def _frame_at(buffer: bytearray, at: int, *, silent: bool) -> int:
    """Give the size of the frame that begins at `at`; 0 when it may still become one, -1 when there is none."""
    left = len(buffer) - at
    sizes = _sizes(buffer, at)
    for size in sorted(sizes or ()):
        if size <= left and _is_whole(buffer, at, size):
            return size
    if sizes is None and silent and _is_whole(buffer, at, left):
        return left
    return 0 if sizes is None or any(size > left for size in sizes) else -1


def _next_frame(buffer: bytearray, *, silent: bool) -> tuple[int, int]:
    """Find a whole frame behind bytes that are none: where it begins, and its size (0 when there is none)."""
    for at in range(1, len(buffer)):
        size = _frame_at(buffer, at, silent=silent)
        if size > 0:
            return at, size
    return 0, 0


def _is_whole(buffer: bytearray, at: int, size: int) -> bool:
    if not 4 <= size <= _LONGEST_RTU or size > len(buffer) - at:  # noqa: PLR2004 - unit, function, CRC
        return False
    end = at + size
    return crc16(bytes(buffer[at : end - 2])) == int.from_bytes(buffer[end - 2 : end], "little")


def _sizes(buffer: bytearray, at: int) -> frozenset[int] | None:
    """Give the sizes that a frame with this beginning can have; None when its function does not tell, or is not there.

    A size that depends on bytes that are not there yet is given as one that is longer than what there is.
    """
    left = len(buffer) - at
    if left < 2:  # noqa: PLR2004 - unit and function
        return None
    function = buffer[at + 1]
    shapes = _REFUSAL if function & _EXCEPTION else _SHAPES.get(function)
    if shapes is None:
        return None
    sizes = set()
    for base, counter in shapes:
        if counter is None:
            sizes.add(base)
        elif counter >= left:
            sizes.add(left + 1)
        elif not (function in _REGISTERS and counter == _COUNTER and buffer[at + counter] % 2):
            sizes.add(base + buffer[at + counter])
    return frozenset(sizes)


def _garbage(data: bytes) -> Garbage:
    if len(data) < 4:  # noqa: PLR2004 - unit, function, CRC
        return Garbage(data=data, why="too short for a frame")
    return Garbage(data=data, why="wrong CRC")

"""Frames of CJ/T 188, and the unit that follows each quantity. Bytes in, values out: no line, no clock.

FE FE.. | 68 | T | A0..A6 (decimal, low first) | C | L | DI DI SER data | CS | 16. CS is the sum of everything from
the 68 on, modulo 256. In C, D7 says "answer", D6 "refused". An answer repeats the request's serial number SER, by
which a late answer is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from drivers.api import Value
from drivers.packed import Decoded
from drivers.packed import decode as decode_packed
from drivers.packed import encode as encode_packed
from drivers.places.meters import Cjt188Point, Quantity

START = 0x68
END = 0x16
ANSWER = 0x80
REFUSED = 0x40
READ = 0x01
READ_ADDRESS = 0x03
ADDRESS_IDENTIFIER = "810A"
ANY_ADDRESS = "A" * 14
"""Every meter answers to it: for a line with one meter alone."""

UNITS: Mapping[int, tuple[Quantity, Decimal]] = {
    0x01: (Quantity.ENERGY, Decimal(1) / 3_600_000),  # J
    0x02: (Quantity.ENERGY, Decimal("0.001")),  # Wh
    0x05: (Quantity.ENERGY, Decimal(1)),  # kWh
    0x08: (Quantity.ENERGY, Decimal(1000)),  # MWh
    0x0A: (Quantity.ENERGY, Decimal(100_000)),  # MWh x 100
    0x0B: (Quantity.ENERGY, Decimal(1) / 3600),  # kJ
    0x0E: (Quantity.ENERGY, Decimal(1000) / 3600),  # MJ
    0x11: (Quantity.ENERGY, Decimal(1_000_000) / 3600),  # GJ
    0x13: (Quantity.ENERGY, Decimal(100_000_000) / 3600),  # GJ x 100
    0x14: (Quantity.POWER, Decimal("0.001")),  # W
    0x17: (Quantity.POWER, Decimal(1)),  # kW
    0x1A: (Quantity.POWER, Decimal(1000)),  # MW
    0x29: (Quantity.VOLUME, Decimal("0.001")),  # L
    0x2C: (Quantity.VOLUME, Decimal(1)),  # cubic metres
    0x32: (Quantity.FLOW, Decimal("0.001")),  # L/h
    0x35: (Quantity.FLOW, Decimal(1)),  # cubic metres an hour
}
"""A unit byte to its quantity, and to the factor into the quantity's own unit."""
OWN_UNIT: Mapping[Quantity, int] = {quantity: code for code, (quantity, factor) in UNITS.items() if factor == 1}

_OVERHEAD = 13
_CONTROL = 9
_LENGTH = 10
_DATA = 11
_PREFIX = 3
_SERIAL = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame: `address` has 14 digits, the highest first (four of them are the maker's code)."""

    meter_type: int
    address: str
    control: int
    data: bytes


class MeterRefused(Exception):
    """The meter answered that it cannot; `code` is its status word."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"status {code:04X}H")


def build(frame: Frame) -> bytes:
    """Give the bytes of a frame, without the wake-up bytes."""
    body = bytes([START, frame.meter_type, *bytes.fromhex(frame.address)[::-1], frame.control, len(frame.data)])
    body += frame.data
    return body + bytes([sum(body) & 0xFF, END])


def read_request(*, meter_type: int, address: str, identifier: str, serial: int, edition: int) -> bytes:
    """Ask a meter for the data of an identifier; in the edition of 2004 its high byte goes first."""
    code = bytes.fromhex(identifier)
    code = code if edition == 2004 else code[::-1]  # noqa: PLR2004 - a year
    return build(Frame(meter_type=meter_type, address=address, control=READ, data=code + bytes([serial])))


def address_request(*, meter_type: int, serial: int) -> bytes:
    """Ask the only meter of a type on the line for its address."""
    data = bytes([*bytes.fromhex(ADDRESS_IDENTIFIER)[::-1], serial])
    return build(Frame(meter_type=meter_type, address=ANY_ADDRESS, control=READ_ADDRESS, data=data))


def take(buffer: bytearray) -> Frame | None:
    """Take the first whole and sound frame out of what came, with all before it; None while there is none."""
    at = buffer.find(START)
    while at >= 0:
        if (frame := _frame_at(buffer, at)) is not None:
            del buffer[: at + _OVERHEAD + len(frame.data)]
            return frame
        at = buffer.find(START, at + 1)
    return None


def data_of(frame: Frame, *, meter_type: int, address: str, identifier: str, serial: int) -> bytes | None:
    """Give the data with which `frame` answers a read request; None when it answers something else. MeterRefused.

    What answers something else is an echo of the request, another meter, or a late answer.
    """
    wanted = (meter_type, address, READ | ANSWER)
    if (frame.meter_type, frame.address, frame.control & ~REFUSED) != wanted:
        return None
    if frame.control & REFUSED:
        if frame.data and frame.data[0] != serial:
            return None
        raise MeterRefused(int.from_bytes(frame.data[1:3], "little"))
    code = bytes.fromhex(identifier)
    if frame.data[:_SERIAL] not in {code, code[::-1]} or frame.data[_SERIAL:_PREFIX] != bytes([serial]):
        return None
    return frame.data[_PREFIX:]


def contents(frame: Frame) -> tuple[frozenset[str], bytes] | None:
    """Give the data of a good answer to a read request, whoever asked, and its identifier in both orders of its bytes.

    None for any other frame.
    """
    if frame.control != READ | ANSWER or len(frame.data) < _PREFIX:
        return None
    code = frame.data[:_SERIAL]
    return frozenset({code.hex().upper(), code[::-1].hex().upper()}), frame.data[_PREFIX:]


def decode(point: Cjt188Point, data: bytes) -> Decoded:
    """Give a point's value, in its quantity's own unit, out of the data of its identifier."""
    decoded = decode_packed(point, data)
    if point.quantity is None or not isinstance(decoded.value, float):
        return decoded
    behind = data[point.offset + point.length :]
    quantity, factor = UNITS.get(behind[0], (None, Decimal(1))) if behind else (None, Decimal(1))
    if quantity is not point.quantity:
        shown = f"{behind[0]:02X}H" if behind else "missing"
        return Decoded(value=None, reason=f"the unit {shown} is none of {point.quantity}")
    return Decoded(value=float(Decimal(repr(decoded.value)) * factor))


def encode(point: Cjt188Point, value: Value, data: bytearray) -> None:
    """Put a value, in its quantity's own unit, into the data of its identifier. ValueError says what fits."""
    encode_packed(point, value, data)
    if point.quantity is not None:
        at = point.offset + point.length
        data.extend(bytes(max(0, at + 1 - len(data))))
        data[at] = OWN_UNIT[point.quantity]


def _frame_at(buffer: bytearray, at: int) -> Frame | None:
    if len(buffer) < at + _OVERHEAD:
        return None
    size = buffer[at + _LENGTH]
    end = at + _OVERHEAD + size
    if len(buffer) < end or buffer[end - 1] != END or sum(buffer[at : end - 2]) & 0xFF != buffer[end - 2]:
        return None
    return Frame(
        meter_type=buffer[at + 1],
        address=bytes(buffer[at + 2 : at + _CONTROL])[::-1].hex().upper(),
        control=buffer[at + _CONTROL],
        data=bytes(buffer[at + _DATA : at + _DATA + size]),
    )

"""Values of meters, packed decimal or binary, low byte first: bytes to engineering values and back. Pure."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from drivers.api import Value
from drivers.places.meters import MeterPoint

NOT_AVAILABLE = "the device says: not available"
NOT_SENT = "the meter's answer does not reach this value"

_NIBBLE = 4
_TEN = 10
_SIGN = 0x80


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """What the bytes of a point mean: a value, or the reason why there is none (`value` is None)."""

    value: Value | None
    reason: str = ""


def decode(point: MeterPoint, data: bytes) -> Decoded:
    """Give a point's value out of the data of its identifier.

    Bytes of FFH alone are how a meter says that it has no such value, as single-phase meters do for the phases B and C.
    """
    raw = data[point.offset : point.offset + point.length]
    if len(raw) < point.length:
        return Decoded(value=None, reason=NOT_SENT)
    if point.binary:
        return Decoded(value=_bits(point, int.from_bytes(raw, "little")))
    if raw == b"\xff" * point.length:
        return Decoded(value=None, reason=NOT_AVAILABLE)
    digits = bytearray(reversed(raw))
    minus = point.signed and bool(digits[0] & _SIGN)
    if point.signed:
        digits[0] &= ~_SIGN & 0xFF
    text = digits.hex()
    if not text.isdecimal():
        return Decoded(value=None, reason=f"no decimal digits: {raw.hex(' ').upper()}")
    figure = Decimal(text).scaleb(-point.decimals)
    figure = -figure if minus else figure
    return Decoded(value=float(figure) if point.decimals else int(figure))


def encode(point: MeterPoint, value: Value, data: bytearray) -> None:
    """Put a value into the data of its identifier, which grows as needed. ValueError says what fits."""
    end = point.offset + point.length
    data.extend(bytes(max(0, end - len(data))))
    if point.binary:
        current = int.from_bytes(data[point.offset : end], "little")
        data[point.offset : end] = _with_bits(point, value, current).to_bytes(point.length, "little")
        return
    low, high = limits(point)
    if isinstance(value, bool | str) or not low <= value <= high:
        raise ValueError(f"{value!r} does not fit: {low:g} to {high:g}")
    figure = int(Decimal(repr(value)).scaleb(point.decimals).to_integral_value(rounding=ROUND_HALF_EVEN))
    raw = bytearray.fromhex(str(abs(figure)).zfill(point.digits))
    if figure < 0:
        raw[0] |= _SIGN
    data[point.offset : end] = raw[::-1]


def limits(point: MeterPoint) -> tuple[float, float]:
    """Give the least and the greatest value that a point's bytes can hold."""
    if point.binary:
        width = 1 if point.bit is not None else point.bits[1] if point.bits is not None else _NIBBLE * point.digits
        return 0, 2**width - 1
    # The sign takes the highest bit of the first digit, which leaves it 0 to 7.
    most = (8 if point.signed else _TEN) * _TEN ** (point.digits - 1) - 1
    high = float(Decimal(most).scaleb(-point.decimals))
    return (-high if point.signed else 0.0), high


def _bits(point: MeterPoint, number: int) -> Value:
    if point.bit is not None:
        return bool(number >> point.bit & 1)
    if point.bits is not None:
        low, width = point.bits
        return number >> low & (1 << width) - 1
    return number


def _with_bits(point: MeterPoint, value: Value, current: int) -> int:
    low, width = (point.bit, 1) if point.bit is not None else point.bits or (0, _NIBBLE * point.digits)
    number = int(value) if isinstance(value, int) else -1
    if not 0 <= number < 1 << width:
        raise ValueError(f"{value!r} does not fit in {width} bits")
    return current & ~((1 << width) - 1 << low) | number << low

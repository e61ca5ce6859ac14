"""Registers to engineering values and back. Bytes in, values out: no sockets, no clock.

Word orders follow the trade's letters, A being the most significant byte. They generalise beyond 32 bits: CDAB reverses
the registers, BADC swaps the two bytes of every register, DCBA does both. Text is never reversed, only byte-swapped.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import lru_cache

from drivers.api import Value
from drivers.places.modbus import LONGEST_COIL_PULSE, ModbusPoint, RegisterType, WordOrder, Write

REGISTER_BITS = 16
REGISTER_MAX = 0xFFFF
NOT_AVAILABLE = "the device says: not available"

_SWAPPED_BYTES = frozenset({WordOrder.BADC, WordOrder.DCBA})
_REVERSED_WORDS = frozenset({WordOrder.CDAB, WordOrder.DCBA})
_SIGNED = frozenset({RegisterType.INT16, RegisterType.INT32, RegisterType.INT64})
_FLOATS = {RegisterType.FLOAT32: ">f", RegisterType.FLOAT64: ">d"}
_DECIMAL_DIGITS = 60  # 64-bit integers times the 17 digits of a scale, exactly


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """What the raw content of a point means: a value, or the reason why there is none (`value` is None)."""

    value: Value | None
    reason: str = ""


def decode(point: ModbusPoint, raw: Sequence[int] | Sequence[bool]) -> Decoded:
    """Give the engineering value of `point.count` registers (0..65535 each), or of one bit of a bit table.

    Integers with a scale or offset that is no whole number become floats by decimal arithmetic: 42 x 0.1 is 4.2.
    ValueError when `raw` has the wrong length: that is a mistake of the caller, not of the device.
    """
    if len(raw) != point.count:
        raise ValueError(f"the point takes {point.count} addresses, and {len(raw)} were given")
    if point.table.is_bits and not point.is_pulse:
        return Decoded(value=bool(raw[0]))
    data = _to_bytes(point, [int(word) for word in raw])
    if point.type is RegisterType.STRING:
        return _text(data)
    if point.type.is_float:
        return _float(point, data)
    return _integer(point, data)


def encode(point: ModbusPoint, value: Value, *, current: int = 0) -> tuple[int, ...]:
    """Give the registers (0..65535), or for a bit table one 0 or 1, by which a device shows or is told `value`.

    `current` is what the register holds now: a bit or a bit field is set in it and the rest kept. A number between two
    raw steps goes to the nearer one, so a read-back may differ by half a step. A pulse is the word that stands for its
    time, without its `lead`; one of no length is refused. ValueError says what fits.
    """
    _check_kind(point, value)
    if point.is_pulse and float(value) <= 0:
        raise ValueError(f"{value} does not fit: a pulse lasts longer than 0 s")
    if point.table.is_bits and not point.is_pulse:
        return (int(bool(value)),)
    if point.type is RegisterType.BOOL:
        mask = 1 << (point.bit or 0)
        word = _swap(current) if point.word_order in _SWAPPED_BYTES else current
        return _to_words(point, ((word | mask) if value else (word & ~mask)).to_bytes(2, "big"))
    if point.type is RegisterType.STRING:
        return _to_words(point, _text_bytes(point, str(value)))
    if point.type.is_float:
        return _to_words(point, _float_bytes(point, float(value)))
    return _to_words(point, _integer_bytes(point, value, current))


def masks(point: ModbusPoint, value: Value) -> tuple[int, int]:
    """Give the two masks by which function 22 puts `value` into bits of a register: (current AND and) OR or.

    ValueError as for `encode`, and for a point that is no bit or bit field.
    """
    if point.bit is None and point.bits is None:
        raise ValueError("the point is no bit or bit field of a register")
    (onto_zeros,), (onto_ones,) = encode(point, value, current=0), encode(point, value, current=REGISTER_MAX)
    return onto_zeros ^ onto_ones, onto_zeros


def limits(point: ModbusPoint) -> tuple[float, float]:
    """Give the lowest and the highest engineering value that an integer point can hold; ValueError for other types."""
    if point.type.is_float or point.type in {RegisterType.BOOL, RegisterType.STRING}:
        raise ValueError(f"a {point.type} has no integer limits")
    low, high = _raw_limits(point)
    ends = sorted((_scaled(point, low), _scaled(point, high)))
    return ends[0], ends[1]


def _text(data: bytes) -> Decoded:
    try:
        return Decoded(value=data.split(b"\0", 1)[0].decode("utf-8").strip())
    except UnicodeDecodeError:
        return Decoded(value=None, reason=f"not text: {data.hex(' ')}")


def _text_bytes(point: ModbusPoint, value: str) -> bytes:
    data = value.encode("utf-8")
    size = 2 * point.count
    if len(data) > size or "\0" in value:
        raise ValueError(f"{value!r} does not fit: at most {size} bytes of UTF-8 without NUL")
    return data.ljust(size, b"\0")


def _float(point: ModbusPoint, data: bytes) -> Decoded:
    raw: float = struct.unpack(_FLOATS[point.type], data)[0]
    if math.isnan(raw) or (point.absent is not None and raw == point.absent):
        return Decoded(value=None, reason=NOT_AVAILABLE)
    value = raw * point.scale + point.offset
    if math.isinf(value):
        return Decoded(value=None, reason="the device shows an infinite value")
    return Decoded(value=value)


def _float_bytes(point: ModbusPoint, value: float) -> bytes:
    if not math.isfinite(value):
        raise ValueError(f"{value} does not fit: a finite number is needed")
    raw = (value - point.offset) / point.scale
    if point.absent is not None and raw == point.absent:
        raise ValueError(f"{value} does not fit: the device uses it for 'not available'")
    try:
        data = struct.pack(_FLOATS[point.type], raw)
    except OverflowError as error:
        raise ValueError(f"{value} does not fit a {point.type}") from error
    if math.isinf(struct.unpack(_FLOATS[point.type], data)[0]):
        raise ValueError(f"{value} does not fit a {point.type}")
    return data


def _integer(point: ModbusPoint, data: bytes) -> Decoded:
    whole = int.from_bytes(data, "big", signed=point.type in _SIGNED)
    if point.type is RegisterType.BOOL:
        return Decoded(value=bool(whole >> (point.bit or 0) & 1))
    raw = whole
    if point.bits is not None:
        low, width = point.bits
        raw = whole >> low & ((1 << width) - 1)
    if point.absent is not None and raw == point.absent:
        return Decoded(value=None, reason=NOT_AVAILABLE)
    return Decoded(value=_scaled(point, raw))


def _integer_bytes(point: ModbusPoint, value: Value, current: int) -> bytes:
    low, high = _raw_limits(point)
    with localcontext() as context:
        context.prec = _DECIMAL_DIGITS
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} does not fit: a finite number is needed")
        exact = (_decimal(value) - _decimal(point.offset)) / _decimal(point.scale)
        raw = int(exact.to_integral_value(ROUND_HALF_EVEN))
    if not low <= raw <= high:
        bottom, top = limits(point)
        raise ValueError(f"{value} does not fit: {bottom} to {top}")
    if point.absent is not None and raw == point.absent:
        raise ValueError(f"{value} does not fit: the device uses it for 'not available'")
    if point.bits is not None:
        shift, width = point.bits
        word = _swap(current) if point.word_order in _SWAPPED_BYTES else current
        raw = word & ~(((1 << width) - 1) << shift) | raw << shift
    return raw.to_bytes(2 * point.count, "big", signed=point.type in _SIGNED)


def _raw_limits(point: ModbusPoint) -> tuple[int, int]:
    if point.write is Write.COIL_PULSE:
        return 1, LONGEST_COIL_PULSE
    width = point.bits[1] if point.bits is not None else REGISTER_BITS * point.count
    return (-(1 << width - 1), (1 << width - 1) - 1) if point.type in _SIGNED else (0, (1 << width) - 1)


def _scaled(point: ModbusPoint, raw: int) -> int | float:
    if point.value_type is int:
        return raw * int(point.scale) + int(point.offset)
    with localcontext() as context:
        context.prec = _DECIMAL_DIGITS
        return float(raw * _decimal(point.scale) + _decimal(point.offset))


@lru_cache(maxsize=1024)
def _decimal(number: float | str) -> Decimal:
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def _check_kind(point: ModbusPoint, value: Value) -> None:
    kind = point.value_type
    if kind is float and type(value) in {int, float}:
        return
    if type(value) is not kind:
        raise ValueError(f"{value!r} does not fit: {_KIND_NAMES[kind]} is needed")


_KIND_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _to_bytes(point: ModbusPoint, words: Sequence[int]) -> bytes:
    ordered = words[::-1] if _reverses(point) else words
    if point.word_order in _SWAPPED_BYTES:
        ordered = [_swap(word) for word in ordered]
    return struct.pack(f">{len(ordered)}H", *ordered)


def _to_words(point: ModbusPoint, data: bytes) -> tuple[int, ...]:
    words: tuple[int, ...] = struct.unpack(f">{point.count}H", data)
    if point.word_order in _SWAPPED_BYTES:
        words = tuple(_swap(word) for word in words)
    return words[::-1] if _reverses(point) else words


def _reverses(point: ModbusPoint) -> bool:
    return point.word_order in _REVERSED_WORDS and point.type is not RegisterType.STRING


def _swap(word: int) -> int:
    return (word & 0xFF) << 8 | word >> 8

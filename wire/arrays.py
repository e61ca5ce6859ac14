"""Arrays in `bytes_value` (Sparkplug 3.0, chapter 6, "Datatype Details"): packed, little endian.

The standard's examples for Float and Double arrays show big-endian bytes; its rule says little endian, as do its other
examples and the implementations known to us, so the rule holds here.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wire.errors import WrongType

Array = tuple[bool, ...] | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]

_COUNT = struct.Struct("<I")
_BITS = tuple(1 << bit for bit in reversed(range(8)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Codec:
    """How one type of array is packed and unpacked; both raise WrongType."""

    read: Callable[[bytes], Array]
    write: Callable[[Any], bytes]


def numbers(code: str) -> Codec:
    """Return the codec of numbers of one format of the module `struct`."""
    one = struct.Struct(f"<{code}")
    kind = float if code in "fd" else int

    def read(raw: bytes) -> Array:
        if len(raw) % one.size:
            raise WrongType(f"{len(raw)} bytes are no whole number of elements of {one.size}")
        return struct.unpack(f"<{len(raw) // one.size}{code}", raw)

    def write(value: Any) -> bytes:  # noqa: ANN401 the caller's value is what is checked here
        for element in _elements(value):
            if type(element) is not kind and not (kind is float and type(element) is int):
                raise WrongType(f"{element!r} is no element of an array of {kind.__name__}")
        try:
            return struct.pack(f"<{len(value)}{code}", *value)
        except (struct.error, OverflowError) as error:
            raise WrongType(f"an element does not fit the array: {error}") from error

    return Codec(read=read, write=write)


def _read_booleans(raw: bytes) -> Array:
    if len(raw) < _COUNT.size:
        raise WrongType("an array of booleans begins with their number in 4 bytes")
    (count,) = _COUNT.unpack_from(raw)
    packed = raw[_COUNT.size :]
    if len(packed) != (count + 7) // 8:
        raise WrongType(f"{count} booleans do not fill {len(packed)} bytes")
    return tuple(bool(byte & bit) for byte in packed for bit in _BITS)[:count]


def _write_booleans(value: Any) -> bytes:  # noqa: ANN401 the caller's value is what is checked here
    packed = bytearray((len(_elements(value)) + 7) // 8)
    for index, element in enumerate(value):
        if type(element) is not bool:
            raise WrongType(f"{element!r} is no element of an array of bool")
        if element:
            packed[index // 8] |= _BITS[index % 8]
    return _COUNT.pack(len(value)) + bytes(packed)


def _read_strings(raw: bytes) -> Array:
    if raw and raw[-1]:
        raise WrongType("the last string of an array has no end")
    try:
        return tuple(one.decode() for one in raw.split(b"\0")[:-1])
    except UnicodeDecodeError as error:
        raise WrongType("a string of an array is not UTF-8") from error


def _write_strings(value: Any) -> bytes:  # noqa: ANN401 the caller's value is what is checked here
    parts: list[bytes] = []
    for element in _elements(value):
        if not isinstance(element, str) or "\0" in element:
            raise WrongType(f"{element!r} is no element of an array of strings, which end with NUL")
        try:
            parts.append(element.encode() + b"\0")
        except UnicodeEncodeError as error:
            raise WrongType(f"{element!r} has no UTF-8 form") from error
    return b"".join(parts)


def _elements(value: object) -> tuple[object, ...]:
    if isinstance(value, tuple):
        return value
    raise WrongType(f"{value!r} is not a tuple")


BOOLEANS = Codec(read=_read_booleans, write=_write_booleans)
STRINGS = Codec(read=_read_strings, write=_write_strings)

"""Sparkplug's data types and how each travels in a protobuf field (Sparkplug 3.0, chapter 6, "Datatype Details")."""

import math
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Literal

from wire import arrays
from wire.arrays import Array
from wire.errors import WrongType

Value = bool | int | float | str | bytes
"""One value of a basic type, a UUID, bytes or a file."""

ValueField = Literal[
    "int_value", "long_value", "float_value", "double_value", "boolean_value", "string_value", "bytes_value",
    "dataset_value", "template_value", "extension_value",
]  # fmt: skip


class DataType(IntEnum):
    """The standard's numbers."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTY_SET = 20
    PROPERTY_SET_LIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


BASIC: frozenset[DataType] = frozenset(kind for kind in DataType if DataType.INT8 <= kind <= DataType.TEXT)
"""What a property, a column of a DataSet and a parameter of a Template may be (beside property sets)."""

BY_NUMBER: dict[int, DataType] = {int(kind): kind for kind in DataType}

_FLOAT32_MAX = (2 - 2**-23) * 2.0**127
_UINT32 = 2**32


def _read_signed(bits: int) -> Callable[[int], int]:
    """Undo two's complement in the type's own width, or sign-extended to the field's 32 bits as others send it."""
    limit, half = 1 << bits, 1 << (bits - 1)

    def read(raw: int) -> int:
        if raw < half:
            return raw
        if raw < limit:
            return raw - limit
        if raw >= _UINT32 - half:
            return raw - _UINT32
        raise WrongType(f"{raw} does not fit a signed integer of {bits} bits")

    return read


def _read_unsigned(bits: int) -> Callable[[int], int]:
    limit = 1 << bits

    def read(raw: int) -> int:
        if raw < limit:
            return raw
        raise WrongType(f"{raw} does not fit an unsigned integer of {bits} bits")

    return read


def _write_integer(low: int, high: int, mask: int) -> Callable[[Any], int]:
    def write(value: Any) -> int:  # noqa: ANN401 the caller's value is what is checked here
        if type(value) is int and low <= value <= high:
            return value & mask
        raise WrongType(f"{value!r} is not an integer of {low} to {high}")

    return write


def _signed(bits: int) -> Callable[[Any], int]:
    return _write_integer(-(1 << (bits - 1)), (1 << (bits - 1)) - 1, (1 << bits) - 1)


def _unsigned(bits: int) -> Callable[[Any], int]:
    return _write_integer(0, (1 << bits) - 1, (1 << bits) - 1)


def _write_double(value: Any) -> float:  # noqa: ANN401 the caller's value is what is checked here
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError as error:
            raise WrongType("the integer is too large for a float") from error
    raise WrongType(f"{value!r} is not a number")


def _write_float(value: Any) -> float:  # noqa: ANN401 the caller's value is what is checked here
    number = _write_double(value)
    if -_FLOAT32_MAX <= number <= _FLOAT32_MAX or not math.isfinite(number):
        return number
    raise WrongType(f"{value!r} does not fit a 32-bit float")


def _write_boolean(value: Any) -> bool:  # noqa: ANN401 the caller's value is what is checked here
    if type(value) is bool:
        return value
    raise WrongType(f"{value!r} is not a boolean")


def _write_text(value: Any) -> str:  # noqa: ANN401 the caller's value is what is checked here
    if not isinstance(value, str):
        raise WrongType(f"{value!r} is not a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise WrongType(f"{value!r} has no UTF-8 form") from error
    return value


def _read_text(raw: object) -> str:
    # protobuf hands the bytes out as they are when they are not UTF-8, because the schema is proto2
    if isinstance(raw, str):
        return raw
    raise WrongType("the text is not UTF-8")


def _write_bytes(value: Any) -> bytes:  # noqa: ANN401 the caller's value is what is checked here
    if isinstance(value, bytes):
        return value
    raise WrongType(f"{value!r} is not bytes")


Reader = Callable[[Any], Any]
Writer = Callable[[Any], Value]

_ARRAYS: dict[DataType, arrays.Codec] = {
    DataType.INT8_ARRAY: arrays.numbers("b"),
    DataType.INT16_ARRAY: arrays.numbers("h"),
    DataType.INT32_ARRAY: arrays.numbers("i"),
    DataType.INT64_ARRAY: arrays.numbers("q"),
    DataType.UINT8_ARRAY: arrays.numbers("B"),
    DataType.UINT16_ARRAY: arrays.numbers("H"),
    DataType.UINT32_ARRAY: arrays.numbers("I"),
    DataType.UINT64_ARRAY: arrays.numbers("Q"),
    DataType.FLOAT_ARRAY: arrays.numbers("f"),
    DataType.DOUBLE_ARRAY: arrays.numbers("d"),
    DataType.BOOLEAN_ARRAY: arrays.BOOLEANS,
    DataType.STRING_ARRAY: arrays.STRINGS,
    DataType.DATETIME_ARRAY: arrays.numbers("Q"),
}

WRITERS: dict[DataType, tuple[ValueField, Writer]] = {
    DataType.INT8: ("int_value", _signed(8)),
    DataType.INT16: ("int_value", _signed(16)),
    DataType.INT32: ("int_value", _signed(32)),
    DataType.INT64: ("long_value", _signed(64)),
    DataType.UINT8: ("int_value", _unsigned(8)),
    DataType.UINT16: ("int_value", _unsigned(16)),
    DataType.UINT32: ("int_value", _unsigned(32)),
    DataType.UINT64: ("long_value", _unsigned(64)),
    DataType.FLOAT: ("float_value", _write_float),
    DataType.DOUBLE: ("double_value", _write_double),
    DataType.BOOLEAN: ("boolean_value", _write_boolean),
    DataType.STRING: ("string_value", _write_text),
    DataType.DATETIME: ("long_value", _unsigned(64)),
    DataType.TEXT: ("string_value", _write_text),
    DataType.UUID: ("string_value", _write_text),
    DataType.BYTES: ("bytes_value", _write_bytes),
    DataType.FILE: ("bytes_value", _write_bytes),
    **{kind: ("bytes_value", codec.write) for kind, codec in _ARRAYS.items()},
}

_READERS: dict[DataType, Reader | None] = {
    DataType.INT8: _read_signed(8),
    DataType.INT16: _read_signed(16),
    DataType.INT32: _read_signed(32),
    DataType.INT64: _read_signed(64),
    DataType.UINT8: _read_unsigned(8),
    DataType.UINT16: _read_unsigned(16),
    DataType.STRING: _read_text,
    DataType.TEXT: _read_text,
    DataType.UUID: _read_text,
    **{kind: codec.read for kind, codec in _ARRAYS.items()},
}

# Which field may hold a type, and what turns its content into the value: None where protobuf's own value is it already.
READERS: dict[DataType, dict[str, Reader | None]] = {
    kind: {field: _READERS.get(kind)} for kind, (field, _) in WRITERS.items()
}
READERS[DataType.UINT32]["long_value"] = _read_unsigned(32)  # what implementations without unsigned numbers send


def read_value(datatype: DataType, field: str, raw: Any) -> Value | Array:  # noqa: ANN401 whatever the field held
    """Convert a protobuf field's content to the value of a data type; raises WrongType."""
    fields = READERS.get(datatype)
    if fields is None:
        raise WrongType(f"values of type {datatype.name} have no place here")
    if field not in fields:
        raise WrongType(f"a value of type {datatype.name} came in {field}")
    reader = fields[field]
    value: Value | Array = raw if reader is None else reader(raw)
    return value


def write_value(datatype: DataType, value: object) -> tuple[ValueField, Value]:
    """Return the protobuf field and its content for a value; raises WrongType."""
    form = WRITERS.get(datatype)
    if form is None:
        raise WrongType(f"values of type {datatype.name} have no place here")
    return form[0], form[1](value)

"""dlib's serialisation, primitives: bytes in, values out. Source: dlib/serialize.h, dlib/float_details.h.

Every read is bounded by what the file still holds, so that a damaged file costs no more memory than its own size.
"""

import math
from collections.abc import Sequence

import numpy as np

from models.api import Floats

_MAX_INT_BYTES = 8
_MAX_STRING = 64
_SPECIAL = {32000: math.inf, 32001: -math.inf, 32002: math.nan}
_MAX_EXPONENT = 2048
_TENSOR_VERSION = 2


class DlibFormatError(ValueError):
    """Bytes that are no dlib object; `offset` is where reading ended."""

    def __init__(self, what: str, offset: int) -> None:
        self.offset = offset
        super().__init__(f"{what} (at byte {offset})")


class Cursor:
    """Reads dlib's primitives from the front of `data`; DlibFormatError on whatever does not fit."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.offset = 0

    @property
    def left(self) -> int:
        """Bytes that are still unread."""
        return len(self._data) - self.offset

    def fail(self, what: str) -> DlibFormatError:
        """Make the error for what is wrong here."""
        return DlibFormatError(what, self.offset)

    def integer(self) -> int:
        """Read one integer: a control byte (bit 7 negative, low 4 bits the length), then its magnitude."""
        at = self.offset
        if at >= len(self._data):
            raise self.fail("the file ends where an integer should be")
        control = self._data[at]
        end = at + 1 + (control & 0x0F)
        if control & 0x70 or not 1 <= end - at - 1 <= _MAX_INT_BYTES or end > len(self._data):
            raise self.fail(f"no integer: control byte {control:#04x}")
        value = int.from_bytes(self._data[at + 1 : end], "little")
        self.offset = end
        return -value if control & 0x80 else value

    def integers(self, count: int) -> list[int]:
        """Read `count` integers."""
        self._room(count, 2, "integers")
        return [self.integer() for _ in range(count)]

    def count(self, item_bytes: int) -> int:
        """Read how many items follow, where each takes at least `item_bytes`."""
        value = self.integer()
        self._room(value, item_bytes, "items")
        return value

    def expect(self, values: Sequence[int], what: str) -> int:
        """Read an integer that must be one of `values`, such as a version."""
        value = self.integer()
        if value not in values:
            raise self.fail(f"{what} is {value}, and {', '.join(map(str, values))} is known")
        return value

    def boolean(self) -> bool:
        """Read '0' or '1'."""
        byte = self.raw(1)
        if byte not in {b"0", b"1"}:
            raise self.fail(f"no truth value: {byte!r}")
        return byte == b"1"

    def real(self) -> float:
        """Read one float or double: mantissa and exponent of two."""
        mantissa, exponent = self.integer(), self.integer()
        if exponent in _SPECIAL:
            return _SPECIAL[exponent]
        if abs(exponent) > _MAX_EXPONENT:
            raise self.fail(f"no number: exponent {exponent}")
        try:
            return math.ldexp(mantissa, exponent)
        except OverflowError as error:
            raise self.fail("no number: too large") from error

    def reals(self, count: int) -> list[float]:
        """Read `count` floats."""
        self._room(count, 4, "numbers")
        return [self.real() for _ in range(count)]

    def text(self) -> str:
        """Read a string, which here is always a short tag."""
        length = self.integer()
        if not 0 <= length <= _MAX_STRING:
            raise self.fail(f"a tag of {length} bytes")
        try:
            return self.raw(length).decode("ascii")
        except UnicodeDecodeError as error:
            raise self.fail("a tag that is no text") from error

    def raw(self, length: int) -> bytes:
        """Read `length` bytes as they are."""
        self._room(length, 1, "bytes")
        start, self.offset = self.offset, self.offset + length
        return self._data[start : self.offset]

    def column(self) -> list[float]:
        """Read a matrix of floats that is one column."""
        rows, columns = -self.integer(), -self.integer()
        if columns != 1 or rows < 0:
            raise self.fail(f"a column of {rows} x {columns}")
        return self.reals(rows)

    def tensor(self) -> Floats:
        """Read a tensor (n, k, rows, columns); one that was never filled is empty."""
        self.expect((_TENSOR_VERSION,), "a tensor's version")
        shape = self.shape()
        size = math.prod(shape)
        self._room(size, 4, "values of a tensor")
        return np.frombuffer(self.raw(4 * size), dtype="<f4").reshape(shape)

    def alias(self) -> tuple[int, int, int, int]:
        """Read an alias tensor: a shape without data."""
        self.expect((1,), "an alias tensor's version")
        return self.shape()

    def shape(self) -> tuple[int, int, int, int]:
        """Read four sizes."""
        n, k, rows, columns = self.integers(4)
        if min(n, k, rows, columns) < 0:
            raise self.fail(f"a tensor of {n} x {k} x {rows} x {columns}")
        return n, k, rows, columns

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self.left:
            raise self.fail(f"{self.left} bytes are left over")

    def _room(self, count: int, item_bytes: int, what: str) -> None:
        if not 0 <= count * item_bytes <= self.left:
            raise self.fail(f"{count} {what} cannot be in the {self.left} bytes that are left")

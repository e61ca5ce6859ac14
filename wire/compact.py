"""Values as bytes in one way only, so that what was signed can be written again: the base of passes, orders and rolls.

Numbers are LEB128 without needless bytes, texts are UTF-8 after their length, lists come after their count, an optional
value after 0 or 1. Reading is strict: what a writer would not have written is malformed.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from wire.errors import MalformedSeal

LARGEST = 2**63 - 1
"""The largest number: what databases and JSON readers on both sides can hold."""

_LONGEST_NUMBER = 9  # bytes of LARGEST
_MORE = 0x80

Item = TypeVar("Item")


class Writer:
    """Collects the bytes of one document. ValueError for what cannot be written."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def done(self) -> bytes:
        """Give what was written."""
        return bytes(self._bytes)

    def number(self, value: int) -> None:
        """Write a number of 0 to LARGEST."""
        if not 0 <= value <= LARGEST:
            raise ValueError(f"not a number that can be written: {value}")
        while value >= _MORE:
            self._bytes.append(value & 0x7F | _MORE)
            value >>= 7
        self._bytes.append(value)

    def flag(self, value: bool) -> None:  # noqa: FBT001 - it writes just that
        """Write yes or no."""
        self._bytes.append(1 if value else 0)

    def text(self, value: str) -> None:
        """Write a text; ValueError when it holds half a character."""
        data = value.encode()
        self.number(len(data))
        self._bytes += data

    def texts(self, values: Iterable[str]) -> None:
        """Write a list of texts."""
        self.items(tuple(values), self.text)

    def items(self, values: tuple[Item, ...], write: Callable[[Item], None]) -> None:
        """Write a list, each item by `write`."""
        self.number(len(values))
        for value in values:
            write(value)

    def optional(self, value: Item | None, write: Callable[[Item], None]) -> None:
        """Write a value that may be missing."""
        self.flag(value is not None)
        if value is not None:
            write(value)


class Reader:
    """Takes one document apart; every method raises MalformedSeal."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def end(self) -> None:
        """Say that there must be nothing more."""
        if self._at != len(self._data):
            raise MalformedSeal(f"{len(self._data) - self._at} bytes too many")

    def number(self) -> int:
        """Read a number."""
        value = 0
        for place in range(_LONGEST_NUMBER):
            byte = self._byte()
            value |= (byte & 0x7F) << (7 * place)
            if byte < _MORE:
                if byte == 0 and place:
                    raise MalformedSeal("a number with needless bytes")
                return value
        raise MalformedSeal("a number that is too large")

    def flag(self) -> bool:
        """Read yes or no."""
        byte = self._byte()
        if byte > 1:
            raise MalformedSeal(f"neither yes nor no: {byte}")
        return byte == 1

    def text(self) -> str:
        """Read a text."""
        length = self.number()
        if length > len(self._data) - self._at:
            raise MalformedSeal("it ends within a text")
        self._at += length
        try:
            return self._data[self._at - length : self._at].decode()
        except UnicodeDecodeError as error:
            raise MalformedSeal("a text that is not UTF-8") from error

    def texts(self) -> tuple[str, ...]:
        """Read a list of texts."""
        return self.items(self.text)

    def items(self, read: Callable[[], Item]) -> tuple[Item, ...]:
        """Read a list, each item by `read`."""
        count = self.number()
        if count > len(self._data) - self._at:  # each takes a byte at least
            raise MalformedSeal("it ends within a list")
        return tuple([read() for _ in range(count)])

    def optional(self, read: Callable[[], Item]) -> Item | None:
        """Read a value that may be missing."""
        return read() if self.flag() else None

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise MalformedSeal("it ends too early")
        self._at += 1
        return self._data[self._at - 1]

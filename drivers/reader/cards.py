"""Card numbers: how readers write them, and how they are printed on cards. Pure.

Wiegand 26 (H10301): an even parity bit over the first twelve data bits, a facility code of eight and a number of
sixteen bits, an odd parity bit over the last twelve. Wiegand 34: the same with 32 data bits, halves of sixteen.
README.md has the sources.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from drivers.places.reader import ReaderDefaults

_SHORT: Final = 24
_LONG: Final = 32
_PARITY_BITS = 2
_EM4100_DIGITS = 10
_COUNTED = {26, 34}
_THREE_AND_FIVE = re.compile(r"([0-9]{3})[, ]?([0-9]{5})")
_TEN = re.compile(r"[0-9]{10}")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")
_BITS = re.compile(r"[01]+")


class NoCard(ValueError):
    """What was read is no card number; the text says why, without the number itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A card's number, without parity; 24 or 32 bits of it are known."""

    number: int
    width: Literal[24, 32]

    def printed(self, form: Literal["W26", "W34"]) -> str:
        """Write it as it is printed on cards: `0008075634`, or `123,14706`. NoCard when 24 bits do not tell that."""
        if form == "W26":
            return f"{self.facility(form):03d},{self.number & 0xFFFF:05d}"
        if self.width < _LONG:
            raise NoCard("24 bits do not tell the ten digits: the upper eight are missing")
        return f"{self.number:010d}"

    def facility(self, form: Literal["W26", "W34"]) -> int:
        """Give the facility code: eight bits, or the upper sixteen. NoCard when 24 bits do not tell that."""
        if form == "W26":
            return self.number >> 16 & 0xFF
        if self.width < _LONG:
            raise NoCard("24 bits do not tell a facility code of sixteen")
        return self.number >> 16


def card_of(read: bytes, text: str, how: ReaderDefaults) -> Card | None:
    """Give the card of a read, as bytes and as text; None where the reader reads texts. NoCard."""
    if how.content == "text":
        return None
    return _CARDS[how.content](read, text, how.bits or 0)


def unwrapped(bits: int, width: int) -> Card:
    """Check the parity bits of a Wiegand number of 26 or 34 bits, and take them off; NoCard."""
    data = width - _PARITY_BITS
    half = data // 2
    number = bits >> 1 & (1 << data) - 1
    even, odd = bits >> width - 1, bits & 1
    if (even + (number >> half).bit_count()) % 2 != 0 or (odd + (number & (1 << half) - 1).bit_count()) % 2 != 1:
        raise NoCard(f"wrong parity of {width} bits")
    return Card(number=number, width=_SHORT if data == _SHORT else _LONG)


def _of_bits(value: int, bits: int) -> Card:
    if value >> bits:
        raise NoCard(f"more than {bits} bits")
    if bits in _COUNTED:
        return unwrapped(value, bits)
    return Card(number=value, width=_SHORT if bits == _SHORT else _LONG)


def _em4100(_: bytes, text: str, __: int) -> Card:
    if len(text) != _EM4100_DIGITS or not _HEXADECIMAL.fullmatch(text):
        raise NoCard("not the ten hexadecimal digits of a tag")
    return Card(number=int.from_bytes(bytes.fromhex(text)[1:], "big"), width=_LONG)  # first a version


def _hexadecimal(_: bytes, text: str, bits: int) -> Card:
    if len(text) != -(-bits // 4) or not _HEXADECIMAL.fullmatch(text):
        raise NoCard(f"not the hexadecimal digits of {bits} bits")
    return _of_bits(int(text, 16), bits)


def _decimal(_: bytes, text: str, bits: int) -> Card:
    if bits == _SHORT:
        match = _THREE_AND_FIVE.fullmatch(text)
        if match is None or int(match[1]) > 0xFF or int(match[2]) > 0xFFFF:  # noqa: PLR2004 - eight and sixteen bits
            raise NoCard("not a facility code of three digits and a number of five")
        return Card(number=int(match[1]) << 16 | int(match[2]), width=_SHORT)
    if not _TEN.fullmatch(text):
        raise NoCard("not ten decimal digits")
    return _of_bits(int(text), bits)


def _bits(_: bytes, text: str, bits: int) -> Card:
    if len(text) != bits or not _BITS.fullmatch(text):
        raise NoCard(f"not {bits} bits")
    return _of_bits(int(text, 2), bits)


def _raw(read: bytes, _: str, bits: int) -> Card:
    return _of_bits(int.from_bytes(read, "big"), bits)


def _counted(_: bytes, text: str, __: int) -> Card:
    if len(text) % 2 or not _HEXADECIMAL.fullmatch(text):
        raise NoCard("not the hexadecimal digits of a counted number")
    data = bytes.fromhex(text)
    bits, value = data[0], int.from_bytes(data[1:], "big")
    spare = 8 * (len(data) - 1) - bits
    if bits not in _COUNTED or not 0 <= spare < 8 or value & (1 << spare) - 1:  # noqa: PLR2004 - bits of a byte
        raise NoCard("the length before it is not that of the number")
    return unwrapped(value >> spare, bits)


_CARDS: Mapping[str, Callable[[bytes, str, int], Card]] = {
    "em4100": _em4100,
    "wiegand-hex": _hexadecimal,
    "wiegand-decimal": _decimal,
    "wiegand-bits": _bits,
    "wiegand-raw": _raw,
    "wiegand-counted": _counted,
}

"""Card formats: what the bits of a card mean. Pure.

Sources: the 26-bit format H10301 and the 34-bit format H10306 as their makers publish them: even parity over the first
half in front, odd parity over the second half behind.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.osdp.replies import Card


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """A format: two parity bits around a facility code and a number."""

    facility_bits: int
    number_bits: int

    @property
    def half(self) -> int:
        """How many bits each parity covers, itself apart."""
        return (self.facility_bits + self.number_bits) // 2


LAYOUTS: Mapping[int, Layout] = {
    26: Layout(facility_bits=8, number_bits=16),
    34: Layout(facility_bits=16, number_bits=16),
}
"""By the number of bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """What a card says by its format; both None with the `reason`, where it says nothing that can be trusted."""

    facility: int | None
    number: int | None
    reason: str = ""


def text_of(card: Card) -> str:
    """Write a card as its number of bits and its bits in hexadecimal, right-aligned: `26:2C1A3F0`."""
    return f"{card.bits}:{card.value:0{-(-card.bits // 4)}X}"


def credential(card: Card) -> Credential:
    """Read facility code and number; not where the format is unknown or a parity is wrong."""
    layout = LAYOUTS.get(card.bits)
    if layout is None:
        return Credential(facility=None, number=None, reason=f"no known format has {card.bits} bits")
    data = card.value >> 1 & ((1 << 2 * layout.half) - 1)
    first, last = data >> layout.half, data & ((1 << layout.half) - 1)
    front, behind = card.value >> (card.bits - 1), card.value & 1
    if (first.bit_count() + front) % 2 != 0 or (last.bit_count() + behind) % 2 != 1:
        return Credential(facility=None, number=None, reason="the parity of the card is wrong")
    return Credential(facility=data >> layout.number_bits, number=data & ((1 << layout.number_bits) - 1))

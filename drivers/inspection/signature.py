"""How well a device type explains what a unit has answered. Pure.

A guess rests on three things: do all blocks of the profile answer, are the values possible, and how unlikely would
that be by chance. A device that answers at every address, or shows zeros, says little about itself.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from drivers.modbus.blocks import Block, plan
from drivers.modbus.codec import decode, limits
from drivers.profile import Point, Profile, RegisterType, Table

CONTROL_ADDRESS = 64_987
"""An address that hardly any device has: one that answers here answers everywhere."""

_BITS_OF_A_BLOCK = 6.0  # how telling it is that a device has just these addresses, where it refuses others
_BITS_OF_A_TEXT = 8.0
_BITS_OF_A_FLOAT = 3.0  # most random patterns are floats far outside of any range
_HALF_SURE_BITS = 20.0
_MOST_ANYWHERE = 0.6  # a device that answers at any address is never told for sure


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """How likely it is that a unit is of a device type (0 to 1), and the reasons for people."""

    profile: str
    confidence: float
    why: str


def blocks(profile: Profile) -> tuple[Block, ...]:
    """Give the reads that a profile's signature is made of."""
    return plan({name: point.modbus for name, point in profile.points.items()}, profile.modbus)


def judge(
    profile: Profile, answers: Mapping[Block, Sequence[int] | None], *, everywhere: Collection[Table] = ()
) -> Guess:
    """Say how well a profile explains the answers to its blocks (None: refused or silent).

    `everywhere` are the tables in which the unit answers at any address.
    """
    answered = [block for block, words in answers.items() if words is not None]
    evidence = sum(_BITS_OF_A_BLOCK for block in answered if block.table not in everywhere)
    possible = impossible = 0
    strange: list[str] = []
    for block in answered:
        words = answers[block] or ()
        for name in block.points:
            point = profile.points[name]
            bits = _evidence(point, words[point.modbus.address - block.address :][: point.modbus.count])
            if bits is None:
                impossible += 1
                strange.append(name)
            else:
                possible += 1
                evidence += bits
    if not answered:
        return Guess(profile=profile.name, confidence=0.0, why="nothing that it has answers")
    share = len(answered) / len(answers)
    plausible = possible / (possible + impossible)
    most = _MOST_ANYWHERE if all(block.table in everywhere for block in answered) else 1.0
    confidence = most * share * plausible**2 * (1 - 2 ** (-evidence / _HALF_SURE_BITS))
    why = f"{len(answered)} of {len(answers)} blocks answer, {possible} of {possible + impossible} values possible"
    if strange:
        why += f" (not: {', '.join(strange[:3])}{' ...' if len(strange) > 3 else ''})"  # noqa: PLR2004 - a line's worth
    if everywhere:
        why += "; it answers at every address, which says little"
    return Guess(profile=profile.name, confidence=round(confidence, 3), why=why)


def _evidence(point: Point, words: Sequence[int]) -> float | None:
    """Give how unlikely a value would be by chance, in bits; None when the point can never show it."""
    decoded = decode(point.modbus, words)
    value = decoded.value
    if value is None:
        return None if point.modbus.type is RegisterType.STRING else 0.0
    if isinstance(value, str):
        return _BITS_OF_A_TEXT * bool(value) if value.isprintable() else None
    if not _is_possible(point, value):
        return None
    # Zero is what an unused register shows.
    return _rarity(point) if any(words) and not isinstance(value, bool) else 0.0


def _is_possible(point: Point, value: float) -> bool:
    if point.enumeration and str(value) not in point.enumeration:
        return False
    return point.range is None or point.range.low <= value <= point.range.high


def _rarity(point: Point) -> float:
    """Give how rarely a random number is one that the point can show, in bits."""
    if point.range is None and not point.enumeration:
        return 0.0
    if point.modbus.type.is_float:
        return _BITS_OF_A_FLOAT
    low, high = limits(point.modbus)
    steps = (high - low) / abs(point.modbus.scale) + 1
    if point.range is None:
        return math.log2(max(1.0, steps / len(point.enumeration)))
    allowed = (min(high, point.range.high) - max(low, point.range.low)) / abs(point.modbus.scale) + 1
    return math.log2(max(1.0, steps / max(1.0, allowed)))

"""Finding units: who answers, what it says of itself, and which device type explains it. Only reads."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.inspection import identity
from drivers.inspection.links import Link
from drivers.inspection.signature import CONTROL_ADDRESS, Guess, blocks, judge
from drivers.modbus.blocks import Block
from drivers.profile import Profile, Table

_FUNCTIONS: Mapping[Table, int] = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}
_EXCEPTION = 0x80
_GATEWAY_SAYS_ABSENT = frozenset({10, 11})
_PROBE = (Table.HOLDING, 0, 1)
_HOPELESS = 3
"""So many blocks in a row without an answer, and a device type is given up."""
_MOST_PARTS = 16  # a device that always says "more follows" is not asked for ever
_WORTH_TELLING = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One unit, or a meter by its address, that answers.

    `identity` is what it says of itself; `guesses` are the likely types, the best first.
    """

    unit: int | str
    place: str
    identity: Mapping[str, str] = field(default_factory=dict)
    guesses: tuple[Guess, ...] = ()


def scan(
    link: Link, units: Sequence[int], profiles: Sequence[Profile], *, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Found]:
    """Ask every unit in turn; each that answers is given at once. LinkError."""
    for number, unit in enumerate(units, start=1):
        progress(f"{link.place}: asking unit {unit} ({number} of {len(units)})")
        if not _is_there(link.ask(unit, _read(*_PROBE))):
            continue
        progress(f"{link.place}: unit {unit} answers; what is it?")
        yield Found(
            unit=unit, place=link.place, identity=identify(link, unit), guesses=guess(link, unit, profiles, progress)
        )


def identify(link: Link, unit: int) -> Mapping[str, str]:
    """Read what a unit says of itself (function 43/14); empty when it does not know that function."""
    objects: dict[int, str] = {}
    level, first = identity.BASIC, 0
    for _ in range(_MOST_PARTS):
        answer = link.ask(unit, identity.request(level, first))
        try:
            part = identity.parse(answer or b"")
        except ValueError:  # an exception, silence, or a device that answers something else
            break
        objects |= part.objects
        if part.following is not None:
            first = part.following
        elif part.regular and level == identity.BASIC:
            level, first = identity.REGULAR, 0
        else:
            break
    return {identity.NAMES.get(number, f"object {number}"): text for number, text in sorted(objects.items()) if text}


def guess(
    link: Link, unit: int, profiles: Sequence[Profile], progress: Callable[[str], None] = lambda _: None
) -> tuple[Guess, ...]:
    """Try the signature of each profile, and give those that are worth telling, the best first."""
    heard: dict[tuple[Table, int, int], tuple[int, ...] | None] = {}

    def read(table: Table, address: int, count: int) -> tuple[int, ...] | None:
        place = (table, address, count)
        if place not in heard:
            heard[place] = _words(table, count, link.ask(unit, _read(*place)))
        return heard[place]

    everywhere = frozenset(table for table in Table if read(table, CONTROL_ADDRESS, 1) is not None)
    guesses = []
    for profile in profiles:
        progress(f"{link.place}: unit {unit}: is it a {profile.name}?")
        answers: dict[Block, tuple[int, ...] | None] = {}
        missing = 0
        for block in blocks(profile):
            answers[block] = read(block.table, block.address, block.count) if missing < _HOPELESS else None
            missing = missing + 1 if answers[block] is None else 0
        guesses.append(judge(profile, answers, everywhere=everywhere))
    likely = (one for one in guesses if one.confidence >= _WORTH_TELLING)
    return tuple(sorted(likely, key=lambda one: -one.confidence))


def _read(table: Table, address: int, count: int) -> bytes:
    return struct.pack(">BHH", _FUNCTIONS[table], address, count)


def _is_there(answer: bytes | None) -> bool:
    """Whether an answer comes from a unit, and not from a gateway that misses it."""
    if answer is None:
        return False
    return not (answer[0] & _EXCEPTION and len(answer) > 1 and answer[1] in _GATEWAY_SAYS_ABSENT)


def _words(table: Table, count: int, answer: bytes | None) -> tuple[int, ...] | None:
    """Give registers (or bits as 0 and 1) of an answer; None when it is none, or has the wrong length."""
    if answer is None or answer[0] & _EXCEPTION or len(answer) < 2:  # noqa: PLR2004 - function and byte count
        return None
    data = answer[2:]
    size = (count + 7) // 8 if table.is_bits else 2 * count
    if len(data) != size or answer[1] != size:
        return None
    if table.is_bits:
        return tuple(data[i // 8] >> i % 8 & 1 for i in range(count))
    return struct.unpack(f">{count}H", data)

"""Read Device Identification, function 43/14 (Modbus Application Protocol 1.1b3, 6.21). Bytes in, texts out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

BASIC, REGULAR = 1, 2
_FUNCTION, _MEI = 0x2B, 0x0E
_HEADER = 7
_MORE = 0xFF
NAMES: Mapping[int, str] = {
    0: "vendor",
    1: "product code",
    2: "revision",
    3: "vendor url",
    4: "product name",
    5: "model",
    6: "application",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Identification:
    """Part of what a device says of itself: texts by object, whether it has the regular ones, and where to go on."""

    objects: Mapping[int, str]
    regular: bool
    following: int | None


def request(level: int, first: int = 0) -> bytes:
    """Ask for all objects of a level, from `first` on."""
    return bytes([_FUNCTION, _MEI, level, first])


def parse(pdu: bytes) -> Identification:
    """Read an answer; ValueError when it is none, or contradicts itself."""
    if len(pdu) < _HEADER or pdu[:2] != bytes([_FUNCTION, _MEI]):
        raise ValueError("not a device identification")
    conformity, more, following, number = pdu[3:_HEADER]
    objects: dict[int, str] = {}
    at = _HEADER
    for _ in range(number):
        if len(pdu) < at + 2 or len(pdu) < at + 2 + pdu[at + 1]:
            raise ValueError("a device identification that is cut short")
        end = at + 2 + pdu[at + 1]
        text = pdu[at + 2 : end].decode("utf-8", errors="replace")
        objects[pdu[at]] = "".join(letter if letter.isprintable() else "?" for letter in text).strip()
        at = end
    return Identification(
        objects=objects, regular=conformity & 0x7F >= REGULAR, following=following if more == _MORE else None
    )

"""What the data of a reader's replies say, once they are plain. Pure; Malformed for what has not its code's form."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.osdp.codec import Malformed

_IDENTITY_BYTES, _CAPABILITY_BYTES, _LOCAL_BYTES, _CARD_HEADER, _KEYS_HEADER = 12, 3, 2, 4, 2
_READER_TAMPERED = 2
MOST_CARD_BITS = 1024
ENTER, CLEAR = "#", "*"
_KEYS: Mapping[int, str] = {0x0D: ENTER, 0x7F: CLEAR, **{code: chr(code) for code in b"0123456789#*"}}
"""Keys as the standard has them (ASCII; # as 0DH, * as 7FH), and as some readers send the last two."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who a reader is: the maker's OUI, and what he gave it."""

    vendor: str
    model: int
    version: int
    serial: str
    firmware: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalStatus:
    """The state of the housing and of the supply."""

    tamper: bool
    power_failure: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """The bits of a card that was presented: `value` as a number, the first bit the highest."""

    reader: int
    bits: int
    value: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """Keys that were pressed; they may be of a PIN, so their text is never shown."""

    reader: int
    keys: str = field(repr=False)


def identity(data: bytes) -> Identity:
    """Read a PDID."""
    if len(data) != _IDENTITY_BYTES:
        raise Malformed(f"an identity has {_IDENTITY_BYTES} bytes, not {len(data)}")
    return Identity(
        vendor=data[0:3].hex().upper(),
        model=data[3],
        version=data[4],
        serial=f"{int.from_bytes(data[5:9], 'little'):08X}",
        firmware=".".join(map(str, data[9:12])),
    )


def capabilities(data: bytes) -> Mapping[int, tuple[int, int]]:
    """Read a PDCAP: by function code, the level of compliance and how many there are."""
    if len(data) % _CAPABILITY_BYTES:
        raise Malformed(f"capabilities are triples of bytes, not {len(data)} bytes")
    return {data[i]: (data[i + 1], data[i + 2]) for i in range(0, len(data), _CAPABILITY_BYTES)}


def local_status(data: bytes) -> LocalStatus:
    """Read an LSTATR: 0 is normal, 1 is tampered with, or failing."""
    if len(data) != _LOCAL_BYTES or max(data) > 1:
        raise Malformed("a local status is two bytes of 0 or 1")
    return LocalStatus(tamper=bool(data[0]), power_failure=bool(data[1]))


def reader_tamper(data: bytes) -> bool:
    """Read an RSTATR: whether any head of the reader is tampered with."""
    if not data or max(data) > _READER_TAMPERED:
        raise Malformed("a status of reader heads is bytes of 0 to 2")
    return _READER_TAMPERED in data


def outputs(data: bytes) -> tuple[bool, ...]:
    """Read an OSTATR: which outputs are on."""
    if data and max(data) > 1:
        raise Malformed("the state of an output is 0 or 1")
    return tuple(map(bool, data))


def card(data: bytes) -> Card:
    """Read a RAW: reader, format, number of bits (low byte first), and the bits, left-aligned."""
    if len(data) < _CARD_HEADER:
        raise Malformed("a card needs a header of four bytes")
    bits = int.from_bytes(data[2:4], "little")
    field_bytes = data[_CARD_HEADER:]
    if not 0 < bits <= MOST_CARD_BITS or len(field_bytes) != (bits + 7) // 8:
        raise Malformed(f"{bits} bits do not fill {len(field_bytes)} bytes")
    value = int.from_bytes(field_bytes, "big") >> (-bits % 8)
    return Card(reader=data[0], bits=bits, value=value)


def keys(data: bytes) -> Keys:
    """Read a KEYPAD: reader, number of keys, and the keys."""
    if len(data) < _KEYS_HEADER or data[1] != len(data) - _KEYS_HEADER:
        raise Malformed("the number of keys is not that of its bytes")
    unknown = [code for code in data[_KEYS_HEADER:] if code not in _KEYS]
    if unknown:
        raise Malformed("there are keys that no key pad has")
    return Keys(reader=data[0], keys="".join(_KEYS[code] for code in data[_KEYS_HEADER:]))

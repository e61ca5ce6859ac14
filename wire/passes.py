"""A visitor's pass as the text of a QR code: `LINLI1:` and the sealed pass in base 32 (RFC 4648, without padding).

All of it are characters of a QR code's alphanumeric mode, 5.5 bits each. Base 45 would be 6% shorter, but it has spaces
and signs, which scanners that type like a keyboard trim or change; these letters and digits come through every one.
"""

import base64
import binascii

from wire.compact import Reader, Writer
from wire.errors import MalformedSeal, WireError
from wire.roll import VisitorPass
from wire.seal import Kind, PublicKeys, SigningKey, seal, unseal

PREFIX = "LINLI1:"
LONGEST = 311
"""The longest text: what a QR code of version 10 holds in alphanumeric mode at error correction M (ISO/IEC 18004)."""
LONGEST_NAME = 40
MOST_USES = 1000
_GROUP = 8  # characters of base 32 that make 5 bytes


class UnfitPass(WireError):
    """A pass that cannot be issued as it is; the text says why."""


class PassTooLong(UnfitPass):
    """A pass that does not fit a QR code of version 10: name fewer gates and areas, or write a shorter name."""


def encode_pass(visitor: VisitorPass, key: SigningKey) -> str:
    """Sign a pass; UnfitPass (PassTooLong among them) says what is wrong with it."""
    problem = _problem(visitor)
    if problem is not None:
        raise UnfitPass(problem)
    out = Writer()
    out.text(visitor.id)
    out.text(visitor.community)
    out.text(visitor.host)
    out.text(visitor.name)
    out.number(visitor.valid_from_ms)
    out.number(visitor.valid_until_ms - visitor.valid_from_ms)
    out.texts(visitor.gates)
    out.texts(visitor.areas)
    out.number(0 if visitor.uses is None else visitor.uses)
    text = PREFIX + base64.b32encode(seal(Kind.PASS, out.done(), key)).rstrip(b"=").decode()
    if len(text) > LONGEST:
        raise PassTooLong(f"{len(text)} characters do not fit a QR code that is easy to read ({LONGEST} do)")
    return text


def decode_pass(text: str, keys: PublicKeys) -> VisitorPass:
    """Read a pass that was signed by one of the keys; MalformedSeal or ForgedSeal."""
    text = text.strip()
    if not text.startswith(PREFIX):
        raise MalformedSeal(f"not a pass: it does not begin with `{PREFIX}`")
    if len(text) > LONGEST:
        raise MalformedSeal("too long for a pass")
    _, body = unseal(_from_base32(text[len(PREFIX) :]), keys, Kind.PASS)
    read = Reader(body)
    start: int
    visitor = VisitorPass(
        id=read.text(),
        community=read.text(),
        host=read.text(),
        name=read.text(),
        valid_from_ms=(start := read.number()),
        valid_until_ms=start + read.number(),
        gates=read.texts(),
        areas=read.texts(),
        uses=read.number() or None,
    )
    read.end()
    problem = _problem(visitor)
    if problem is not None:
        raise MalformedSeal(problem)
    return visitor


def _problem(visitor: VisitorPass) -> str | None:
    if not (visitor.id and visitor.community and visitor.host):
        return "a pass has an id, a community and a host"
    if len(visitor.name) > LONGEST_NAME:
        return f"a name on a pass has at most {LONGEST_NAME} characters"
    if not 0 <= visitor.valid_from_ms < visitor.valid_until_ms:
        return "a pass ends after it begins"
    if visitor.uses is not None and not 1 <= visitor.uses <= MOST_USES:
        return f"a pass opens 1 to {MOST_USES} times, or without a limit"
    if "" in visitor.gates or "" in visitor.areas:
        return "a gate or an area without a name"
    return None


def _from_base32(text: str) -> bytes:
    try:
        data = base64.b32decode(text + "=" * (-len(text) % _GROUP))
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise MalformedSeal("characters that do not belong in a pass") from error
    if base64.b32encode(data).rstrip(b"=").decode() != text:
        raise MalformedSeal("characters that do not belong in a pass")
    return data

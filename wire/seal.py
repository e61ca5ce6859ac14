"""Documents signed by the service: Ed25519 (RFC 8032) over kind, key and body.

A sealed document is: format (1), kind, key id (4 bytes), signature (64 bytes), body. The signature covers a constant
text, the format, the kind and the key id before the body, so that what was signed as one kind never passes as
another. A key id is the beginning of the SHA-256 of the public key: it says which key to try, and proves nothing.
Several public keys may be trusted at once, for the time in which a key is replaced.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wire.errors import ForgedSeal, FutureSeal, MalformedSeal, UnknownKey, WireError

FORMAT = 1
"""The format of the envelope and of all bodies in it."""
OVERHEAD = 2 + 4 + 64
"""How many bytes a seal adds to a body."""
SEED_BYTES = 32
"""The length of a private key, which is random and kept secret."""

_DOMAIN = b"linli sealed document\0"
_PUBLIC_BYTES = 32
_TEXT = 0x20  # what begins like this is a text, such as a page in place of an answer
_KEY_LINE = re.compile(r"^([0-9a-f]{8})\s+([A-Za-z0-9_-]{43})$")


class Kind(IntEnum):
    """What a sealed document is."""

    PASS = 1
    ORDER = 2
    ROLL = 3
    DELTA = 4


class BadKey(WireError):
    """A key, or a file of keys, that cannot be read; the text says where."""


def key_id(public: bytes) -> str:
    """Give the id of a public key: 8 hexadecimal digits."""
    return hashlib.sha256(public).hexdigest()[:8]


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """A private key of the service, by its 32 random bytes."""

    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise BadKey(f"a private key has {SEED_BYTES} bytes, not {len(self.seed)}")

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self._private().public_key().public_bytes_raw()

    @property
    def id(self) -> str:
        """The id by which sealed documents name it."""
        return key_id(self.public)

    def sign(self, data: bytes) -> bytes:
        """Give the signature, 64 bytes; the same for the same data."""
        return self._private().sign(data)

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicKeys:
    """The public keys that are trusted, by their ids."""

    by_id: Mapping[str, bytes]

    @classmethod
    def of(cls, publics: Iterable[bytes]) -> "PublicKeys":
        """Trust these; BadKey for one that is not a key."""
        found: dict[str, bytes] = {}
        for public in publics:
            if len(public) != _PUBLIC_BYTES:
                raise BadKey(f"a public key has {_PUBLIC_BYTES} bytes, not {len(public)}")
            found[key_id(public)] = bytes(public)
        return cls(by_id=found)

    @classmethod
    def parse(cls, text: str) -> "PublicKeys":
        """Read a file of public keys: a line has id and key (base64url); empty lines and `# comments` are left out.

        BadKey when a line is neither, when an id does not fit its key, or when there is no key at all.
        """
        publics: list[bytes] = []
        for number, line in enumerate(text.splitlines(), start=1):
            said = line.partition("#")[0].strip()
            if not said:
                continue
            match = _KEY_LINE.match(said)
            if match is None:
                raise BadKey(f"line {number}: write an id of 8 digits and a key of 43 characters")
            public = base64.urlsafe_b64decode(match[2] + "=")
            if key_id(public) != match[1]:
                raise BadKey(f"line {number}: the id {match[1]} is not that of its key: a character is wrong")
            publics.append(public)
        if not publics:
            raise BadKey("there is no key in it: `linli cloud gate-keys` shows those of the service")
        return cls.of(publics)

    def text(self) -> str:
        """Write them as `parse` reads them."""
        return "".join(f"{number} {_b64(public)}\n" for number, public in sorted(self.by_id.items()))


def seal(kind: Kind, body: bytes, key: SigningKey) -> bytes:
    """Sign a body."""
    head = bytes((FORMAT, kind)) + bytes.fromhex(key.id)
    return head + key.sign(_DOMAIN + head + body) + body


def unseal(data: bytes, keys: PublicKeys, *kinds: Kind) -> tuple[Kind, bytes]:
    """Give kind and body of a sealed document of one of the kinds.

    MalformedSeal (FutureSeal among them) for what is none, ForgedSeal (UnknownKey among them) when it is not by a key
    that is trusted.
    """
    if not data:
        raise MalformedSeal("there is nothing in it")
    if data[0] != FORMAT:
        if FORMAT < data[0] < _TEXT:
            raise FutureSeal(f"its format is {data[0]}; this version reads {FORMAT}: update the program")
        raise MalformedSeal("not a signed document")
    if len(data) < OVERHEAD:
        raise MalformedSeal("it ends too early")
    if data[1] not in kinds:
        raise MalformedSeal(f"not {' or '.join(kind.name.lower() for kind in kinds)}: its kind is {data[1]}")
    head, signature, body = data[:6], data[6:OVERHEAD], data[OVERHEAD:]
    public = keys.by_id.get(head[2:].hex())
    if public is None:
        raise UnknownKey(f"signed by the key {head[2:].hex()}, which is not trusted here")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _DOMAIN + head + body)
    except (InvalidSignature, ValueError) as error:  # ValueError: the public key is no point of the curve
        raise ForgedSeal("the signature is wrong") from error
    return Kind(data[1]), body


def to_base64url(data: bytes, prefix: str) -> str:
    """Write bytes as a text after a prefix."""
    return prefix + _b64(data)


def from_base64url(text: str, prefix: str) -> bytes:
    """Read what `to_base64url` wrote, and nothing else; MalformedSeal."""
    if not text.startswith(prefix):
        raise MalformedSeal(f"it does not begin with `{prefix}`")
    body = text[len(prefix) :]
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise MalformedSeal("characters that do not belong in it") from error
    if _b64(data) != body:
        raise MalformedSeal("characters that do not belong in it")
    return data


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

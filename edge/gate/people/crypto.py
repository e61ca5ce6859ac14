"""Sealing with AES-256-GCM: each row by itself, bound to where it stands, so that rows cannot be swapped.

A sealed row is the key's name (4 bytes), a random nonce (12), the ciphertext and its tag (16).
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge.gate.people.keys import ID_BYTES, KEY_BYTES, Key, KeyRing, RandomBytes

NONCE_BYTES = 12


class Unopenable(Exception):
    """A sealed row does not open: another key, another place, or other bytes than were written."""


class UnknownKey(Unopenable):
    """The key that sealed it is not on the ring."""


def derive(secret: bytes, purpose: str, *, salt: bytes = b"", size: int = KEY_BYTES) -> bytes:
    """Derive a key for one purpose (HKDF with SHA-256)."""
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=f"linli gate {purpose}".encode()).derive(secret)


class Sealer:
    """Seals and opens rows by a ring of keys."""

    def __init__(self, ring: KeyRing, *, random_bytes: RandomBytes = os.urandom) -> None:
        self.ring = ring
        self._random = random_bytes
        self._ciphers = {one.id: AESGCM(derive(one.secret, "rows")) for one in (ring.current, *ring.former)}
        self._lookup = derive(ring.current.secret, "look-up")

    @property
    def current(self) -> Key:
        """The key in use."""
        return self.ring.current

    def seal(self, data: bytes, *, row: str) -> bytes:
        """Seal what stands at `row`, such as `faces/3f…`."""
        nonce = self._random(NONCE_BYTES)
        key_id = self.ring.current.id
        return key_id + nonce + self._ciphers[key_id].encrypt(nonce, data, row.encode())

    def open(self, sealed: bytes, *, row: str) -> bytes:
        """Open what was sealed for `row`; Unopenable."""
        key_id, nonce, data = (
            sealed[:ID_BYTES],
            sealed[ID_BYTES : ID_BYTES + NONCE_BYTES],
            sealed[ID_BYTES + NONCE_BYTES :],
        )
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise UnknownKey(f"{row} was sealed with the key {key_id.hex()}, which the key file does not have")
        try:
            return cipher.decrypt(nonce, data, row.encode())
        except (InvalidTag, ValueError) as error:
            raise Unopenable(f"{row} does not open: it is damaged, or was moved") from error

    def digest(self, kind: str, value: str) -> bytes:
        """Give the keyed digest by which a card or a PIN is found; without the key nobody can try numbers."""
        return hmac.new(self._lookup, f"{kind}\0{value}".encode(), hashlib.sha256).digest()

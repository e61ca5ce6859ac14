"""Passwords and session tokens.

Passwords are kept as Argon2id hashes with the parameters of RFC 9106 for machines with little memory (64 MiB, 3
passes). Tokens have 256 random bits, so a plain SHA-256 of them is enough to look them up by.
"""

import asyncio
import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from cloud.platform.errors import Invalid

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
_AT_ONCE = 2  # each hash takes 64 MiB; guesses must not be able to take all memory


class Passwords:
    """Hashes and verifies passwords in threads, a few at a time. One instance serves one process and one event loop."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Hash a password with a salt of its own."""
        async with self._gate:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password fits. Without a hash the same work is done, and the answer is no."""
        if len(password) > LONGEST_PASSWORD:
            password = ""
        async with self._gate:
            return await asyncio.to_thread(self._verify, password_hash, password)

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str | None, password: str) -> bool:
        if self._nobody is None:
            self._nobody = self._hasher.hash(secrets.token_urlsafe(16))
        try:
            self._hasher.verify(password_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None


def check_new_password(password: str) -> None:
    """Invalid when a password is too short or too long to be one."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Invalid(
            f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters",
            code="weak_password",
            remedy="three or four unrelated words are good",
        )


def new_password() -> str:
    """Make a random password that people can type: 4 groups of 4 letters and digits, about 80 bits."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look like another
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))


def new_token() -> str:
    """Make a session token of 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Give what the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()

"""The keys of the gates' service, in one file: for signing, and for the numbers in the database.

A line is a key: `store KEY`, and `sign KEY STATE` with `active` (one: it signs), `next` (gates are being told of it) or
`old` (passes that it signed still hold). KEY is 32 random bytes in base64url. Whoever has the file can open every gate:
it is readable by its owner alone, and has no place in the database's backup.
"""

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloud.platform.errors import Conflict, LinliError, NotFound
from runtime.files import write_whole
from wire.seal import SEED_BYTES, PublicKeys, SigningKey

_HEAD = "# The keys of the gates' service. Whoever has them opens every gate: show them to nobody, and keep a copy.\n"
_NONCE = 12


class KeyState(StrEnum):
    """What a signing key does."""

    ACTIVE = "active"
    NEXT = "next"
    OLD = "old"


class NoKeys(Conflict):
    """The service has no keys yet."""

    code = "no_gate_keys"

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"the keys of the gates' service are not there: {file}", remedy="run `linli cloud gate-keys --config FILE`"
        )


class BadKeys(LinliError):
    """The file of keys, or what was encrypted with it, cannot be read."""

    status = 500
    code = "bad_gate_keys"


@dataclass(frozen=True, kw_only=True, slots=True)
class GateKeys:
    """All keys. Of the signing keys one is active."""

    store: bytes = field(repr=False)
    signing: tuple[tuple[SigningKey, KeyState], ...]

    @property
    def active(self) -> SigningKey:
        """The key that signs."""
        return next(key for key, state in self.signing if state is KeyState.ACTIVE)

    @property
    def public(self) -> PublicKeys:
        """The keys that gates should trust."""
        return PublicKeys.of(key.public for key, _ in self.signing)

    def text(self) -> str:
        """Write the file."""
        lines = [f"store {_b64(self.store)}", *(f"sign {_b64(key.seed)} {state}" for key, state in self.signing)]
        return _HEAD + "\n".join(lines) + "\n"

    def seal(self, text: str, *, of: str) -> str:
        """Encrypt a text (AES-256-GCM) that belongs to the row `of`, and to no other."""
        nonce = os.urandom(_NONCE)
        return _b64(nonce + AESGCM(self._derive("seal")).encrypt(nonce, text.encode(), of.encode()))

    def open(self, sealed: str, *, of: str) -> str:
        """Decrypt what `seal` gave for the same row; BadKeys when it is not that."""
        try:
            data = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
            return AESGCM(self._derive("seal")).decrypt(data[:_NONCE], data[_NONCE:], of.encode()).decode()
        except (InvalidTag, ValueError) as error:  # ValueError: not base64, too short, not UTF-8
            raise BadKeys(
                f"what the database holds of {of} was encrypted with another key, or changed",
                remedy="put the right file of keys in its place",
            ) from error

    def tag(self, *parts: str) -> str:
        """Give a keyed hash, by which equal numbers are found and none is read."""
        return hmac.new(self._derive("tag"), "\0".join(parts).encode(), hashlib.sha256).hexdigest()

    def _derive(self, purpose: str) -> bytes:
        # One key a purpose, as HKDF-Expand would give it (RFC 5869): the stored key is random already.
        return hmac.new(self.store, b"linli gate " + purpose.encode() + b"\x01", hashlib.sha256).digest()


class KeyFile:
    """The file as a process uses it: read at first need, and again when it has changed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._seen: tuple[int, int] | None = None
        self._keys: GateKeys | None = None

    def get(self) -> GateKeys:
        """Give the keys; NoKeys, BadKeys."""
        try:
            stat = self.file.stat()
            seen = (stat.st_mtime_ns, stat.st_size)
            if self._keys is None or seen != self._seen:
                self._keys = parse_keys(self.file.read_text(encoding="utf-8"), self.file)
                self._seen = seen
        except FileNotFoundError as error:
            raise NoKeys(self.file) from error
        except (OSError, UnicodeDecodeError) as error:
            raise BadKeys(f"the keys of the gates' service cannot be read: {self.file}") from error
        return self._keys

    def make(self, *, store: bytes, seed: bytes) -> GateKeys:
        """Write the first keys, 32 random bytes each; FileExistsError when there are some."""
        keys = GateKeys(store=store, signing=((SigningKey(seed=seed), KeyState.ACTIVE),))
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(keys.text())
            out.flush()
            os.fsync(out.fileno())
        return keys

    def change(self, keys: GateKeys) -> None:
        """Put other keys in the place of those that are there, all at once."""
        write_whole(self.file, keys.text().encode())


def add_key(keys: GateKeys, seed: bytes) -> GateKeys:
    """Add a signing key that does not sign yet: first every gate learns of it."""
    return replace(keys, signing=(*keys.signing, (SigningKey(seed=seed), KeyState.NEXT)))


def use_key(keys: GateKeys, key_id: str) -> GateKeys:
    """Let a key sign from now on; the one before becomes old. NotFound."""
    if key_id not in {key.id for key, _ in keys.signing}:
        raise NotFound(f"there is no key {key_id}")

    def state(key: SigningKey, now: KeyState) -> KeyState:
        if key.id == key_id:
            return KeyState.ACTIVE
        return KeyState.OLD if now is KeyState.ACTIVE else now

    return replace(keys, signing=tuple((key, state(key, now)) for key, now in keys.signing))


def drop_key(keys: GateKeys, key_id: str) -> GateKeys:
    """Forget a key that does not sign. NotFound; Conflict for the active one."""
    states = {key.id: state for key, state in keys.signing}
    if key_id not in states:
        raise NotFound(f"there is no key {key_id}")
    if states[key_id] is KeyState.ACTIVE:
        raise Conflict(f"the key {key_id} signs; let another one sign first", remedy="`--use` another key")
    return replace(keys, signing=tuple((key, state) for key, state in keys.signing if key.id != key_id))


def parse_keys(text: str, file: Path) -> GateKeys:
    """Read a file of keys; BadKeys says which line is wrong and shows nothing of it."""
    store: bytes | None = None
    signing: list[tuple[SigningKey, KeyState]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        try:
            match words:
                case []:
                    pass
                case ["store", key] if store is None:
                    store = _bytes(key)
                case ["sign", key, state]:
                    signing.append((SigningKey(seed=_bytes(key)), KeyState(state)))
                case _:
                    raise ValueError  # noqa: TRY301 - one answer for all that is wrong with a line
        except ValueError as error:
            raise BadKeys(f"{file}, line {number}: not a key as `linli cloud gate-keys` writes it") from error
    if store is None or sum(state is KeyState.ACTIVE for _, state in signing) != 1:
        raise BadKeys(f"{file}: it needs one `store` key, and one `sign` key that is active")
    return GateKeys(store=store, signing=tuple(signing))


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(data) != SEED_BYTES:
        raise ValueError("not 32 bytes")
    return data


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

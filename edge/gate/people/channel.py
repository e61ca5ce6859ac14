"""The encrypted way between two gates: frames of AES-256-GCM under keys that both derive from the community's key.

Each side sends a fresh nonce and an X25519 key; the session's keys come from both, the shared secret and the
community's key (the shape of Noise's NNpsk0). Who lacks the community's key can neither read nor speak, a recording
cannot be replayed, and a community key that leaks later does not open what was recorded. ADR 13 has the reasons.
"""

import asyncio
import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.gate.people.api import PeopleError
from edge.gate.people.crypto import derive
from edge.gate.people.keys import ID_BYTES, Key, KeyRing, RandomBytes

MAGIC = b"LINLI-FACES-1\n"
MOST_BYTES = 1 << 20
_NONCE_BYTES = 32
_TAG_BYTES = 16
_HELLO_BYTES = len(MAGIC) + ID_BYTES + _NONCE_BYTES + 32
HANDSHAKE_S = 5.0
SILENCE_S = 20.0

Side = Literal["client", "server"]


class NotOurs(PeopleError):
    """The other side does not have the community's key, or something between changed its bytes."""


class Away(PeopleError):
    """The other side is not there, or fell silent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Keys:
    sending: AESGCM
    receiving: AESGCM
    proof: bytes


class Channel:
    """An open way. One task sends and receives, frame by frame; a frame that does not open ends it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keys: _Keys) -> None:
        self._reader, self._writer, self._keys = reader, writer, keys
        self._sent = self._received = 0

    async def send(self, data: bytes) -> None:
        """Send one frame, at most `MOST_BYTES`. Away."""
        if len(data) > MOST_BYTES:
            raise ValueError(f"a frame of {len(data)} bytes, and {MOST_BYTES} are the most")
        head = (len(data) + _TAG_BYTES).to_bytes(4, "big")
        self._writer.write(head + self._keys.sending.encrypt(_count(self._sent), data, head))
        self._sent += 1
        try:
            async with asyncio.timeout(SILENCE_S):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise Away(f"the other gate is gone: {str(error) or 'it takes nothing'}") from error

    async def receive(self) -> bytes:
        """Wait for one frame. Away, NotOurs."""
        head = await _exactly(self._reader, 4, SILENCE_S)
        size = int.from_bytes(head, "big")
        if not _TAG_BYTES <= size <= MOST_BYTES + _TAG_BYTES:
            raise NotOurs("a frame of an impossible length")
        body = await _exactly(self._reader, size, SILENCE_S)
        try:
            data = self._keys.receiving.decrypt(_count(self._received), body, head)
        except InvalidTag as error:
            raise NotOurs("a frame does not open: another community's key, or bytes that were changed") from error
        self._received += 1
        return data


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait a moment for it."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):  # it is gone either way
        async with asyncio.timeout(1.0):
            await writer.wait_closed()


async def shake_hands(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    ring: KeyRing,
    *,
    side: Side,
    random_bytes: RandomBytes = os.urandom,
) -> Channel:
    """Agree on keys; each side proves that it has the community's key before anything is told. Away, NotOurs."""
    mine = X25519PrivateKey.from_private_bytes(random_bytes(32))
    nonce, public = random_bytes(_NONCE_BYTES), mine.public_key().public_bytes_raw()
    if side == "client":
        hello = MAGIC + ring.current.id + nonce + public
        writer.write(hello)
        other = await _exactly(reader, _HELLO_BYTES, HANDSHAKE_S)
        key, transcript = _key(ring, other), hello + other
    else:
        other = await _exactly(reader, _HELLO_BYTES, HANDSHAKE_S)
        key = _key(ring, other)
        hello = MAGIC + key.id + nonce + public
        writer.write(hello)
        transcript = other + hello
    try:
        shared = mine.exchange(X25519PublicKey.from_public_bytes(other[-32:]))
    except ValueError as error:
        raise NotOurs("a public key that is none") from error
    keys = _derived(shared, key, transcript, side)
    channel = Channel(reader, writer, keys)
    # The client proves itself first: a stranger who asks learns nothing that depends on the key.
    if side == "client":
        await channel.send(b"client" + keys.proof)
        told, wanted = await channel.receive(), b"server" + keys.proof
    else:
        told, wanted = await channel.receive(), b"client" + keys.proof
        await channel.send(b"server" + keys.proof)
    if told != wanted:
        raise NotOurs("the other side answers for itself")
    return channel


def _key(ring: KeyRing, hello: bytes) -> Key:
    if not hello.startswith(MAGIC):
        raise NotOurs("this is no gate of ours")
    key = ring.find(hello[len(MAGIC) : len(MAGIC) + ID_BYTES])
    if key is None:
        raise NotOurs("the other gate has another community key")
    return key


def _derived(shared: bytes, key: Key, transcript: bytes, side: Side) -> _Keys:
    digest = hashlib.sha256(transcript).digest()
    material = derive(shared + key.secret, "sharing", salt=digest, size=96)
    to_server, to_client, proof = AESGCM(material[:32]), AESGCM(material[32:64]), material[64:]
    if side == "client":
        return _Keys(sending=to_server, receiving=to_client, proof=proof)
    return _Keys(sending=to_client, receiving=to_server, proof=proof)


def _count(number: int) -> bytes:
    return number.to_bytes(12, "big")


async def _exactly(reader: asyncio.StreamReader, size: int, timeout_s: float) -> bytes:
    try:
        async with asyncio.timeout(timeout_s):
            return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise Away("the other gate hung up") from error
    except (OSError, TimeoutError) as error:
        raise Away("the other gate says nothing") from error

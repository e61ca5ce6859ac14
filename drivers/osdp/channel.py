"""The secure channel of OSDP v2.2, from the control panel's side: AES-128, no line, no clock, no chance of its own.

Source: SIA OSDP 2.2, Annex D (as public implementations have it); its worked example of Annex E is in the tests.

Session keys are AES(SCBK, 01H, n, the first six bytes of the panel's random number, zeros), with n = 82H for the data,
01H and 02H for the MAC. A MAC is the last block of a CBC over the frame, all but its last block under the first MAC
key, that one under the second; it begins with the other side's last MAC, so that every frame hangs on all before it.
"""

import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from drivers.osdp import codec
from drivers.osdp.codec import Block, Frame, Reply

DEFAULT_KEY = bytes(range(0x30, 0x40))
"""SCBK-D, which everybody knows."""
RANDOM_BYTES = 8
_AES = 16
_PAD = 0x80


class NotAuthentic(Exception):
    """A frame was not made with this channel's keys, or is not the one that comes next."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class SessionKeys:
    """The keys of one session; their repr says nothing."""

    data: bytes
    mac_1: bytes
    mac_2: bytes


def session_keys(base_key: bytes, panel_random: bytes) -> SessionKeys:
    """Derive the keys of a session."""

    def derive(number: int) -> bytes:
        return _ecb(base_key, bytes([0x01, number]) + panel_random[:6] + bytes(8))

    return SessionKeys(data=derive(0x82), mac_1=derive(0x01), mac_2=derive(0x02))


def client_cryptogram(keys: SessionKeys, panel_random: bytes, reader_random: bytes) -> bytes:
    """Give what only a reader with the key can say."""
    return _ecb(keys.data, panel_random + reader_random)


def server_cryptogram(keys: SessionKeys, panel_random: bytes, reader_random: bytes) -> bytes:
    """Give what only a panel with the key can say."""
    return _ecb(keys.data, reader_random + panel_random)


def first_mac(keys: SessionKeys, cryptogram: bytes) -> bytes:
    """R-MAC-I: the MAC with which the chain begins."""
    return _ecb(keys.mac_2, _ecb(keys.mac_1, cryptogram))


def same(one: bytes, other: bytes) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(one, other)


class SecureChannel:
    """One session. A command that is repeated is repeated byte by byte, so it is wrapped once."""

    def __init__(self, keys: SessionKeys, *, first: bytes) -> None:
        self._keys = keys
        self._command_mac = b""
        self._reply_mac = first

    def wrap(self, *, address: int, sequence: int, code: int, data: bytes = b"") -> bytes:
        """Build a command with its MAC, and its data encrypted."""
        if data:
            data = _cbc(self._keys.data, _inverted(self._reply_mac), _padded(data))
        block = Block.COMMAND_WITH_DATA if data else Block.COMMAND
        covered = codec.head(address=address, sequence=sequence, code=code, data=data, block=bytes([block]))
        self._command_mac = _mac(self._keys, self._reply_mac, covered)
        return codec.complete(covered, self._command_mac[: codec.MAC_BYTES])

    def unwrap(self, frame: Frame) -> bytes:
        """Check a reply to the last command, and give its data; NotAuthentic leaves the channel as it was."""
        if not frame.block or frame.block[0] not in {Block.REPLY, Block.REPLY_WITH_DATA} or not self._command_mac:
            raise NotAuthentic("a reply outside the secure channel")
        mac = _mac(self._keys, self._command_mac, frame.head)
        if not same(mac[: codec.MAC_BYTES], frame.mac):
            raise NotAuthentic("a reply with a wrong MAC")
        data = frame.data
        if frame.block[0] == Block.REPLY_WITH_DATA:
            if not data or len(data) % _AES:
                raise NotAuthentic("encrypted data that are no whole number of blocks")
            data = _unpadded(_cbc(self._keys.data, _inverted(self._command_mac), data, decrypt=True))
        elif data and frame.code != Reply.NAK:  # some readers sign the reason of a refusal and do not encrypt it
            raise NotAuthentic("data that are not encrypted")
        self._reply_mac = mac
        return data


def _mac(keys: SessionKeys, chain: bytes, covered: bytes) -> bytes:
    padded = covered if len(covered) % _AES == 0 else _padded(covered)
    if len(padded) > _AES:
        chain = _cbc(keys.mac_1, chain, padded[:-_AES])[-_AES:]
    return _cbc(keys.mac_2, chain, padded[-_AES:])


def _padded(data: bytes) -> bytes:
    return data + bytes([_PAD]) + bytes(-(len(data) + 1) % _AES)


def _unpadded(data: bytes) -> bytes:
    end = data.rstrip(b"\x00")
    if not end or end[-1] != _PAD or len(data) - len(end) >= _AES:
        raise NotAuthentic("data without their end mark")
    return end[:-1]


def _inverted(block: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in block)


def _ecb(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - one block, as the standard has it
    return encryptor.update(block) + encryptor.finalize()


def _cbc(key: bytes, start: bytes, data: bytes, *, decrypt: bool = False) -> bytes:
    cipher = Cipher(AES(key), CBC(start))
    worker = cipher.decryptor() if decrypt else cipher.encryptor()
    return worker.update(data) + worker.finalize()

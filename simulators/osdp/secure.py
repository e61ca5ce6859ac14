"""The secure channel from the reader's side: written for itself, and on purpose not the driver's.

Source: SIA OSDP 2.2, Annex D; its example of Annex E is in the tests.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

EVERYBODYS_KEY = bytes.fromhex("303132333435363738393a3b3c3d3e3f")


class Unproven(Exception):
    """The other side does not have the key, or a frame is not its next one."""


def _encrypt(key: bytes, plain: bytes, start: bytes | None = None) -> bytes:
    mode = modes.ECB() if start is None else modes.CBC(start)  # noqa: S305 - single blocks, as the standard has it
    work = Cipher(algorithms.AES(key), mode).encryptor()
    return work.update(plain) + work.finalize()


def _decrypt(key: bytes, secret: bytes, start: bytes) -> bytes:
    work = Cipher(algorithms.AES(key), modes.CBC(start)).decryptor()
    return work.update(secret) + work.finalize()


def _fill(data: bytes) -> bytes:
    data += b"\x80"
    return data.ljust((len(data) + 15) // 16 * 16, b"\0")


def _flip(data: bytes) -> bytes:
    return (int.from_bytes(data, "big") ^ (1 << 128) - 1).to_bytes(16, "big")


class ReaderSession:
    """One session: `answer` proves the reader, `accept` checks the panel, then frames are opened and signed."""

    def __init__(self, key: bytes, *, panel_random: bytes, own_random: bytes) -> None:
        seed = panel_random[:6].ljust(14, b"\0")
        self._cipher = _encrypt(key, b"\x01\x82" + seed)
        self._mac1 = _encrypt(key, b"\x01\x01" + seed)
        self._mac2 = _encrypt(key, b"\x01\x02" + seed)
        self._panel, self._own = panel_random, own_random
        self._chain = b""
        self.open = False

    def answer(self) -> bytes:
        """Give the reader's own proof."""
        return _encrypt(self._cipher, self._panel + self._own)

    def accept(self, proof: bytes) -> bytes:
        """Check the panel's proof and give the first MAC; Unproven."""
        if proof != _encrypt(self._cipher, self._own + self._panel):
            raise Unproven
        self._chain = _encrypt(self._mac2, _encrypt(self._mac1, proof))
        self.open = True
        return self._chain

    def opened(self, signed: bytes, mac: bytes, data: bytes, *, encrypted: bool) -> bytes:
        """Check a command and give its data; Unproven."""
        start = self._chain
        expected = self._sign(start, signed)
        if not self.open or expected[:4] != mac:
            raise Unproven
        self._chain = expected
        if not encrypted:
            return data
        if not data or len(data) % 16:
            raise Unproven
        plain = _decrypt(self._cipher, data, _flip(start)).rstrip(b"\0")
        if not plain.endswith(b"\x80"):
            raise Unproven
        return plain[:-1]

    def hidden(self, data: bytes) -> bytes:
        """Encrypt the data of the reply to the last command."""
        return _encrypt(self._cipher, _fill(data), _flip(self._chain))

    def signature(self, signed: bytes) -> bytes:
        """Give the MAC of a reply, from which the next command's goes on."""
        self._chain = self._sign(self._chain, signed)
        return self._chain[:4]

    def _sign(self, start: bytes, signed: bytes) -> bytes:
        whole = signed if len(signed) % 16 == 0 else _fill(signed)
        for at in range(0, len(whole), 16):
            last = at + 16 == len(whole)
            block = bytes(a ^ b for a, b in zip(whole[at : at + 16], start, strict=True))
            start = _encrypt(self._mac2 if last else self._mac1, block)
        return start

"""Frames of DL/T 645-2007. Bytes in, values out: no line, no clock.

FE FE FE FE | 68 | A0..A5 (decimal, low first) | 68 | C | L | data + 33H each | CS | 16. CS is the sum of everything
from the first 68 on, modulo 256. In C, D7 says "answer", D6 "refused", D5 "more frames follow"; D4 to D0 are the
function.
"""

from collections.abc import Mapping
from dataclasses import dataclass

START = 0x68
END = 0x16
WAKE_UP = b"\xfe"
ANSWER = 0x80
REFUSED = 0x40
MORE_FOLLOWS = 0x20
READ = 0x11
READ_ADDRESS = 0x13
ANY_ADDRESS = "A" * 12
"""Every meter answers to it: for a line with one meter alone."""

ERRORS: Mapping[int, str] = {
    0x01: "other error",
    0x02: "the meter has no such data",
    0x04: "wrong password, or no right",
    0x08: "this speed is not possible",
    0x10: "too many time zones",
    0x20: "too many time slots",
    0x40: "too many tariffs",
}
"""The bits of the error word."""
NO_SUCH_DATA = 0x02

_ADDED = 0x33
_OVERHEAD = 12
_SECOND_START = 7
_LENGTH = 9
_DATA = 10
_IDENTIFIER_BYTES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame: `address` has 12 digits, the highest first; the 33H is taken off `data`."""

    address: str
    control: int
    data: bytes


class MeterRefused(Exception):
    """The meter answered with an error word."""

    def __init__(self, code: int) -> None:
        self.code = code
        words = [text for bit, text in ERRORS.items() if code & bit]
        super().__init__(", ".join(words) or "no reason given")


class NotUnderstood(Exception):
    """The meter's answer is a good frame, but none that can answer the request."""


def build(frame: Frame) -> bytes:
    """Give the bytes of a frame, without the wake-up bytes."""
    body = bytes([START, *bytes.fromhex(frame.address)[::-1], START, frame.control, len(frame.data)])
    body += bytes((byte + _ADDED) & 0xFF for byte in frame.data)
    return body + bytes([sum(body) & 0xFF, END])


def read_request(address: str, identifier: str) -> bytes:
    """Ask a meter for the data of an identifier, written as in the standard: DI3 DI2 DI1 DI0."""
    return build(Frame(address=address, control=READ, data=bytes.fromhex(identifier)[::-1]))


def address_request() -> bytes:
    """Ask the only meter on the line for its address."""
    return build(Frame(address=ANY_ADDRESS, control=READ_ADDRESS, data=b""))


def take(buffer: bytearray) -> Frame | None:
    """Take the first whole and sound frame out of what came, with all before it; None while there is none."""
    at = buffer.find(START)
    while at >= 0:
        if (frame := _frame_at(buffer, at)) is not None:
            del buffer[: at + _OVERHEAD + len(frame.data)]
            return frame
        at = buffer.find(START, at + 1)
    return None


def data_of(frame: Frame, *, address: str, identifier: str) -> bytes | None:
    """Give the data with which `frame` answers a read request; None when it answers something else.

    What answers something else is an echo of the request, another meter, or a late answer. MeterRefused, NotUnderstood.
    """
    if frame.control & 0x1F != READ or not frame.control & ANSWER or frame.address != address:
        return None
    if frame.control & REFUSED:
        raise MeterRefused(frame.data[0] if frame.data else 0)
    if frame.data[:_IDENTIFIER_BYTES] != bytes.fromhex(identifier)[::-1]:
        return None
    if frame.control & MORE_FOLLOWS:
        raise NotUnderstood("the answer goes on in further frames, which no value of a profile needs")
    return frame.data[_IDENTIFIER_BYTES:]


def contents(frame: Frame) -> tuple[str, bytes] | None:
    """Give the identifier and the data of a good answer to a read request, whoever asked; None for any other frame."""
    if frame.control != READ | ANSWER or len(frame.data) < _IDENTIFIER_BYTES:
        return None
    return frame.data[_IDENTIFIER_BYTES - 1 :: -1].hex().upper(), frame.data[_IDENTIFIER_BYTES:]


def address_of(frame: Frame) -> str | None:
    """Give the address with which `frame` answers an address request; None when it answers something else."""
    if frame.control != READ_ADDRESS | ANSWER or len(frame.data) != len(ANY_ADDRESS) // 2:
        return None
    return frame.data[::-1].hex().upper()


def _frame_at(buffer: bytearray, at: int) -> Frame | None:
    if len(buffer) < at + _OVERHEAD or buffer[at + _SECOND_START] != START:
        return None
    size = buffer[at + _LENGTH]
    end = at + _OVERHEAD + size
    if len(buffer) < end or buffer[end - 1] != END or sum(buffer[at : end - 2]) & 0xFF != buffer[end - 2]:
        return None
    return Frame(
        address=bytes(buffer[at + 1 : at + _SECOND_START])[::-1].hex().upper(),
        control=buffer[at + _SECOND_START + 1],
        data=bytes((byte - _ADDED) & 0xFF for byte in buffer[at + _DATA : at + _DATA + size]),
    )

"""What a reader's bytes say. Bytes and their times in, reads out: no line, no clock.

A read that was cut off is never joined with the next one: a silence ends it, and so does the start of another. All
times are seconds of one clock that never goes back.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import xor

from drivers.places.reader import ReaderDefaults
from drivers.reader.cards import Card, NoCard, card_of

STX, ETX = 0x02, 0x03
_ENDS = frozenset(b"\r\n")
_CHECK_DIGITS = 2
_HEXADECIMAL = re.compile(rb"(?:[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """Something was read. `text` has no frame, check or prefix; bytes without text are written as hexadecimal."""

    text: str
    card: Card | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Alive:
    """The reader says that it is there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Malformed:
    """Something came that is no read. `why` never tells what it was: it may be a part of somebody's pass."""

    why: str


Said = Read | Alive | Malformed


class Framer:
    """Cuts a stream into frames, and says what they are. `feed` and `expire` give what ended."""

    def __init__(self, how: ReaderDefaults) -> None:
        self._how = how
        self._gap_s = how.gap.total_seconds()
        self._take: Callable[[int], Said | None] = {
            "line": self._in_line,
            "stx-etx": self._in_frame,
            "pause": self._in_pause,
        }[how.framing]
        self._body = bytearray()
        self._open = False  # a frame has begun and not ended
        self._spoilt = ""  # why the frame that has begun is none
        self._awaits_check = False
        self._last_s = 0.0  # when the last byte came

    @property
    def due_s(self) -> float | None:
        """When `expire` has something to say, unless more comes; None when nothing has begun."""
        return self._last_s + self._gap_s if self._open else None

    @property
    def pending(self) -> bool:
        """Whether a part of something has come."""
        return bool(self._body) or self._awaits_check

    def begin(self, now: float) -> None:
        """Forget what came: a new connection. What comes on it at once may be the rest of a read, and is none."""
        self._reset()
        self._last_s = now
        if self._how.framing != "stx-etx":
            self._open, self._spoilt = True, "it had begun before the line was open"

    def feed(self, data: bytes, now: float) -> Iterator[Said]:
        """Take bytes that came at `now`, and give what they end, in order."""
        yield from self.expire(now)
        self._last_s = now
        for byte in data:
            said = self._take(byte)
            if said is not None:
                yield said

    def expire(self, now: float) -> Iterator[Said]:
        """Give what a silence until `now` has ended."""
        if not self._open or now - self._last_s < self._gap_s:
            return
        if self._how.framing == "pause" and not self._spoilt:
            yield self._ended()
            return
        begun, why = self.pending, self._spoilt or "cut off"
        self._reset()
        if begun:
            yield Malformed(why=why)

    def _in_line(self, byte: int) -> Said | None:
        if byte not in _ENDS:
            self._append(byte)
            return None
        return self._ended() if self._body or self._open else None

    def _in_frame(self, byte: int) -> Said | None:
        if self._awaits_check:
            return self._checked(byte)
        if byte == STX:
            torn, why = self._open, self._spoilt or "cut off by the next"
            self._reset()
            self._open = True
            return Malformed(why=why) if torn else None
        if not self._open:
            if byte in _ENDS:
                return None
            self._open, self._spoilt = True, "noise"
        if byte == ETX and not self._spoilt:
            if self._how.check in {"lrc", "bcc"}:
                self._awaits_check = True
                return None
            return self._ended()
        self._append(byte)
        return None

    def _checked(self, byte: int) -> Said:
        body = self._body
        expected = reduce(xor, body, ETX) ^ (STX if self._how.check == "lrc" else 0)
        if byte == expected:
            return self._ended()
        self._reset()
        self._open = byte == STX  # the check was lost, and this is the next frame
        return Malformed(why="wrong check byte")

    def _in_pause(self, byte: int) -> None:
        self._append(byte)

    def _append(self, byte: int) -> None:
        self._open = True
        if len(self._body) < self._how.max_length:
            self._body.append(byte)
        else:
            self._spoilt = self._spoilt or "too long"

    def _ended(self) -> Said:
        body, spoilt = bytes(self._body), self._spoilt
        self._reset()
        return Malformed(why=spoilt) if spoilt else meaning(body, self._how)

    def _reset(self) -> None:
        self._body.clear()
        self._open = self._awaits_check = False
        self._spoilt = ""


def meaning(body: bytes, how: ReaderDefaults) -> Said:
    """Say what a frame's inside is: its check and its content are looked at here."""
    try:
        return _meaning(body, how)
    except (_NotThis, NoCard) as error:
        return Malformed(why=str(error))


class _NotThis(ValueError):
    """A frame's inside is not what this type of reader sends."""


def _meaning(body: bytes, how: ReaderDefaults) -> Said:
    if how.framing == "stx-etx":
        body = body.rstrip(b"\r\n")
    if how.length is not None and len(body) != how.length:
        raise _NotThis(f"not {how.length} bytes long")
    if how.alive is not None and body == how.alive.encode(how.charset):
        return Alive()
    prefix = how.prefix.encode(how.charset)
    if not body.startswith(prefix):
        raise _NotThis("it does not begin as it should")
    inside = _CHECKED[how.check](body[len(prefix) :])
    if how.content == "wiegand-raw":
        text = inside.hex().upper()
    else:
        try:
            text = inside.decode(how.charset)
        except UnicodeDecodeError as error:
            raise _NotThis(f"not {how.charset}") from error
        if not text or not text.isprintable():
            raise _NotThis("empty" if not text else "with control characters in it")
    return Read(text=text, card=card_of(inside, text, how))


def _unchecked(body: bytes) -> bytes:
    return body


def _digits(fold: Callable[[bytes], int]) -> Callable[[bytes], bytes]:
    def check(body: bytes) -> bytes:
        if len(body) <= _CHECK_DIGITS or not _HEXADECIMAL.fullmatch(body):
            raise _NotThis("not the hexadecimal digits that its check needs")
        *data, told = bytes.fromhex(body.decode("ascii"))
        if fold(bytes(data)) & 0xFF != told:
            raise _NotThis("wrong check digits")
        return body[:-_CHECK_DIGITS]

    return check


def _last_byte(body: bytes) -> bytes:
    if len(body) < _CHECK_DIGITS or reduce(xor, body):
        raise _NotThis("wrong check byte")
    return body[:-1]


def _xor(data: bytes) -> int:
    return reduce(xor, data)


_CHECKED: Mapping[str, Callable[[bytes], bytes]] = {
    "none": _unchecked,
    "lrc": _unchecked,  # behind the end of the frame, where it was looked at
    "bcc": _unchecked,
    "em4100": _digits(_xor),
    "sum": _digits(sum),
    "xor": _last_byte,
}
"""A check to what looks at it and takes it off."""

"""OSDP as a listener sees it: polls with their answers, and what readers refuse. Pure; times are seconds, and given.

What opens doors is never shown: cards, keys that were pressed, and the keys of secure channels. Under a secure channel
a frame's data are encrypted anyway; that there is one is told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drivers.inspection.dialogue import Event, Sign
from drivers.osdp import codec
from drivers.osdp.codec import Block, Command, Frame, Reply

_MARK = codec.MARK[0]
_ENCRYPTED = frozenset({Block.COMMAND_WITH_DATA, Block.REPLY_WITH_DATA})
_HIDDEN = frozenset({Command.KEYSET, Command.CHLNG, Command.SCRYPT, Reply.CCRYPT, Reply.RMAC_I})
_LENGTH = slice(2, 4)


def _codes(*kinds: type[Command] | type[Reply]) -> Mapping[int, str]:
    return {int(one): one.name.replace("_", "-") for kind in kinds for one in kind}


_COMMANDS, _REPLIES = _codes(Command), _codes(Reply)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    frame: Frame
    at_s: float
    what: str


class Osdp:
    """Listens to a line, or to a connection that carries one. A reader speaks only when it was asked."""

    def __init__(self, *, patience_s: float = 1.0) -> None:
        self._patience_s = patience_s
        self._line, self._requests, self._answers = bytearray(), bytearray(), bytearray()
        self._asked: _Asked | None = None

    def asked(self, data: bytes, at_s: float) -> list[Event]:
        """Take what the control panel sent."""
        return list(self._take(self._requests, data, at_s))

    def answered(self, data: bytes, at_s: float) -> list[Event]:
        """Take what came back."""
        return list(self._take(self._answers, data, at_s))

    def heard(self, data: bytes, at_s: float) -> list[Event]:
        """Take bytes of a line, where both pass by alike; none say that the line is silent."""
        return list(self._take(self._line, data, at_s))

    def overdue(self, at_s: float) -> list[Event]:
        """Give up what no reader has answered for long."""
        asked = self._asked
        if asked is None or at_s - asked.at_s < self._patience_s:
            return []
        self._asked = None
        return [_silence(asked, at_s)]

    def _take(self, buffer: bytearray, data: bytes, at_s: float) -> Iterator[Event]:
        buffer += data
        while buffer:
            before = bytes(buffer)
            frame = codec.take(buffer)
            taken = len(before) - len(buffer)
            size = 0 if frame is None else int.from_bytes(frame.head[_LENGTH], "little")
            if lost := before[: taken - size].strip(bytes([_MARK])):
                yield Event(at_s=at_s, sign=Sign.GARBAGE, what="no frame of OSDP", data=lost)
            if frame is None:
                return
            yield from self._reply(frame, at_s) if frame.is_reply else self._command(frame, at_s)

    def _command(self, frame: Frame, at_s: float) -> Iterator[Event]:
        if self._asked is not None:
            yield _silence(self._asked, at_s)
        what = _secured(frame, _COMMANDS.get(frame.code, f"command {frame.code:02X}H"))
        self._asked = None if frame.address == codec.BROADCAST else _Asked(frame=frame, at_s=at_s, what=what)
        yield Event(at_s=at_s, sign=Sign.REQUEST, what=what + _about(frame), unit=frame.address, data=_data(frame))

    def _reply(self, frame: Frame, at_s: float) -> Iterator[Event]:
        asked, took_s = self._asked, None
        what = ""
        if asked is not None and asked.frame.address in {frame.address, codec.BROADCAST}:
            self._asked, what, took_s = None, asked.what, at_s - asked.at_s
        if frame.code == Reply.NAK and not _is_encrypted(frame):
            code = frame.data[0] if frame.data else 0
            why = codec.REFUSALS.get(code, "unknown")
            yield Event(
                at_s=at_s, sign=Sign.EXCEPTION, what=what, unit=frame.address, code=code, why=why, took_s=took_s
            )
            return
        name = _secured(frame, _REPLIES.get(frame.code, f"reply {frame.code:02X}H"))
        said = " ".join(part for part in (what, f"{name}{_about(frame)}") if part)
        yield Event(at_s=at_s, sign=Sign.ANSWER, what=said, unit=frame.address, took_s=took_s, data=_data(frame))


def _silence(asked: _Asked, at_s: float) -> Event:
    unit = asked.frame.address
    return Event(at_s=at_s, sign=Sign.SILENCE, what=asked.what, unit=unit, took_s=at_s - asked.at_s)


def _is_encrypted(frame: Frame) -> bool:
    return bool(frame.block) and frame.block[0] in _ENCRYPTED


def _secured(frame: Frame, name: str) -> str:
    return f"{name} (secure)" if frame.block and frame.block[0] in codec.WITH_MAC else name


def _about(frame: Frame) -> str:
    """Say what is in a frame without telling what opens doors."""
    if _is_encrypted(frame):
        return f", {len(frame.data)} bytes encrypted"
    match frame.code if frame.is_reply else None:
        case Reply.RAW if len(frame.data) >= 4:  # noqa: PLR2004 - reader, format, count of bits
            return f", a card of {int.from_bytes(frame.data[2:4], 'little')} bits, not shown"
        case Reply.FMT:
            return ", a card, not shown"
        case Reply.KEYPAD if len(frame.data) >= 2:  # noqa: PLR2004 - reader, count of keys
            return f", {frame.data[1]} keys, not shown"
        case _:
            return ", not shown" if frame.code in _HIDDEN and frame.data else ""


def _data(frame: Frame) -> bytes:
    shown = not _is_encrypted(frame) and frame.code not in _HIDDEN
    secret = frame.is_reply and frame.code in {Reply.RAW, Reply.FMT, Reply.KEYPAD}
    return frame.data if shown and not secret else b""

"""Who said what to whom: frames become requests with their answers. Pure; times are seconds, and given."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from drivers.api import Value
from drivers.inspection.frames import Frame, Garbage
from drivers.modbus.codec import decode
from drivers.profile import Profile, Table

_READS: Mapping[int, Table] = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
_WRITES: Mapping[int, Table] = {5: Table.COIL, 6: Table.HOLDING, 15: Table.COIL, 16: Table.HOLDING}
_SINGLE = frozenset({5, 6})
_OTHERS: Mapping[int, str] = {
    7: "read exception status",
    8: "diagnostics",
    11: "get communication event counter",
    17: "report server id",
    20: "read file record",
    21: "write file record",
    22: "mask write holding",
    23: "read and write holding",
    24: "read queue",
    43: "read device identification",
}
_READ_PDU = 5
_BROADCAST = 0


class Sign(StrEnum):
    """What an event is."""

    REQUEST = "request"
    ANSWER = "answer"
    EXCEPTION = "exception"
    SILENCE = "silence"
    GARBAGE = "garbage"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a frame shows of one point of a profile; None for "not available"."""

    point: str
    value: Value | None
    unit: str = ""
    meaning: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Addresses as on the wire, with what they hold where a frame says so (words; bits as 0 and 1)."""

    table: Table
    address: int
    count: int
    words: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened on the line. `took_s` is how long an answer took; `code` and `why` are a refusal's.

    `unit` is a Modbus unit, or a meter's address.
    """

    at_s: float
    sign: Sign
    what: str
    unit: int | str | None = None
    span: Span | None = None
    points: tuple[Shown, ...] = ()
    code: int = 0
    why: str = ""
    took_s: float | None = None
    data: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    frame: Frame
    at_s: float
    what: str
    span: Span | None


class Dialogue:
    """Follows one connection or line. `profiles` names points: by unit id, or under None for every other unit."""

    def __init__(self, profiles: Mapping[int | None, Profile] | None = None, *, patience_s: float = 1.0) -> None:
        self._profiles = profiles or {}
        self._patience_s = patience_s
        self._asked: dict[int, _Asked] = {}

    def heard(self, one: Frame | Garbage, *, at_s: float) -> list[Event]:
        """Take a frame of a serial line, of which nobody says whether it is a request or an answer."""
        if isinstance(one, Garbage):
            return [_garbage(one, at_s)]
        asked = self._asked.get(0)
        return self.answer(one, at_s=at_s) if _is_answer(one, asked) else self.request(one, at_s=at_s)

    def request(self, one: Frame | Garbage, *, at_s: float) -> list[Event]:
        """Take what a master sent; on a line, whoever was asked before has not answered."""
        if isinstance(one, Garbage):
            return [_garbage(one, at_s)]
        unanswered = self._asked.pop(one.transaction, None)
        what, span = _describe(one)
        if one.transaction or one.unit != _BROADCAST:
            self._asked[one.transaction] = _Asked(frame=one, at_s=at_s, what=what, span=span)
        before = [_silence(unanswered, at_s)] if unanswered is not None else []
        points = self._points(one.unit, span)
        return [*before, Event(at_s=at_s, sign=Sign.REQUEST, what=what, unit=one.unit, span=span, points=points)]

    def answer(self, one: Frame | Garbage, *, at_s: float) -> list[Event]:
        """Take what a device sent."""
        if isinstance(one, Garbage):
            return [_garbage(one, at_s)]
        asked = self._asked.get(one.transaction)
        if asked is None or (asked.frame.unit, asked.frame.function) != (one.unit, one.function):
            what = "answer to a request that was not seen, or has been given up"
            return [Event(at_s=at_s, sign=Sign.GARBAGE, what=what, unit=one.unit, data=one.pdu)]
        del self._asked[one.transaction]
        took = at_s - asked.at_s
        if one.is_exception:
            code = one.pdu[1] if len(one.pdu) > 1 else 0
            sign = Sign.EXCEPTION
            return [
                Event(at_s=at_s, sign=sign, what=asked.what, unit=one.unit, span=asked.span, code=code, took_s=took)
            ]
        if asked.span is None or one.function not in _READS:
            data = b"" if one.function in _WRITES else one.pdu[1:]
            return [Event(at_s=at_s, sign=Sign.ANSWER, what=asked.what, unit=one.unit, took_s=took, data=data)]
        words = _words(one, asked.span)
        if words is None:
            what = f"answer of the wrong length to: {asked.what}"
            return [Event(at_s=at_s, sign=Sign.GARBAGE, what=what, unit=one.unit, took_s=took, data=one.pdu)]
        span = Span(table=asked.span.table, address=asked.span.address, count=asked.span.count, words=words)
        points = self._points(one.unit, span)
        what = asked.what
        return [Event(at_s=at_s, sign=Sign.ANSWER, what=what, unit=one.unit, span=span, points=points, took_s=took)]

    def overdue(self, *, at_s: float) -> list[Event]:
        """Give up requests that nobody has answered for long."""
        late = [key for key, asked in self._asked.items() if at_s - asked.at_s > self._patience_s]
        return [_silence(self._asked.pop(key), at_s) for key in late]

    def _points(self, unit: int, span: Span | None) -> tuple[Shown, ...]:
        profile = self._profiles.get(unit, self._profiles.get(None))
        if profile is None or span is None or span.words is None:
            return ()
        shown = []
        for name, point in profile.points.items():
            first = point.modbus.address - span.address
            if point.modbus.table is not span.table or first < 0 or first + point.modbus.count > span.count:
                continue
            value = decode(point.modbus, span.words[first : first + point.modbus.count]).value
            label = point.enumeration.get(str(value))
            meaning = label.en if label is not None else ""
            shown.append(Shown(point=name, value=value, unit=point.unit, meaning=meaning))
        return tuple(shown)


def _describe(frame: Frame) -> tuple[str, Span | None]:
    """Say what a request asks for, in words and as addresses."""
    function, body = frame.function, frame.pdu[1:]
    if function in _READS and len(frame.pdu) == _READ_PDU:
        address, count = struct.unpack(">HH", body)
        return f"read {_READS[function]} {_range(address, count)}", Span(
            table=_READS[function], address=address, count=count
        )
    if function in _WRITES and len(body) >= 4:  # noqa: PLR2004 - two words
        address, second = struct.unpack_from(">HH", body)
        words = _written(function, second, body)
        if words is not None:
            span = Span(table=_WRITES[function], address=address, count=len(words), words=words)
            return f"write {_WRITES[function]} {_range(address, len(words))}", span
    return _OTHERS.get(function, f"function {function}"), None


def _written(function: int, second: int, body: bytes) -> tuple[int, ...] | None:
    """Give what a write brings; None when it contradicts itself."""
    if function in _SINGLE:
        return (int(second == 0xFF00) if function == 5 else second,)  # noqa: PLR2004 - write single coil
    data = body[5:]
    bits = _WRITES[function].is_bits
    if len(data) != ((second + 7) // 8 if bits else 2 * second) or not second:
        return None
    return _unpacked(data, second, bits=bits)


def _words(frame: Frame, asked: Span) -> tuple[int, ...] | None:
    data = frame.pdu[2:]
    size = (asked.count + 7) // 8 if asked.table.is_bits else 2 * asked.count
    if len(data) != size or frame.pdu[1] != size:
        return None
    return _unpacked(data, asked.count, bits=asked.table.is_bits)


def _unpacked(data: bytes, count: int, *, bits: bool) -> tuple[int, ...]:
    if bits:
        return tuple(data[i // 8] >> i % 8 & 1 for i in range(count))
    return struct.unpack(f">{count}H", data)


def _is_answer(frame: Frame, asked: _Asked | None) -> bool:
    """Tell an answer from a request by what was asked before, and by its shape."""
    if frame.is_exception:
        return True
    counted = frame.function in _READS and len(frame.pdu) == 2 + (frame.pdu[1] if len(frame.pdu) > 1 else 0)
    if asked is None or (asked.frame.unit, asked.frame.function) != (frame.unit, frame.function):
        return counted and len(frame.pdu) != _READ_PDU
    if frame.function in _READS:
        return counted and (
            len(frame.pdu) != _READ_PDU or (asked.span is not None and _words(frame, asked.span) is not None)
        )
    if frame.function in _WRITES:
        return frame.pdu == asked.frame.pdu[:_READ_PDU]
    return True


def _silence(asked: _Asked, at_s: float) -> Event:
    waited = at_s - asked.at_s
    return Event(at_s=at_s, sign=Sign.SILENCE, what=asked.what, unit=asked.frame.unit, span=asked.span, took_s=waited)


def _garbage(one: Garbage, at_s: float) -> Event:
    return Event(at_s=at_s, sign=Sign.GARBAGE, what=one.why, data=one.data)


def _range(address: int, count: int) -> str:
    return str(address) if count == 1 else f"{address}..{address + count - 1}"

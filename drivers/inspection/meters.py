"""Meter protocols as a listener sees them: frames out of bytes, and what they say. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from drivers.api import Value
from drivers.cjt188 import codec as cjt188
from drivers.dlt645 import codec as dlt645
from drivers.inspection.dialogue import Event, Shown, Sign
from drivers.inspection.frames import Garbage
from drivers.packed import decode as decode_packed
from drivers.places.meters import Cjt188Point, Dlt645Point
from drivers.profile import Point, Profile

_WAKE_UP = 0xFE
FrameOf = TypeVar("FrameOf")


class MeterProtocol(ABC, Generic[FrameOf]):
    """How the frames of one protocol are cut out and read."""

    @abstractmethod
    def take(self, buffer: bytearray) -> FrameOf | None:
        """Take the first whole and sound frame, with all before it."""

    @abstractmethod
    def build(self, frame: FrameOf) -> bytes:
        """Give the bytes of a frame."""

    @abstractmethod
    def address(self, frame: FrameOf) -> str:
        """Say who is spoken to, or speaks."""

    @abstractmethod
    def is_answer(self, frame: FrameOf) -> bool:
        """Whether a meter said it."""

    @abstractmethod
    def refusal(self, frame: FrameOf) -> tuple[int, str] | None:
        """Give the code and the words by which a meter refuses; None when it does not."""

    @abstractmethod
    def what(self, frame: FrameOf) -> str:
        """Say in words what a frame is about."""

    @abstractmethod
    def value(self, point: Point, frame: FrameOf) -> tuple[Value | None] | None:
        """Give what a frame says of a point, in a tuple; None when it says nothing of it."""

    @abstractmethod
    def payload(self, frame: FrameOf) -> bytes:
        """Give what it carries."""


class Dlt645(MeterProtocol[dlt645.Frame]):
    """DL/T 645-2007."""

    def take(self, buffer: bytearray) -> dlt645.Frame | None:
        """Take the first whole and sound frame."""
        return dlt645.take(buffer)

    def build(self, frame: dlt645.Frame) -> bytes:
        """Give the bytes of a frame."""
        return dlt645.build(frame)

    def address(self, frame: dlt645.Frame) -> str:
        """Give the 12 digits."""
        return frame.address

    def is_answer(self, frame: dlt645.Frame) -> bool:
        """Look at D7 of the control byte."""
        return bool(frame.control & dlt645.ANSWER)

    def refusal(self, frame: dlt645.Frame) -> tuple[int, str] | None:
        """Look at D6 of the control byte."""
        if not frame.control & dlt645.REFUSED:
            return None
        refused = dlt645.MeterRefused(frame.data[0] if frame.data else 0)
        return refused.code, str(refused)

    def what(self, frame: dlt645.Frame) -> str:
        """Name the function, and the identifier of a read."""
        function = frame.control & 0x1F
        if function == dlt645.READ:
            known = len(frame.data) >= 4 and not frame.control & dlt645.REFUSED  # noqa: PLR2004 - an identifier
            return f"read {frame.data[3::-1].hex().upper()}" if known else "read"
        return "read address" if function == dlt645.READ_ADDRESS else f"function {function:02X}H"

    def value(self, point: Point, frame: dlt645.Frame) -> tuple[Value | None] | None:
        """Look into a good answer to a read."""
        said, place = dlt645.contents(frame), point.at(Dlt645Point)
        return (decode_packed(place, said[1]).value,) if said is not None and said[0] == place.identifier else None

    def payload(self, frame: dlt645.Frame) -> bytes:
        """Give the data, without the 33H."""
        return frame.data


class Cjt188(MeterProtocol[cjt188.Frame]):
    """CJ/T 188, both editions."""

    def take(self, buffer: bytearray) -> cjt188.Frame | None:
        """Take the first whole and sound frame."""
        return cjt188.take(buffer)

    def build(self, frame: cjt188.Frame) -> bytes:
        """Give the bytes of a frame."""
        return cjt188.build(frame)

    def address(self, frame: cjt188.Frame) -> str:
        """Give the 14 digits."""
        return frame.address

    def is_answer(self, frame: cjt188.Frame) -> bool:
        """Look at D7 of the control byte."""
        return bool(frame.control & cjt188.ANSWER)

    def refusal(self, frame: cjt188.Frame) -> tuple[int, str] | None:
        """Look at D6 of the control byte."""
        if not frame.control & cjt188.REFUSED:
            return None
        refused = cjt188.MeterRefused(int.from_bytes(frame.data[1:3], "little"))
        return refused.code, str(refused)

    def what(self, frame: cjt188.Frame) -> str:
        """Name the function, and the identifier as it goes over the wire."""
        function = frame.control & 0x3F
        known = len(frame.data) >= 2 and not frame.control & cjt188.REFUSED  # noqa: PLR2004 - an identifier
        if function == cjt188.READ:
            return f"read {frame.data[:2].hex().upper()}" if known else "read"
        return "read address" if function == cjt188.READ_ADDRESS else f"function {function:02X}H"

    def value(self, point: Point, frame: cjt188.Frame) -> tuple[Value | None] | None:
        """Look into a good answer to a read."""
        said, place = cjt188.contents(frame), point.at(Cjt188Point)
        return (cjt188.decode(place, said[1]).value,) if said is not None and place.identifier in said[0] else None

    def payload(self, frame: cjt188.Frame) -> bytes:
        """Give the data."""
        return frame.data


PROTOCOLS: Mapping[str, MeterProtocol[Any]] = {"dlt645": Dlt645(), "cjt188": Cjt188()}
"""The protocols of meters that a listener understands."""


class MeterSplitter(Generic[FrameOf]):
    """Cuts what a line carries into frames, each proven by its check sum; wake-up bytes are passed over."""

    def __init__(self, protocol: MeterProtocol[FrameOf]) -> None:
        self._protocol = protocol
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[FrameOf | Garbage]:
        """Take bytes as they come."""
        self._buffer += data
        return list(self._take())

    def silence(self) -> list[FrameOf | Garbage]:
        """Say that the line is silent: what has not become a frame by now does not become one."""
        rest, self._buffer = bytes(self._buffer), bytearray()
        return list(_garbage(rest))

    def _take(self) -> Iterator[FrameOf | Garbage]:
        before = bytes(self._buffer)
        while (frame := self._protocol.take(self._buffer)) is not None:
            taken = before[: len(before) - len(self._buffer)]
            yield from _garbage(taken[: len(taken) - len(self._protocol.build(frame))])
            yield frame
            before = bytes(self._buffer)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    address: str
    what: str
    at_s: float


class MeterDialogue(Generic[FrameOf]):
    """Follows one line of meters. `profiles` names points: by address, or under None for every other meter."""

    def __init__(
        self,
        protocol: MeterProtocol[FrameOf],
        profiles: Mapping[str | None, Profile] | None = None,
        *,
        patience_s: float = 2.0,
    ) -> None:
        self._protocol = protocol
        self._profiles = profiles or {}
        self._patience_s = patience_s
        self._asked: _Asked | None = None

    def heard(self, one: FrameOf | Garbage, *, at_s: float) -> list[Event]:
        """Take a frame; the protocol itself says whether it is a request or an answer."""
        if isinstance(one, Garbage):
            return [Event(at_s=at_s, sign=Sign.GARBAGE, what=one.why, data=one.data)]
        protocol, address = self._protocol, self._protocol.address(one)
        asked, self._asked = self._asked, None
        if not protocol.is_answer(one):
            self._asked = _Asked(address=address, what=protocol.what(one), at_s=at_s)
            before = [_silence(asked, at_s)] if asked is not None else []
            return [*before, Event(at_s=at_s, sign=Sign.REQUEST, what=protocol.what(one), unit=address)]
        took = at_s - asked.at_s if asked is not None and _concerns(asked.address, address) else None
        if (refusal := protocol.refusal(one)) is not None:
            what = asked.what if asked is not None else protocol.what(one)
            code, why = refusal
            return [Event(at_s=at_s, sign=Sign.EXCEPTION, what=what, unit=address, code=code, why=why, took_s=took)]
        points = self._points(address, one)
        data = b"" if points else protocol.payload(one)
        what = protocol.what(one)
        return [Event(at_s=at_s, sign=Sign.ANSWER, what=what, unit=address, points=points, took_s=took, data=data)]

    def overdue(self, *, at_s: float) -> list[Event]:
        """Give up a request that nobody has answered for long."""
        asked = self._asked
        if asked is None or at_s - asked.at_s <= self._patience_s:
            return []
        self._asked = None
        return [_silence(asked, at_s)]

    def _points(self, address: str, frame: FrameOf) -> tuple[Shown, ...]:
        profile = self._profiles.get(address, self._profiles.get(None))
        shown = []
        for name, point in profile.points.items() if profile is not None else ():
            if (said := self._protocol.value(point, frame)) is not None:
                label = point.enumeration.get(str(said[0]))
                meaning = label.en if label is not None else ""
                shown.append(Shown(point=name, value=said[0], unit=point.unit, meaning=meaning))
        return tuple(shown)


def _concerns(asked: str, address: str) -> bool:
    """Whether a meter is meant by an address, in which AA stands for any two digits."""
    pairs = (asked[at : at + 2] for at in range(0, len(asked), 2))
    own = (address[at : at + 2] for at in range(0, len(address), 2))
    return len(asked) == len(address) and all(one in {"AA", other} for one, other in zip(pairs, own, strict=True))


def _garbage(data: bytes) -> Iterator[Garbage]:
    rest = data.strip(bytes([_WAKE_UP]))
    if rest:
        yield Garbage(data=rest, why="no frame, or a wrong check sum")


def _silence(asked: _Asked, at_s: float) -> Event:
    return Event(at_s=at_s, sign=Sign.SILENCE, what=asked.what, unit=asked.address, took_s=at_s - asked.at_s)

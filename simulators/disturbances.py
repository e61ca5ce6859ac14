"""What goes wrong between a device and its master: decided here, carried out by the servers. Pure; chance is given.

A disturbance is written `name[:parameter][@share%]`: `dead`, `slow:300ms`, `late:1500ms@5%`, `exception-4`,
`holes:200-210,300`, `noise:before`. The share is how many of the requests it strikes; without one, every request.

What it does to the witness: an answer that is broken is none and never expected by anybody; one that is late or has
noise beside it did go out, so that a master may take it or not, and is marked as doubtful.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from runtime.durations import parse_duration
from simulators.machines.api import UnknownFault


class Kind(StrEnum):
    """The kinds of disturbance, by the names that people write."""

    DEAD = "dead"
    SLOW = "slow"
    LATE = "late"
    WRONG_CRC = "wrong-crc"
    TRUNCATED = "truncated"
    NOISE = "noise"
    EXCEPTION = "exception-N"
    BUSY = "busy"
    HOLES = "holes"
    HALF_OPEN = "half-open"
    LINE_DROPPED = "line-dropped"


class Transport(StrEnum):
    """What carries a line's frames."""

    TCP = "tcp"
    SERIAL = "serial"


class Mark(StrEnum):
    """What the witness notes about an answer that was disturbed."""

    NONE = ""
    DOUBTFUL = "doubtful"
    BROKEN = "broken"


class BadDisturbance(ValueError):
    """A disturbance whose parameter does not fit; the text says what to write."""


EXPLAINED: Mapping[Kind, str] = {
    Kind.DEAD: "the unit hears nothing and says nothing",
    Kind.SLOW: "slow:300ms: answers so much later, and still in time",
    Kind.LATE: "late:1500ms: answers when the master has given up",
    Kind.WRONG_CRC: "serial lines: the check sum of answers is wrong",
    Kind.TRUNCATED: "answers break off",
    Kind.NOISE: "noise:before, noise:after or both: stray bytes beside answers",
    Kind.EXCEPTION: "exception-4: refuses with this code (1 to 255)",
    Kind.BUSY: "refuses with exception 6, device busy",
    Kind.HOLES: "holes:200-210,300: these addresses are refused with exception 2",
    Kind.HALF_OPEN: "TCP, the whole line: open connections stay open, and nobody reads or answers them; new ones work",
    Kind.LINE_DROPPED: "the whole line: the port or serial line is gone until this is cleared",
}
"""Each kind, how it is written, and what it does."""

OF_THE_LINE = frozenset({Kind.HALF_OPEN, Kind.LINE_DROPPED})
"""These strike every device of the line, whichever is named."""
_ONLY_ON: Mapping[Kind, Transport] = {Kind.WRONG_CRC: Transport.SERIAL, Kind.HALF_OPEN: Transport.TCP}

_BUSY, _ILLEGAL_ADDRESS = 6, 2
_DEFAULT_S: Mapping[Kind, float] = {Kind.SLOW: 0.3, Kind.LATE: 1.5}
_BEFORE, _AFTER, _BOTH = "before", "after", "both"
_AFTERGLOW_S = 0.003  # a transmitter that lets go of the line late
_MOST_NOISE = 4
_WRITTEN = re.compile(r"(?P<name>[a-z-]+?)(?:-(?P<code>\d+))?(?::(?P<parameter>[^@]*))?(?:@(?P<share>\d+(?:\.\d+)?)%)?")
_SPAN = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Disturbance:
    """One disturbance. `share` is 0 to 1; `spans` are addresses as on the wire, from the first to behind the last."""

    kind: Kind
    text: str
    share: float = 1.0
    delay_s: float = 0.0
    code: int = 0
    spans: tuple[range, ...] = ()
    side: str = _BOTH

    @property
    def key(self) -> str:
        """What it is cleared by: its text without parameter and share."""
        return _key(self.text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Bytes that go out `after_s` seconds after the device would have answered; one part has the answer's last byte."""

    after_s: float
    data: bytes
    is_answer: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Transmission:
    """What goes out instead of an answer, and what the witness notes about it."""

    parts: tuple[Part, ...]
    mark: Mark


def known(transport: Transport | None) -> tuple[Kind, ...]:
    """Give the kinds that a transport can have; all for None."""
    return tuple(kind for kind in Kind if transport is None or _ONLY_ON.get(kind, transport) is transport)


def is_disturbance(text: str) -> bool:
    """Whether a fault's name is one of a disturbance (and not of a machine)."""
    match = _WRITTEN.fullmatch(text)
    return match is not None and _kind(match) is not None


def parse(text: str, transport: Transport | None = None) -> Disturbance:
    """Read a disturbance; UnknownFault names those that there are on this transport, BadDisturbance what to write."""
    match = _WRITTEN.fullmatch(text)
    kind = _kind(match) if match is not None else None
    kinds = known(transport)
    if match is None or kind is None or kind not in kinds:
        raise UnknownFault(text, tuple(kinds))
    share = float(match["share"]) / 100 if match["share"] is not None else 1.0
    if not 0 < share <= 1:
        raise BadDisturbance(f"{text!r}: a share is more than 0% and at most 100%, such as `late:1500ms@5%`")
    if share < 1 and kind in OF_THE_LINE:
        raise BadDisturbance(f"{text!r}: `{kind}` strikes the line, not some of the requests")
    plain = Disturbance(kind=kind, text=text, share=share)
    parameter = match["parameter"] if kind is not Kind.EXCEPTION else match["code"]
    if kind in _PARAMETERS:
        return _PARAMETERS[kind](plain, parameter)
    if parameter is not None:
        raise BadDisturbance(f"{text!r}: `{kind}` takes no parameter")
    return plain


class Disturbances:
    """Those that a device, or a line, has now. One of a kind at a time, but exceptions, of which one for each code."""

    def __init__(self, transport: Transport | None = None) -> None:
        self._transport = transport
        self._active: dict[str, Disturbance] = {}

    @property
    def active(self) -> tuple[str, ...]:
        """Their texts, the oldest first."""
        return tuple(one.text for one in self._active.values())

    def __contains__(self, kind: Kind) -> bool:
        return any(one.kind is kind for one in self._active.values())

    def add(self, text: str) -> None:
        """Begin one, in place of one of its kind with other parameters; UnknownFault, BadDisturbance."""
        one = parse(text, self._transport)
        self._active[one.key] = one

    def remove(self, text: str | None) -> None:
        """End one, whatever its parameters, or all; no matter when it is not there."""
        if text is None:
            self._active.clear()
        else:
            self._active.pop(_key(text), None)

    def draw(self, random: Random) -> tuple[Disturbance, ...]:
        """Say which of them strike the next request."""
        return tuple(one for one in self._active.values() if one.share >= 1 or random.random() < one.share)


def hears(struck: Iterable[Disturbance]) -> bool:
    """Whether the device hears a request at all."""
    return all(one.kind is not Kind.DEAD for one in struck)


def refusal(struck: Iterable[Disturbance], addresses: range) -> int | None:
    """Give the exception code by which a request for `addresses` is refused; None when it is not."""
    for one in struck:
        if one.kind in {Kind.EXCEPTION, Kind.BUSY}:
            return one.code
        if any(addresses.start < span.stop and span.start < addresses.stop for span in one.spans):
            return _ILLEGAL_ADDRESS
    return None


def transmit(struck: Sequence[Disturbance], answer: bytes, random: Random) -> Transmission:
    """Say what becomes of an answer's frame on its way."""
    delay = sum(one.delay_s for one in struck)
    kinds = {one.kind for one in struck}
    frame = answer
    if Kind.WRONG_CRC in kinds:
        frame = frame[:-1] + bytes([frame[-1] ^ random.randrange(1, 256)])
    if Kind.TRUNCATED in kinds:
        frame = frame[: random.randrange(1, len(frame))]
    parts = [Part(after_s=delay, data=frame)]
    for one in struck:
        if one.kind is Kind.NOISE:
            if one.side in {_BEFORE, _BOTH}:
                parts[0] = Part(after_s=delay, data=_noise(random) + frame)
            if one.side in {_AFTER, _BOTH}:
                parts.append(Part(after_s=delay + _AFTERGLOW_S, data=_noise(random), is_answer=False))
    if frame != answer:
        return Transmission(parts=tuple(parts), mark=Mark.BROKEN)
    return Transmission(parts=tuple(parts), mark=Mark.DOUBTFUL if kinds & {Kind.LATE, Kind.NOISE} else Mark.NONE)


def _noise(random: Random) -> bytes:
    return random.randbytes(random.randint(1, _MOST_NOISE))


def _key(text: str) -> str:
    return text.partition("@")[0].partition(":")[0]


def _kind(match: re.Match[str]) -> Kind | None:
    if match["name"] == "exception":
        return Kind.EXCEPTION if match["parameter"] is None else None
    names = {kind.value: kind for kind in Kind if kind is not Kind.EXCEPTION}
    return names.get(match["name"]) if match["code"] is None else None


def _code(plain: Disturbance, written: str | None) -> Disturbance:
    if plain.kind is Kind.BUSY and written is None:
        return replace(plain, code=_BUSY)
    if written is None or plain.kind is Kind.BUSY or not 1 <= int(written) <= 255:  # noqa: PLR2004 - one byte
        raise BadDisturbance(f"{plain.text!r}: write `busy`, or a code of 1 to 255, such as `exception-4`")
    return replace(plain, code=int(written))


def _delay(plain: Disturbance, written: str | None) -> Disturbance:
    if written is None:
        return replace(plain, delay_s=_DEFAULT_S[plain.kind])
    try:
        return replace(plain, delay_s=parse_duration(written).total_seconds())
    except ValueError as error:
        raise BadDisturbance(f"{plain.text!r}: {error}") from error


def _spans(plain: Disturbance, written: str | None) -> Disturbance:
    matches = [_SPAN.fullmatch(part.strip()) for part in (written or "").split(",")]
    spans = tuple(range(int(m[1]), int(m[2] or m[1]) + 1) for m in matches if m is not None)
    if len(spans) != len(matches) or not all(span and span.stop <= 65536 for span in spans):  # noqa: PLR2004 - a table
        raise BadDisturbance(f"{plain.text!r}: write addresses as on the wire, such as `holes:200-210,300`")
    return replace(plain, spans=spans)


def _side(plain: Disturbance, written: str | None) -> Disturbance:
    if written not in {None, _BEFORE, _AFTER, _BOTH}:
        raise BadDisturbance(f"{plain.text!r}: write `noise`, `noise:before` or `noise:after`")
    return replace(plain, side=written or _BOTH)


_PARAMETERS: Mapping[Kind, Callable[[Disturbance, str | None], Disturbance]] = {
    Kind.SLOW: _delay,
    Kind.LATE: _delay,
    Kind.NOISE: _side,
    Kind.EXCEPTION: _code,
    Kind.BUSY: _code,
    Kind.HOLES: _spans,
}

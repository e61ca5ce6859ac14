"""Finding meters on a line: who answers to any address or to part of one, and which type explains it. Only reads.

Several meters that answer at once garble each other. Then the addresses are searched from their lowest two digits up:
AA stands for any two digits in both standards.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from drivers.cjt188 import codec as cjt188
from drivers.dlt645 import codec as dlt645
from drivers.inspection.frames import Garbage
from drivers.inspection.links import LinkError, open_line
from drivers.inspection.meters import PROTOCOLS, MeterSplitter
from drivers.inspection.scan import Found
from drivers.inspection.signature import Guess
from drivers.profile import Profile

_GAP_S = 0.15  # an answer whose bytes pause for longer is over
_WAKE_UP = b"\xfe" * 4
_TOTAL_ENERGY = "00010000"  # an identifier that every electricity meter has
_SERIAL = 0
_PAIRS = tuple(f"{number:02d}" for number in range(100))
_LONGEST = 4096
_SIGNS = dlt645.ANSWER | dlt645.REFUSED  # the same bits in both standards


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What came after a request: frames by who sent them, and how many bytes made none."""

    frames: tuple[dlt645.Frame | cjt188.Frame, ...]
    garbled: int


class MeterLink:
    """A line that is ours alone; `port` is a serial device, or a line behind a device server."""

    def __init__(
        self, port: str, protocol: str, *, baudrate: int, parity: str, stopbits: int, timeout_s: float
    ) -> None:
        self.place = f"{port} {baudrate} 8{parity}{stopbits}"
        self.garbled = 0
        self.protocol = protocol
        self._timeout_s = timeout_s
        try:
            self._line = open_line(port, baudrate=baudrate, parity=parity, stopbits=stopbits, wait_s=0.01)
            self._line.exclusive = True
        except (OSError, ValueError) as error:  # pyserial's own error is an OSError
            raise LinkError(f"{self.place}: {error}") from error

    def ask(self, request: bytes) -> Heard:
        """Send a request, and take whatever answers until the line is silent; LinkError."""
        splitter = MeterSplitter(PROTOCOLS[self.protocol])
        frames: list[dlt645.Frame | cjt188.Frame] = []
        garbled = 0
        try:
            self._line.reset_input_buffer()
            self._line.write(_WAKE_UP + request)
            self._line.flush()
            begun = heard_at = time.monotonic()
            anything = 0
            while anything < _LONGEST:
                data = self._line.read(max(1, self._line.in_waiting))
                now = time.monotonic()
                if data:
                    heard_at, anything = now, anything + len(data)
                    taken = splitter.feed(data)
                elif now > (heard_at + _GAP_S if anything else begun + self._timeout_s):
                    break
                else:
                    continue
                for one in taken:
                    garbled += len(one.data) if isinstance(one, Garbage) else 0
                    frames += [] if isinstance(one, Garbage) else [one]
        except OSError as error:
            raise LinkError(f"{self.place}: the line was lost: {error}") from error
        garbled += sum(len(one.data) for one in splitter.silence() if isinstance(one, Garbage))
        return Heard(frames=tuple(frames), garbled=garbled)

    def close(self) -> None:
        """Close the line."""
        with suppress(OSError):
            self._line.close()


class Search(Protocol):
    """How one protocol asks for whoever fits an address with AA in it."""

    pairs: int
    exhaustive: bool
    """Whether each request has its own listeners, so that all are to be asked."""

    def requests(self, address: str) -> Iterator[bytes]:
        """Give the requests by which whoever fits may be heard."""
        ...

    def reads(self, profile: Profile, address: str) -> Mapping[str, bytes]:
        """Give a request for each identifier of a profile."""
        ...


class _Dlt645:
    pairs = 6
    exhaustive = False

    def requests(self, address: str) -> Iterator[bytes]:
        if address == dlt645.ANY_ADDRESS:
            yield dlt645.address_request()
        yield dlt645.read_request(address, _TOTAL_ENERGY)

    def reads(self, profile: Profile, address: str) -> Mapping[str, bytes]:
        return {one: dlt645.read_request(address, one) for one in sorted({p.place for p in profile.points.values()})}


class _Cjt188:
    pairs = 7
    exhaustive = True  # a water meter does not hear what goes to heat meters

    def __init__(self, meter_types: Sequence[int]) -> None:
        self._meter_types = meter_types

    def requests(self, address: str) -> Iterator[bytes]:
        for meter_type in self._meter_types:
            for edition in (2004, 2018):
                yield cjt188.read_request(
                    meter_type=meter_type, address=address, identifier="901F", serial=_SERIAL, edition=edition
                )

    def reads(self, profile: Profile, address: str) -> Mapping[str, bytes]:
        defaults = profile.cjt188
        return {
            one: cjt188.read_request(
                meter_type=defaults.meter_type,
                address=address,
                identifier=one,
                serial=_SERIAL,
                edition=defaults.edition,
            )
            for one in sorted({point.place for point in profile.points.values()})
        }


def scan_meters(
    link: MeterLink, profiles: Sequence[Profile], *, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Found]:
    """Find the meters on a line; each is given once it is known. LinkError."""
    mine = [profile for profile in profiles if profile.protocol == link.protocol]
    types = sorted({profile.cjt188.meter_type for profile in mine if profile.protocol == "cjt188"})
    search: Search = _Dlt645() if link.protocol == "dlt645" else _Cjt188(types or [0x10])
    known: set[str] = set()
    for address in _addresses(link, search, progress):
        if address not in known:
            known.add(address)
            progress(f"{link.place}: meter {address} answers; what is it?")
            guesses = tuple(sorted((_guess(link, search, one, address) for one in mine), key=lambda g: -g.confidence))
            yield Found(unit=address, place=link.place, guesses=tuple(one for one in guesses if one.confidence > 0))


def _addresses(link: MeterLink, search: Search, progress: Callable[[str], None]) -> Iterator[str]:
    pending = [""]  # the digits that are known already, the lowest pairs
    while pending:
        tail = pending.pop()
        address = "AA" * (search.pairs - len(tail) // 2) + tail
        progress(f"{link.place}: asking for {address}")
        crowded = False
        for request in search.requests(address):
            heard = link.ask(request)
            link.garbled += heard.garbled
            answers = [one.address for one in heard.frames if one.control & dlt645.ANSWER]
            yield from answers
            crowded = crowded or heard.garbled > 0
            if answers and not crowded and not search.exhaustive:
                break
        if crowded and len(tail) < 2 * search.pairs:
            pending += [pair + tail for pair in reversed(_PAIRS)]


def _guess(link: MeterLink, search: Search, profile: Profile, address: str) -> Guess:
    """Say how many of a profile's identifiers a meter has."""
    reads = search.reads(profile, address)
    answered = 0
    for request in reads.values():
        for one in link.ask(request).frames:
            if one.address == address and one.control & _SIGNS == dlt645.ANSWER:
                answered += 1
                break
    share = answered / len(reads)
    return Guess(profile=profile.name, confidence=round(share, 3), why=f"{answered} of {len(reads)} data are there")

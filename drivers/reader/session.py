"""What a reader has said since the agent's start: its reads, each once, and how many. Pure; times are given."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from drivers.api import PointResult, Value
from drivers.places.reader import ReaderDefaults, ReaderPoint
from drivers.reader.cards import Card, NoCard
from drivers.reader.codec import Alive, Framer, Malformed, Read

_REMEMBERED = 256  # texts that are told apart from their repeats at a time
_MINUTE_S = 60.0


class ReaderSession:
    """One reader over all its connections.

    `count` are the reads that were told, `repeats` those that were not because they came again while the card lay
    there, and `malformed` what came and was no read.
    """

    def __init__(self, how: ReaderDefaults, *, hold_off: timedelta | None = None) -> None:
        self.how = how
        self.count = 0
        self.repeats = 0
        self.malformed = 0
        self._hold_off_s = (how.hold_off if hold_off is None else hold_off).total_seconds()
        self._framer = Framer(how)
        self._seen: dict[str, float] = {}
        self._heard_s = 0.0

    @property
    def due_s(self) -> float | None:
        """When to call `expire`, unless more comes."""
        return self._framer.due_s

    def begin(self, now: float) -> None:
        """Begin a new connection; what was read before still counts."""
        if self._framer.pending:
            self.malformed += 1
        self._framer.begin(now)
        self._heard_s = now

    def feed(self, data: bytes, now: float) -> Iterator[Read | Malformed]:
        """Take bytes; give each new read, and what was none."""
        for said in self._framer.feed(data, now):
            yield from self._sort(said, now)

    def expire(self, now: float) -> Iterator[Read | Malformed]:
        """Give what a silence has ended."""
        for said in self._framer.expire(now):
            yield from self._sort(said, now)

    def silent_s(self, now: float) -> float:
        """How long the reader has said nothing that could be understood, on this connection."""
        return now - self._heard_s

    def counter(self, field: str) -> int | None:
        """Give a counter by the name of its field; None for what is told and not counted."""
        return {"count": self.count, "malformed": self.malformed}.get(field)

    def _sort(self, said: Read | Alive | Malformed, now: float) -> Iterator[Read | Malformed]:
        match said:
            case Malformed():
                self.malformed += 1
                yield said
            case Alive():
                self._heard_s = now
            case Read(text=text):
                self._heard_s = now
                if self._is_new(text, now):
                    self.count += 1
                    yield said
                else:
                    self.repeats += 1

    def _is_new(self, text: str, now: float) -> bool:
        last = self._seen.pop(text, None)
        self._seen[text] = now  # the latest is the last: what is forgotten first stands first
        for old in [old for old, at in self._seen.items() if now - at > self._hold_off_s]:
            del self._seen[old]
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return last is None or now - last >= self._hold_off_s


def results_of(read: Read, points: Mapping[str, ReaderPoint], how: ReaderDefaults) -> tuple[PointResult, ...]:
    """Say what the event points show of a read."""
    return tuple(_result(name, place, read, how) for name, place in points.items() if place.is_event)


def _result(name: str, place: ReaderPoint, read: Read, how: ReaderDefaults) -> PointResult:
    if place.field == "text":
        return PointResult(point=name, value=read.text)
    if read.card is None:
        return PointResult(point=name, value=None, reason="this reader reads texts, and no cards")
    try:
        return PointResult(point=name, value=_of_card(place, read.card, how))
    except NoCard as error:
        return PointResult(point=name, value=None, reason=str(error))


def _of_card(place: ReaderPoint, card: Card, how: ReaderDefaults) -> Value:
    return card.printed(how.printed) if place.field == "card" else card.facility(how.printed)


def last_told(how: ReaderDefaults, place: ReaderPoint, frames: Iterable[bytes]) -> PointResult | None:
    """Say what a point shows when these bytes have come, a minute between each and the next; None when nothing did."""
    session = ReaderSession(how)
    session.begin(0.0)
    told: Read | None = None
    for number, frame in enumerate(frames, start=1):
        now = number * _MINUTE_S
        for said in (*session.feed(frame, now), *session.expire(now + _MINUTE_S / 2)):
            told = said if isinstance(said, Read) else told
    if place.is_event:
        return None if told is None else _result("", place, told, how)
    return PointResult(point="", value=session.counter(place.field))

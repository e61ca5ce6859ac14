"""What a device has said: taken message by message, shown point by point. Pure; times are arguments.

There are two clocks. `heard` counts the seconds for which the connection was up: a device is not silent while nobody
listens. `at_ms` is Unix time, to tell what is late.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from drivers.api import DriverError, PointResult, TimedOut, Unreachable
from drivers.json_mqtt import codec, payload
from drivers.json_mqtt.codec import Content, NotUnderstood, Shown
from drivers.places.message import JsonPoint
from drivers.profile import Profile

NOT_SAID = "the device has not said it yet"
SINCE_WRITTEN = "the device has not said it since it was written"
KEPT = "kept by the broker: how old it is, is not known"
_IDS = 64
_LATE_MS = 60_000
_ORDER_MS = 3_600_000
"""A message whose time is behind the newest one's by less is out of order; by more, the device's clock was set."""


class Fate(StrEnum):
    """What became of a message."""

    TAKEN = "ok"
    MALFORMED = "Garbled"
    DUPLICATE = "Duplicate"
    FOREIGN = "Foreign"

    @property
    def result(self) -> str:
        """What an observer is told: `ok`, or the kind of the error."""
        return self.value if self is Fate.MALFORMED else Fate.TAKEN.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """A message. `retained` when the broker kept it from before; `now` counts the seconds for which we listened."""

    topic: str
    payload: bytes
    retained: bool
    now: float
    at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What a message said: `states` together, and each event for itself. `unread` points could not be read."""

    fate: Fate
    states: tuple[PointResult, ...] = ()
    events: tuple[PointResult, ...] = ()
    unread: int = 0
    why: str = ""


@dataclass(slots=True)
class _Held:
    shown: PointResult
    until: float


@dataclass(kw_only=True, slots=True)
class Memory:
    """One device, from its messages. `name` is for errors; `owner` are the texts by which a shared topic names it."""

    profile: Profile
    name: str
    owner: dict[str, str]
    since: float = 0.0
    _said: dict[str, PointResult] = field(default_factory=dict)
    _held: dict[str, _Held] = field(default_factory=dict)
    _said_number: dict[str, int] = field(default_factory=dict)
    _newest_ms: dict[str, int] = field(default_factory=dict)
    _ids: dict[str, deque[str]] = field(default_factory=dict)
    _places: dict[str, JsonPoint] = field(default_factory=dict)
    _by_topic: dict[str, list[tuple[str, JsonPoint]]] = field(default_factory=dict)
    _number: int = 0
    _written: int = 0
    _heard: float | None = None
    _online: bool | None = None

    def __post_init__(self) -> None:
        self._places = {name: point.at(JsonPoint) for name, point in self.profile.points.items()}
        for name, place in self._places.items():
            if place.is_readable:
                self._by_topic.setdefault(place.topic, []).append((name, place))

    def take(self, message: Arrived) -> Taken:
        """Take a message of one of the profile's topics; whatever it is, nothing is raised."""
        topic = self.profile.json_defaults.topics[message.topic]
        try:
            content = payload.read(topic, message.payload)
        except NotUnderstood as error:
            # A shared topic's garbage may be another device's; on its own topic, it lives and cannot be understood.
            if topic.match is not None:
                return Taken(fate=Fate.FOREIGN)
            self._is_there(message)
            return self._malformed(message, str(error))
        if topic.match is not None:
            said = codec.scalar_text(codec.look(content.document, topic.match.path))
            if said is None or said.casefold() != self.owner[message.topic].casefold():
                return Taken(fate=Fate.FOREIGN)
        if (key := codec.message_id(topic, content)) is not None and not message.retained:
            recent = self._ids.setdefault(message.topic, deque(maxlen=_IDS))
            if key in recent:
                return Taken(fate=Fate.DUPLICATE)
            recent.append(key)
        self._is_there(message)
        self._follow_availability(message.topic, content)
        return self._take(message, content)

    def show(self, points: Sequence[str], *, now: float, read_back: bool = False) -> dict[str, PointResult]:
        """Give what was said last; for a `read_back`, only what was said since the last `written`.

        Unreachable when it was said that the device is off line; TimedOut when it is silent for longer than it may be.
        """
        if (problem := self.problem(now=now)) is not None:
            raise problem
        return {name: self._show(name, now=now, read_back=read_back) for name in points}

    def problem(self, *, now: float) -> DriverError | None:
        """Say why the device cannot be reached; None when it can."""
        if self._online is False:
            return Unreachable(device=self.name, why="it is said to be off line")
        longest = self.profile.json_defaults.expect_every
        if longest is None:
            return None
        last = self._heard if self._heard is not None else self.since
        return TimedOut(device=self.name, after=longest) if timedelta(seconds=now - last) > longest else None

    def written(self) -> None:
        """Note that a command goes out now: what was said before proves nothing."""
        self._written = self._number

    def _show(self, name: str, *, now: float, read_back: bool) -> PointResult:
        point = self._places[name]
        if point.rest is not None:
            held = self._held.get(name)
            if held is not None and now < held.until:
                return held.shown
            return PointResult(point=name, value=point.rest)
        if read_back and self._said_number.get(name, 0) <= self._written:
            return PointResult(point=name, value=None, reason=SINCE_WRITTEN)
        return self._said.get(name) or PointResult(point=name, value=None, reason=NOT_SAID)

    def _is_there(self, message: Arrived) -> None:
        if not message.retained:
            self._heard = message.now
            self._online = None if self._online is None else True

    def _follow_availability(self, topic: str, content: Content) -> None:
        availability = self.profile.json_defaults.availability
        if availability is None or availability.topic != topic:
            return
        said = codec.scalar_text(codec.look(content.document, availability.path))
        if said in {availability.online, availability.offline}:
            self._online = said == availability.online

    def _malformed(self, message: Arrived, why: str) -> Taken:
        """Make the points of the topic BAD that every message should tell; what happens tells itself, or not."""
        if message.retained:
            return Taken(fate=Fate.MALFORMED, why=why)
        self._number += 1
        states = tuple(
            self._remember(name, PointResult(point=name, value=None, reason=why))
            for name, point in self._points(message.topic)
            if not point.is_momentary and not point.optional and point.when is None
        )
        return Taken(fate=Fate.MALFORMED, states=states, unread=len(states), why=why)

    def _take(self, message: Arrived, content: Content) -> Taken:
        said_ms = codec.device_time(self.profile.json_defaults.topics[message.topic], content)
        behind = self._is_behind(message, said_ms)
        note = _note(message, said_ms)
        states: list[PointResult] = []
        events: list[PointResult] = []
        unread = 0
        self._number += 1
        for name, point in self._points(message.topic):
            shown = codec.decode(point, content)
            if shown is None or (message.retained and (point.is_momentary or shown.value is None)):
                continue
            if point.rest is not None and shown.value == point.rest:
                continue  # that nothing happens now does not take back what happened
            result = _result(name, shown, note)
            unread += bool(shown.value is None and shown.reason)
            if point.event:
                events.append(result)
            elif point.hold is not None:
                # What could not be read is told, and held by nobody: it would hide the rest.
                states.append(result)
                if result.value is not None:
                    until = message.now + point.hold.total_seconds()
                    self._held[name] = _Held(shown=result, until=until)
            elif not behind:
                states.append(self._remember(name, result))
        return Taken(fate=Fate.TAKEN, states=tuple(states), events=tuple(events), unread=unread)

    def _is_behind(self, message: Arrived, said_ms: int | None) -> bool:
        """Whether a newer message of this topic was there before; a kept one is behind every other."""
        newest = self._newest_ms.get(message.topic)
        if said_ms is None:
            return message.retained and newest is not None
        if newest is not None and (message.retained or said_ms < newest) and newest - said_ms <= _ORDER_MS:
            return said_ms < newest
        if newest is not None and message.retained:
            return True
        self._newest_ms[message.topic] = said_ms
        return False

    def _remember(self, name: str, result: PointResult) -> PointResult:
        self._said[name] = result
        self._said_number[name] = self._number
        return result

    def _points(self, topic: str) -> list[tuple[str, JsonPoint]]:
        return self._by_topic.get(topic, [])


def _result(name: str, shown: Shown, note: str) -> PointResult:
    reason = shown.reason if shown.value is None else note
    return PointResult(point=name, value=shown.value, reason=reason)


def _note(message: Arrived, said_ms: int | None) -> str:
    """Say of a value that is old, how old it is."""
    if said_ms is not None and message.at_ms - said_ms > _LATE_MS:
        at = datetime.fromtimestamp(said_ms / 1000, UTC).isoformat(timespec="seconds")
        return f"said at {at}, and came later"
    return KEPT if message.retained else ""

"""A reader on its line: each read is told once, and how many there were can be asked."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from drivers.api import BadRequest, Garbled, Hear, Observer, PointResult, TimedOut, Value
from drivers.places.reader import ReaderPoint
from drivers.profile import Profile
from drivers.reader.codec import Malformed, Read
from drivers.reader.config import ReaderSettings
from drivers.reader.session import ReaderSession, results_of
from drivers.serial_line.listening import ListeningLine
from runtime.logs import get_log

_KEPT = 64  # reads that wait for somebody to listen
_KEPT_S = 2.0  # and no longer: a pass that was shown before must not open a door now
_SETTLES_S = 0.2  # a serial server takes a connection and drops it at once when another has the port


class ReaderBus(ListeningLine):
    """The line of one reader (`drivers.api.Talking`)."""

    settings: ReaderSettings

    def __init__(self, settings: ReaderSettings, *, name: str, observe: Observer | None = None) -> None:
        super().__init__(settings, name=name, observe=observe)
        self.dropped = 0
        """How many reads nobody was there to hear."""
        self._reader: Reader | None = None
        self._hear: Hear | None = None
        self._kept: deque[tuple[float, tuple[PointResult, ...]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._began_s: float | None = None

    async def connect(self) -> None:
        """Open the line; Unreachable. A TCP connection must last a moment, for nothing else proves that it is one."""
        await super().connect()
        if self.settings.host is not None:
            await asyncio.sleep(_SETTLES_S)
            if not self.connected:
                raise self.unreachable()

    def attach(self, reader: "Reader") -> None:
        """Take the reader that speaks on this line."""
        self._reader = reader
        self.device = reader.name

    async def listen(self, hear: Hear) -> None:
        """Pass on each read until cancelled, over any number of connections."""
        self._hear = hear
        now = asyncio.get_running_loop().time()
        kept, self._kept = self._kept, deque()
        for at_s, results in kept:
            if now - at_s <= _KEPT_S:
                hear(self.device, results)
            else:
                self.dropped += 1
        try:
            await asyncio.Event().wait()
        finally:
            self._hear = None

    def tell(self, results: tuple[PointResult, ...]) -> None:
        """Pass on one read, or keep it for a moment while nobody listens."""
        if self._hear is not None:
            self._hear(self.device, results)
            return
        if len(self._kept) >= _KEPT:
            self._kept.popleft()
            self.dropped += 1
        self._kept.append((asyncio.get_running_loop().time(), results))

    def _heard(self, data: bytes) -> None:
        if self._reader is None:
            return
        now = asyncio.get_running_loop().time()
        if self._began_s is None:
            self._began_s = now
        self._pass_on(self._reader, self._reader.session.feed(data, now), now)

    def _expire(self) -> None:
        self._timer = None
        if self._reader is not None:
            now = asyncio.get_running_loop().time()
            self._pass_on(self._reader, self._reader.session.expire(now), now)

    def _pass_on(self, reader: "Reader", said: Iterable[Read | Malformed], now: float) -> None:
        for one in said:
            seconds, self._began_s = now - (self._began_s if self._began_s is not None else now), None
            if isinstance(one, Malformed):
                self.observe(seconds, Garbled.__name__)
                get_log("drivers.reader").debug("not a read", device=self.device, why=one.why)
            else:
                self.observe(seconds, "ok")
                self.tell(reader.results(one))
        due = reader.session.due_s
        self._began_s = None if due is None else self._began_s
        self._cancel()
        if due is not None:
            # A little later than due: a timer may come a clock tick too soon, and would find nothing.
            self._timer = asyncio.get_running_loop().call_at(due + 0.001, self._expire)

    def _begins(self) -> None:
        self._cancel()
        self._began_s = None
        if self._reader is not None:
            self._reader.session.begin(asyncio.get_running_loop().time())

    def _ended(self) -> None:
        """Leave the timer: what was cut off by the line's end is counted when its time is over."""

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Reader:
    """The reader as `drivers.api.Device`: its counters can be asked."""

    def __init__(self, bus: ReaderBus, *, profile: Profile, name: str) -> None:
        self.bus = bus
        self.profile = profile
        self.name = name
        self.session = ReaderSession(profile.reader, hold_off=bus.settings.hold_off)
        self._places = {point: entry.at(ReaderPoint) for point, entry in profile.points.items()}
        bus.attach(self)

    def results(self, read: Read) -> tuple[PointResult, ...]:
        """Say what the event points show of a read."""
        return results_of(read, self._places, self.profile.reader)

    async def read(
        self,
        points: Sequence[str],
        *,
        urgent: bool = False,  # noqa: ARG002 - nothing is ever written, so no read-back is waited for
    ) -> Mapping[str, PointResult]:
        """Read counters by id; Unreachable without a line, TimedOut when the reader should have said that it lives."""
        for name in points:
            if name not in self._places:
                raise BadRequest(device=self.name, why=f"`{name}` is no point of the profile `{self.profile.name}`")
        if not self.bus.connected:
            raise self.bus.unreachable()
        within = self.profile.reader.alive_within
        silent_s = self.session.silent_s(asyncio.get_running_loop().time())
        if within is not None and silent_s > within.total_seconds():
            if self.bus.settings.host is not None:
                self.bus.give_up("the reader says nothing on it")
            raise TimedOut(device=self.name, after=within)
        return {name: self._counter(name) for name in points}

    async def write(self, point: str, value: Value) -> None:
        """Refuse: a reader only speaks. BadRequest."""
        raise BadRequest(device=self.name, why=f"`{point}` cannot be set to {value!r}: a reader only speaks")

    def _counter(self, name: str) -> PointResult:
        value = self.session.counter(self._places[name].field)
        reason = "" if value is not None else "told when something is read"
        return PointResult(point=name, value=value, reason=reason)

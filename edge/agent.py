"""The joints between the parts: what a bus reads goes to the journal, what the journal has goes to the broker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.api import PointResult, Reading, Value
from edge.bus_load import BusLoads
from edge.figures import Figures
from edge.intake import DeviceMark, Intake, Written
from edge.journal import Journal
from edge.journal_file import JournalError
from edge.pipeline import DevicePipeline
from edge.publisher import Publisher
from edge.records import Draft
from edge.session import Action, Session
from runtime.health import Check, Status
from wire.contract import Outcome

_NEARLY_FULL = 0.8


@dataclass(kw_only=True, slots=True)
class _Joined:
    intake: Intake
    publisher: Publisher


@dataclass(kw_only=True, slots=True)
class Agent:
    """Listens to buses, intake and publisher, and moves what they say on. Nothing here waits, except `refresh_figures`.

    `capacity` is how many records the journal may hold. `clock` is Unix time in milliseconds, `monotonic` in seconds.
    """

    journal: Journal
    session: Session
    pipelines: Mapping[str, DevicePipeline]
    figures: Figures
    clock: Callable[[], int]
    monotonic: Callable[[], float]
    capacity: int
    loads: BusLoads
    _joined: _Joined | None = None
    _down: set[str] = field(default_factory=set)
    _pending: int = 0
    _trouble: str = ""

    def join(self, *, intake: Intake, publisher: Publisher) -> None:
        """Name the parts that this object serves and that serve it; before anything runs."""
        self._joined = _Joined(intake=intake, publisher=publisher)

    @property
    def _parts(self) -> _Joined:
        if self._joined is None:
            raise RuntimeError("join() comes first")
        return self._joined

    def on_read(self, device: str, results: tuple[PointResult, ...]) -> None:
        """Take what a poll gave; what is worth reporting becomes a draft."""
        readings = self.pipelines[device].take(results, at_ms=self.clock())
        self._report(device, made=len(results), readings=readings)

    def on_up(self, device: str) -> None:
        """Mark in the order of the drafts that a device answers again."""
        self._down.discard(device)
        self._parts.intake.put(DeviceMark(device=device, reachable=True))

    def on_down(self, device: str, reason: str) -> None:
        """Make the points of a silent device BAD, and mark after that draft that it cannot be reached."""
        self._down.add(device)
        pipeline = self.pipelines[device]
        before = pipeline.counts.made
        readings = pipeline.unreachable(reason, at_ms=self.clock())
        self._report(device, made=pipeline.counts.made - before, readings=readings)
        self._parts.intake.put(DeviceMark(device=device, reachable=False))

    def on_written(self, items: Sequence[Written | DeviceMark]) -> None:
        """Let the session know what is durable, and which devices live, in this order."""
        now = self.monotonic()
        actions: list[Action] = []
        for item in items:
            if isinstance(item, Written):
                self.session.appended([(item.offset, item.device)], now=now)
                self.figures.journalled.inc()
                self.figures.readings_journalled.inc(item.readings)
            elif item.reachable:
                actions += self.session.device_up(item.device)
            else:
                actions += self.session.device_down(item.device)
        self._parts.publisher.push(actions)

    def on_poll(self, bus: str, *, seconds: float, result: str) -> None:
        """Count one poll."""
        self.figures.polls.labels(bus, result).inc()
        self.figures.poll_seconds.labels(bus).observe(seconds)

    def on_request(self, bus: str, unit: int | str, seconds: float, result: str) -> None:
        """Count one request on a bus; `result` is `ok` or the kind of the error."""
        self.figures.bus_busy.labels(bus).inc(seconds)
        self.figures.bus_request_seconds.labels(bus).observe(seconds)
        self.loads.note(bus, seconds, result)
        if result != "ok":
            self.figures.bus_errors.labels(bus, str(unit), result).inc()

    def bus_figures(self) -> Mapping[str, Value | None]:
        """Give how the buses did since the last call, by metric."""
        return self.loads.take(now=self.monotonic())

    def on_reconnect(self, bus: str, *, success: bool) -> None:
        """Count one attempt to connect a bus."""
        self.figures.bus_connects.labels(bus, "ok" if success else "failed").inc()

    def on_connect(self, *, result: str) -> None:
        """Count one attempt to connect to the broker."""
        self.figures.broker_connects.labels(result).inc()

    def on_published(self, message_type: str) -> None:
        """Count one message."""
        self.figures.published.labels(message_type).inc()

    def on_left_out(self, readings: int) -> None:
        """Count readings that the current profile has no place for."""
        self.figures.left_out.inc(readings)

    def on_malformed(self) -> None:
        """Count one command that could not be read."""
        self.figures.malformed.inc()

    def on_outcome(self, outcome: Outcome) -> None:
        """Count how a command ended."""
        self.figures.commands.labels(outcome.value).inc()

    def check_journal(self) -> Check:
        """Say how the journal does, as of the last refresh."""
        problem = self._parts.intake.problem or self._trouble
        if problem:
            waiting = self._parts.intake.waiting
            return Check(status=Status.DEGRADED, detail=f"not writable: {problem}; {waiting} records wait in memory")
        if self._pending > self.capacity * _NEARLY_FULL:
            return Check(status=Status.DEGRADED, detail=f"{self._pending} of {self.capacity} records are in use")
        return Check(status=Status.OK)

    async def refresh_figures(self) -> None:
        """Bring the figures of the journal up to date."""
        try:
            status = await self.journal.status()
        except JournalError as error:
            if not error.retry:
                raise
            self._trouble = str(error)
            return
        self._trouble = ""
        self._pending = status.records
        self.figures.pending.set(status.records)
        self.figures.journal_bytes.set(status.bytes)
        self.figures.acknowledged.set(status.acknowledged)
        self.figures.last_offset.set(status.last)
        self.figures.journal_dropped.set(status.dropped)
        self.figures.waiting.set(self._parts.intake.waiting)
        self.figures.devices_down.set(len(self._down))
        self.figures.broker_connected.set(int(self.session.is_connected))

    def _report(self, device: str, *, made: int, readings: tuple[Reading, ...]) -> None:
        self.figures.made.inc(made)
        self.figures.held_back.inc(made - len(readings))
        if readings:
            self._parts.intake.put(Draft(device=device, at_ms=self.clock(), readings=readings))

"""The joints between the parts: what a line reads goes to the journal, what the journal has goes to the broker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.api import Value
from edge.bus_load import BusLoads
from edge.figures import Figures
from edge.intake import DeviceMark, Intake, Reconfigured, Written
from edge.intake import Mark as IntakeMark
from edge.journal import Journal
from edge.journal_file import JournalError
from edge.publisher import Publisher
from edge.records import Draft
from edge.session import Action, Session
from runtime.health import Check, Status
from wire.contract import Outcome

_NEARLY_FULL = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class _Uplink:
    session: Session
    publisher: Publisher


@dataclass(kw_only=True, slots=True)
class Agent:
    """Listens to lines, intake and publisher, and moves what they say on. Nothing here waits, except `refresh_figures`.

    `capacity` is how many records the journal may hold. `monotonic` is in seconds; `devices_down` counts.
    `trouble` is why the journal cannot be used, empty while it can.
    """

    journal: Journal
    figures: Figures
    monotonic: Callable[[], float]
    capacity: int
    loads: BusLoads
    trouble: str = ""
    _intake: Intake | None = None
    _uplink: _Uplink | None = None
    _pending: int = field(default=0)

    def join_intake(self, intake: Intake) -> None:
        """Name the way into the journal; before any line runs."""
        self._intake = intake

    def join_uplink(self, *, session: Session, publisher: Publisher) -> None:
        """Name the way out of the journal; before the intake runs."""
        self._uplink = _Uplink(session=session, publisher=publisher)

    @property
    def intake(self) -> Intake:
        """The way into the journal."""
        if self._intake is None:
            raise RuntimeError("join_intake() comes first")
        return self._intake

    @property
    def uplink(self) -> _Uplink:
        """The way out of it."""
        if self._uplink is None:
            raise RuntimeError("join_uplink() comes first")
        return self._uplink

    def take(self, item: Draft | IntakeMark) -> None:
        """Take a record, or a mark between the records."""
        self.intake.put(item)

    def on_readings(self, *, made: int, reported: int) -> None:
        """Count what drivers delivered, and what of it became a record."""
        self.figures.made.inc(made)
        self.figures.held_back.inc(made - reported)

    def on_written(self, items: Sequence[Written | IntakeMark]) -> None:
        """Let the session know what is durable, which devices live, and what there is, in this order."""
        now = self.monotonic()
        session = self.uplink.session
        actions: list[Action] = []
        for item in items:
            match item:
                case Written():
                    session.appended([(item.offset, item.device)], now=now)
                    self.figures.journalled.inc()
                    self.figures.readings_journalled.inc(item.readings)
                case DeviceMark(reachable=True):
                    actions += session.device_up(item.device)
                case DeviceMark():
                    actions += session.device_down(item.device)
                case Reconfigured():
                    actions += session.reconfigured(revision=item.revision, births=item.births)
        self.uplink.publisher.push(actions)

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
        problem = self.intake.problem or self.trouble
        if problem:
            waiting = self.intake.waiting
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
            self.trouble = str(error)
            return
        self.trouble = ""
        self._pending = status.records
        self.figures.pending.set(status.records)
        self.figures.journal_bytes.set(status.bytes)
        self.figures.acknowledged.set(status.acknowledged)
        self.figures.last_offset.set(status.last)
        self.figures.journal_dropped.set(status.dropped)
        self.figures.broker_connected.set(int(self.uplink.session.is_connected))

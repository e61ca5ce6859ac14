"""The joints between the parts: what a line reads goes to the journal, what the journal has goes to the broker."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from drivers.api import PointResult, Value
from edge.bus_load import BusLoads
from edge.clock import RecordClock, TimeQuality
from edge.figures import Figures
from edge.intake import DeviceMark, Intake, Reconfigured, Settled, Written
from edge.intake import Mark as IntakeMark
from edge.journal import Journal
from edge.journal_file import JournalError, JournalStatus, Limits
from edge.losses import RecordClass, in_words
from edge.overflow import Amount, telemetry_limit
from edge.publisher import Publisher
from edge.records import Draft
from edge.session import Action, Session
from runtime.health import Check, Status
from wire.contract import Outcome

_NEARLY_FULL = 0.8
_CLOCK_WORDS = {
    TimeQuality.GOOD: "",
    TimeQuality.UNSYNCHRONISED: "the system's clock is not synchronised; times are marked until it is",
    TimeQuality.BEHIND: (
        "the system's clock is behind the time of the newest record; times go on from that, and are marked: set the "
        "clock, or, when the clock is right and that record's time was wrong, start once with `clock.floor = false`"
    ),
    TimeQuality.STEPPED: "the system's clock was set by {step:+.1f} s; times are marked for a minute",
}


Ear = Callable[[str, Iterable[PointResult]], None]
"""Hears what every device says, as the gates do. Never waits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Uplink:
    session: Session
    publisher: Publisher


@dataclass(kw_only=True, slots=True)
class Agent:
    """Listens to lines, intake and publisher, and moves what they say on. Nothing here waits, except `refresh_figures`.

    `limits` say how much the journal may hold. `monotonic` is in seconds; `clock` gives the times of records.
    `trouble` is why the journal cannot be used, empty while it can; `ear` hears the devices beside the pipelines.
    """

    journal: Journal
    figures: Figures
    monotonic: Callable[[], float]
    limits: Limits
    clock: RecordClock
    loads: BusLoads
    trouble: str = ""
    ear: Ear | None = None
    _intake: Intake | None = None
    _uplink: _Uplink | None = None
    _status: JournalStatus | None = None

    def join_intake(self, intake: Intake) -> None:
        """Name the way into the journal; before any line runs."""
        self._intake = intake

    def join_uplink(self, *, session: Session, publisher: Publisher) -> None:
        """Name the way out of the journal; before the intake runs."""
        self._uplink = _Uplink(session=session, publisher=publisher)

    @property
    def is_connected(self) -> bool:
        """Whether the broker can be reached."""
        return self._uplink is not None and self._uplink.session.is_connected

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

    def on_heard(self, device: str, results: tuple[PointResult, ...]) -> None:
        """Pass on what a device said to whoever listens inside the agent."""
        if self.ear is not None:
            self.ear(device, results)

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
                case Settled():
                    item.then()
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
        status = self._status
        if status is None:
            return Check(status=Status.OK)
        if status.gaps:
            detail = f"records were lost that the cloud does not know of yet, in {status.gaps} gaps; "
            return Check(status=Status.DEGRADED, detail=f"{detail}lost so far: {in_words(status.lost)}")
        for what, held, limit in (
            ("telemetry", status.held.get(RecordClass.TELEMETRY, Amount()), telemetry_limit(self.limits)),
            (
                "the journal",
                Amount(records=status.records, bytes=status.bytes),
                Amount(records=self.limits.max_records, bytes=self.limits.max_bytes),
            ),
        ):
            if not held.fits(Amount(records=int(limit.records * _NEARLY_FULL), bytes=int(limit.bytes * _NEARLY_FULL))):
                detail = (
                    f"{what} fills {held.records:,} of {limit.records:,} records, {held.bytes:,} of {limit.bytes:,}"
                )
                return Check(status=Status.DEGRADED, detail=f"{detail} bytes; beyond that the oldest telemetry goes")
        return Check(status=Status.OK)

    def check_clock(self) -> Check:
        """Say whether the times of records can be trusted."""
        words = _CLOCK_WORDS[self.clock.quality].format(step=self.clock.step_ms / 1000)
        return Check(status=Status.DEGRADED if words else Status.OK, detail=words)

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
        self._status = status
        self.figures.pending.set(status.records)
        self.figures.journal_bytes.set(status.bytes)
        self.figures.acknowledged.set(status.acknowledged)
        self.figures.last_offset.set(status.last)
        self.figures.journal_dropped.set(status.dropped)
        self.figures.journal_gaps.set(status.gaps)
        for kind in RecordClass:
            held = status.held.get(kind, Amount())
            self.figures.journal_held.labels(kind).set(held.records)
            self.figures.journal_held_bytes.labels(kind).set(held.bytes)
            self.figures.journal_lost.labels(kind).set(status.lost.get(kind, 0))
        self.figures.clock_steps.set(self.clock.steps)
        _, quality = self.clock.look()
        for one in TimeQuality:
            self.figures.clock_quality.labels(one).set(int(one is quality))
        self.figures.broker_connected.set(int(self.uplink.session.is_connected))

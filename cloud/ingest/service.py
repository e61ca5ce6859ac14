"""What ingest does with a batch of messages: read, store, acknowledge. The rules stand in docs/CONTRACT.md.

Telemetry is written first, then one SQL transaction, then the acknowledgement goes out. While a store does not work,
the batch is tried again and nothing is acknowledged; the edges keep what is theirs.

A database server works while we do: there, the transaction of a run of data may still be under way while the next run
is planned and its telemetry written (`overlap.py`). Nothing is acknowledged before its own transaction is committed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.alarms import engine as alarms
from cloud.assets import service as assets
from cloud.ingest import repository
from cloud.ingest.domain import Limiter
from cloud.ingest.lease import Lease, LeaseTaken
from cloud.ingest.memory import Event, Incoming, Plan, ToldOutcome
from cloud.ingest.metrics import IngestMetrics
from cloud.ingest.overlap import Overlap
from cloud.ingest.planning import Planner
from cloud.ingest.quarantine import MAX_KEPT_BYTES
from cloud.ingest.repository import QuarantineRow, ReplayRow
from cloud.ingest.states import StateKeeper, is_state
from cloud.ingest.tracking import Tracking
from cloud.platform.clock import Clock
from cloud.platform.database import transaction
from cloud.platform.errors import Unavailable
from cloud.telemetry.api import TelemetryStore
from runtime.health import Check, Status
from runtime.lifecycle import Backoff
from runtime.logs import get_log
from wire.events import DeviceBorn, Ignored, NodeBorn, NodeData, Quarantined, Unborn
from wire.host import Host
from wire.payload import Message
from wire.topic import NodeKey

TRANSIENT = (Unavailable, OSError)
"""What passes by itself: a full disk, a locked file, a database that restarts."""

TROUBLE_SHOWN_MS = 60_000
"""How long health speaks of an event that could not be processed; its edge sends it again well within that time."""

_STATES_AT_ONCE = 400
"""How many births and deaths are stored in one transaction, which is some tenths of a second."""

_TICK = Incoming(topic="", payload=b"", at_ms=0)


class Ingest:
    """The one writer of what edges report. Not for use by two tasks at once.

    With a `lease` every transaction makes sure of it first, and LeaseTaken ends the work. `overlap`: whether `advance`
    may leave a transaction under way; it pays when the database works on another core.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        telemetry: TelemetryStore,
        host: Host,
        clock: Clock,
        metrics: IngestMetrics,
        backoff: Backoff,
        lease: Lease | None = None,
        overlap: bool = False,
    ) -> None:
        self._engine = engine
        self._telemetry = telemetry
        self._host = host
        self._clock = clock
        self._metrics = metrics
        self._backoff = backoff
        self._lease = lease
        self._overlap = overlap
        self._limiter = Limiter()
        self._tracking = Tracking(host=host, metrics=metrics)
        self._planner = Planner(engine=engine, tracking=self._tracking, quarantine=self._quarantine, metrics=metrics)
        self._states = StateKeeper(tracking=self._tracking, quarantine=self._quarantine, metrics=metrics)
        self._flight = Overlap(prepare=self._prepare, commit=self._finish, anew=self._anew, worked=self._worked)
        self._trouble = ""
        self.births = 0
        """How many births of nodes and devices have been taken."""
        self._ahead: dict[NodeKey, int] = {}
        self._set_apart_ms: int | None = None
        self._log = get_log("cloud.ingest")

    def health(self) -> Check:
        """Whether the stores take what is given to them."""
        if self._trouble:
            return Check(status=Status.DOWN, detail=f"nothing is stored or acknowledged: {self._trouble}")
        if self._set_apart_ms is not None and self._clock() - self._set_apart_ms < TROUBLE_SHOWN_MS:
            return Check(status=Status.DEGRADED, detail="something could not be processed: see the log and quarantine")
        now_ms = self._clock()
        ahead = sorted(str(key) for key, seen_ms in self._ahead.items() if now_ms - seen_ms < TROUBLE_SHOWN_MS)
        if ahead:
            return Check(status=Status.DEGRADED, detail=f"the clock is ahead at {', '.join(ahead[:10])}")
        waiting = len(self._tracking.births.waiting)
        if waiting:
            return Check(status=Status.DEGRADED, detail=f"{waiting} devices wait for their profile")
        return Check(status=Status.OK)

    def disconnected(self) -> None:
        """Forget what births told: the broker keeps nothing for us, so every node must be born again."""
        self._tracking.disconnected()

    async def unheard(self) -> None:
        """Note that nobody hears the nodes that were online: no broker, or none yet. Passing errors are TRANSIENT."""
        async with self._transaction() as conn:
            nodes = await assets.unheard(conn, self._clock())
        if nodes:
            self._log.warning("nobody hears whether these are still online", nodes=nodes)

    def ask_rebirth(self, key: NodeKey) -> None:
        """Ask a node for its births when it is its turn, at most once in 5 s."""
        self._tracking.want_rebirth(key)

    def asked_rebirth(self, key: NodeKey) -> bool:
        """Whether a node has been asked for its births since we were connected."""
        return self._tracking.was_asked(key)

    async def process(self, messages: Sequence[Incoming]) -> list[Message]:
        """Store everything that follows from a batch (which may be empty); give what is to be published.

        Returns only when it is stored; CancelledError leaves everything unacknowledged.
        """
        return await self.store(self.read(messages))

    def read(self, messages: Sequence[Incoming]) -> list[Event]:
        """Read a batch (which may be empty). Stores nothing, so that it may be done while the batch before is stored.

        Everything that was read has to be given to `store`, in the same order.
        """
        started = time.perf_counter()
        events = [
            Event(told=told, source=message)
            for message in messages
            for told in self._host.receive(message.topic, message.payload, message.at_ms)
        ]
        events.extend(Event(told=told, source=_TICK) for told in self._host.tick(self._clock()))
        if messages:
            self._metrics.messages.inc(len(messages))
            self._metrics.decode.observe(time.perf_counter() - started)
        return events

    async def store(self, events: Sequence[Event]) -> list[Message]:
        """Store everything that follows from what was read; give what is to be published. As `process`."""
        return [*await self.advance(events), *await self.land()]

    async def advance(self, events: Sequence[Event]) -> list[Message]:
        """Store what was read but for a last transaction that may be under way; give what is to be published by now."""
        started = time.perf_counter()
        for keeps_state, found in groupby(events, key=lambda event: is_state(event.told)):
            run = list(found)
            if keeps_state or not self._overlap:
                await self._flight.land()
                await self._settle_all(run, keeps_state=keeps_state)
            else:
                await self._flight.launch(run)
        if events:
            self._metrics.batch.observe(time.perf_counter() - started)
        return self._tracking.outgoing(self._clock())

    async def ended(self, *, unless: asyncio.Event) -> bool:
        """Wait until no transaction is under way, or something else has happened; whether none is."""
        return await self._flight.ended(unless=unless)

    async def land(self) -> list[Message]:
        """Wait until everything is stored; give what is to be published then."""
        await self._flight.land()
        return self._tracking.outgoing(self._clock())

    async def abandon(self) -> None:
        """Let go of a transaction that is under way, and of all that was planned ahead of the database."""
        if await self._flight.abandon():
            self._tracking.forget_nodes()

    async def replay(self, rows: Sequence[ReplayRow]) -> list[Message]:
        """Take things out of quarantine once more; give what is to be published. What cannot be taken stays there.

        Their telemetry is durable before they leave the quarantine, as with everything else.
        """
        await self._flight.land()
        for row in rows:
            try:
                answer = await self._replay(row)
                if answer is not None:
                    async with self._transaction() as conn:
                        await repository.refuse_replay(conn, row.id, answer)
                self._log.info("replayed from quarantine", number=row.id, answer=answer or "taken")
            except TRANSIENT as error:
                self._tracking.forget_nodes()
                self._log.warning("cannot replay, trying again", error=str(error).splitlines()[0])
                break
            except LeaseTaken:
                raise  # somebody else does this work now
            except Exception as error:  # noqa: BLE001 - a fault of ours in old bytes must not stop what comes now
                self._tracking.forget_nodes()
                self._log.exception("cannot replay", number=row.id)
                async with self._transaction() as conn:
                    answer = f"could not be processed: {type(error).__name__}: {error}"
                    await repository.refuse_replay(conn, row.id, answer)
        return self._tracking.outgoing(self._clock())

    async def _replay(self, row: ReplayRow) -> str | None:
        now_ms = self._clock()
        source = Incoming(topic=row.topic, payload=row.payload, at_ms=now_ms)
        plan = Plan()
        for told in self._host.reread(row.topic, row.payload, now_ms):
            event = Event(told=told, source=source)
            match told:
                case Quarantined() | Ignored():
                    return (
                        told.reason
                        if not isinstance(told, Quarantined) or told.metric is None
                        else (f"{told.metric}: {told.reason}")
                    )
                case Unborn():
                    self._tracking.want_rebirth(told.node)
                    return "its node or device is not born at the moment: it is asked for its birth"
                case NodeData() if is_state(told):
                    return await self._replay_state(event, row, now_ms)
                case _:
                    try:
                        answer = await self._planner.plan_again(plan, event, now_ms)
                        if answer is None and plan.samples:
                            await self._telemetry.write(plan.samples)
                    except ValueError as error:
                        answer = str(error)
                    if answer is not None:
                        return answer
        await self._commit(plan, now_ms, replayed=row.id)
        self._count(plan, now_ms)
        return None

    async def _replay_state(self, event: Event, row: ReplayRow, now_ms: int) -> str | None:
        refused: list[QuarantineRow] = []
        async with self._transaction() as conn:
            follows = await self._states.apply(conn, [event], refused, now_ms)
            if not refused:
                await repository.drop_quarantine(conn, row.id)
        await self._follow(follows)
        return refused[0].reason if refused else None

    async def _follow(self, events: Sequence[Event]) -> None:
        """Apply what follows from births and profiles."""
        for keeps_state, run in groupby(events, key=lambda event: is_state(event.told)):
            await self._settle_all(list(run), keeps_state=keeps_state)

    async def _settle_all(self, run: list[Event], *, keeps_state: bool) -> None:
        """Apply data at once, and births and deaths by the hundreds, so that others may write in between."""
        size = _STATES_AT_ONCE if keeps_state else len(run)
        for begin in range(0, len(run), size):
            await self._settle(run[begin : begin + size], keeps_state=keeps_state)

    async def _settle(self, run: list[Event], *, keeps_state: bool) -> None:
        """Apply events until it has worked. What can never work is set apart, so that it holds up nothing else."""
        while True:
            try:
                await (self._apply_state(run) if keeps_state else self._apply_data(run))
            except TRANSIENT as error:
                self._tracking.forget_nodes()
                self._limiter = Limiter()  # what it admitted was not stored
                self._metrics.failures.inc()
                self._trouble = str(error).splitlines()[0]
                pause = self._backoff.next_pause()
                self._log.warning("cannot store, trying again", error=self._trouble, pause_s=pause.total_seconds())
                await asyncio.sleep(pause.total_seconds())
            except LeaseTaken:
                raise  # somebody else does this work now
            except Exception as error:  # noqa: BLE001 - a fault of ours in one event must not stop its neighbours
                self._tracking.forget_nodes()
                self._log.exception("cannot process", events=len(run))
                if len(run) > 1:
                    for event in run:
                        await self._settle([event], keeps_state=keeps_state)
                    return
                await self._set_apart(run[0], error)
                return
            else:
                self._worked()
                return

    def _worked(self) -> None:
        self._trouble = ""
        self._backoff.reset()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with transaction(self._engine) as conn:
            if self._lease is not None:
                await self._lease.check(conn)
            yield conn

    async def _apply_state(self, run: list[Event]) -> None:
        started = time.perf_counter()
        now_ms = self._clock()
        rows: list[QuarantineRow] = []
        waiting = dict(self._tracking.births.waiting)
        try:
            async with self._transaction() as conn:
                follows = await self._states.apply(conn, run, rows, now_ms)
                await repository.add_quarantine(conn, rows, now_ms)
        except BaseException:
            self._tracking.births.waiting = waiting  # a profile that was not stored is still missing
            raise
        self._tracking.births.stored()
        births = sum(isinstance(event.told, NodeBorn | DeviceBorn) for event in run)
        self.births += births
        self._metrics.births.inc(births)
        self._metrics.commit.observe(time.perf_counter() - started)
        await self._follow(follows)

    async def _apply_data(self, run: list[Event]) -> None:
        await self._finish(await self._prepare(run))

    async def _anew(self, run: list[Event]) -> None:
        self._tracking.forget_nodes()
        self._limiter = Limiter()  # what it admitted was not stored
        await self._settle(run, keeps_state=False)

    async def _prepare(self, run: list[Event]) -> Plan:
        """Work out what a run changes, and make its telemetry durable."""
        started = time.perf_counter()
        plan = await self._planner.plan(run, self._clock())
        self._metrics.decide.observe(time.perf_counter() - started)
        if plan.samples:
            started = time.perf_counter()
            await self._telemetry.write(plan.samples)
            self._metrics.telemetry.observe(time.perf_counter() - started)
        return plan

    async def _finish(self, plan: Plan) -> None:
        """Commit the rest of a plan; from then on it may be acknowledged."""
        now_ms = self._clock()
        if not plan.is_empty:
            started = time.perf_counter()
            await self._commit(plan, now_ms)
            self._metrics.commit.observe(time.perf_counter() - started)
        for node in plan.committed():
            self._tracking.want_ack(node.key)
        self._count(plan, now_ms)

    async def _commit(self, plan: Plan, now_ms: int, *, replayed: int | None = None) -> None:
        marks = [(node_id, journal_id, offset) for (node_id, journal_id), offset in plan.marks.items()]
        async with self._transaction() as conn:
            await assets.take_last_values(conn, plan.last.values(), received_ms=now_ms, in_order=True)
            await assets.take_last_values(conn, plan.last_by_time.values(), received_ms=now_ms, in_order=False)
            await assets.doubt_times(conn, plan.doubts)
            for watched in plan.proven:
                await alarms.retire(conn, watched, at_ms=now_ms)
            changes = await alarms.evaluate(conn, list(plan.work.values()), now_ms=now_ms)
            for node_id in plan.caught_up:
                await alarms.caught_up(conn, node_id, now_ms)
            for told in plan.outcomes:
                await self._outcome(conn, told, now_ms)
            for node_id, token in plan.tokens.items():
                await assets.token_seen(conn, node_id=node_id, token=token, now_ms=now_ms)
            await assets.nodes_seen(conn, plan.seen)
            await repository.add_gaps(conn, plan.gaps, now_ms)
            await repository.add_quarantine(conn, plan.quarantine, now_ms)
            await repository.put_watermarks(conn, marks, now_ms)
            if replayed is not None:
                await repository.drop_quarantine(conn, replayed)
        self._metrics.alarms.inc(changes)

    async def _outcome(self, conn: AsyncConnection, told: ToldOutcome, now_ms: int) -> None:
        # An agent speaks for its own devices only; one that was taken over must not answer for another's command.
        if await repository.commands_device(conn, told.command_id) == told.device_id:
            await assets.command_outcome(conn, told.command_id, told.outcome, told.detail, now_ms)
        else:
            self._log.warning("an outcome of a command of another device", command=told.command_id)
            self._metrics.quarantined.labels("outcome").inc()

    def _count(self, plan: Plan, now_ms: int) -> None:
        metrics = self._metrics
        metrics.records.inc(plan.records)
        metrics.samples.inc(len(plan.samples))
        metrics.out_of_range.inc(plan.out_of_range)
        metrics.ahead.inc(plan.ahead_readings)
        metrics.gaps.inc(sum(gap.size for gap in plan.gaps))
        for key, by_ms in plan.ahead.items():
            if now_ms - self._ahead.get(key, 0) >= TROUBLE_SHOWN_MS:
                self._log.warning("a clock is ahead", node=str(key), by_s=round(by_ms / 1000))
            self._ahead[key] = now_ms
        if plan.newest_live_ms is not None:
            metrics.lag.set(max(now_ms - plan.newest_live_ms, 0) / 1000)

    def _quarantine(
        self,
        rows: list[QuarantineRow],
        event: Event,
        *,
        kind: str,
        reason: str,
        metric: str | None,
        node_id: int | None,
    ) -> None:
        """Keep what could not be read, unless the same fault has filled its share of this minute."""
        self._metrics.quarantined.labels(kind).inc()
        source = event.source
        if not self._limiter.admits(source.topic, reason, self._clock()):
            self._metrics.suppressed.inc()
            return
        payload = source.payload[:MAX_KEPT_BYTES]
        rows.append(QuarantineRow(node_id=node_id, topic=source.topic, payload=payload, metric=metric, reason=reason))

    async def _set_apart(self, event: Event, error: Exception) -> None:
        self._set_apart_ms = self._clock()
        rows: list[QuarantineRow] = []
        reason = f"could not be processed: {type(error).__name__}: {error}"
        self._quarantine(rows, event, kind="failed", reason=reason, metric=None, node_id=None)
        try:
            async with transaction(self._engine) as conn:
                await repository.add_quarantine(conn, rows, self._clock())
        except TRANSIENT as again:
            self._log.warning("cannot quarantine", error=str(again))

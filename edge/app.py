"""The agent's composition root: it owns the clock, the random numbers and the tasks, and joins the parts."""

import asyncio
import random
import secrets
import signal
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from edge.agent import Agent, Ear
from edge.bus_load import BusLoads
from edge.changes import AgentPlan, Changes, LineChange, plan_of
from edge.clock import RecordClock, TimeQuality
from edge.commands import TokenBook
from edge.config import AgentSettings, Server, SiteConfig
from edge.executor import CommandExecutor
from edge.figures import Figures
from edge.gate_part import GatePart
from edge.identity import DeviceIdentity, read_identities
from edge.intake import Intake, Reconfigured
from edge.journal import FILE_NAME, Journal, journal_in
from edge.journal_file import JournalError, JournalFull, JournalStatus, Limits
from edge.journal_look import clock_floor, spent_times
from edge.line import Surroundings
from edge.lines import LineFailed, Lines
from edge.messenger import Messenger
from edge.publisher import BrokerAddress, Following, Publisher
from edge.reload import Reloader
from edge.session import Session
from edge.time_sync import synchronised
from runtime.health import Check, Health, Status
from runtime.lifecycle import Backoff, every
from runtime.logs import get_log
from runtime.probe import probe_server
from runtime.version import VERSION
from wire.edge_node import EdgeNode

if TYPE_CHECKING:
    from edge.gate.running import GateHost

_FIGURES_EVERY = timedelta(seconds=1)
_BUS_BACKOFF_LIMIT = timedelta(seconds=2.5)  # a line that is restored is read again within 5 s
_DISK_BACKOFF_LIMIT = timedelta(seconds=10)


class AgentFailed(Exception):
    """The agent cannot start, or cannot go on; the text says what to do."""


def now_ms() -> int:
    """Give Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def _since_boot() -> float:
    """Give seconds that go on while the machine sleeps, so that waking up is no step of the clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


async def run_agent(
    config: SiteConfig,
    name: str,
    stop: asyncio.Event,
    *,
    wall: Callable[[], int] = now_ms,
    is_synchronised: Callable[[], bool | None] | None = None,
) -> None:
    """Run the agent `name` of a site until `stop` is set or this is cancelled; AgentFailed when it cannot.

    It follows its site file, also when SIGHUP asks for that. `wall` is the machine's clock, and `is_synchronised` says
    whether a time server has set it; without that the machine is asked, as the site file wants it.
    """
    settings = config.settings.agents[name]
    limits = journal_limits(settings)
    folder = config.path(settings.data)
    floor_ms = await asyncio.to_thread(clock_floor, folder / FILE_NAME) if settings.clock.floor else None
    clock = RecordClock(
        wall=wall,
        monotonic=_since_boot,
        synchronised=is_synchronised or synchronised(settings.clock.sync, monotonic=time.monotonic),
        floor_ms=floor_ms,
        spent=await asyncio.to_thread(spent_times, folder / FILE_NAME),
    )
    try:
        async with journal_in(folder, new_id=uuid.uuid4().hex, limits=limits, at_ms=clock()) as journal:
            await _Process(config, name, journal, clock, wall).run(stop)
    except (JournalError, OSError, ExceptionGroup) as error:
        cause: BaseException = error
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        if isinstance(cause, JournalError):
            raise AgentFailed(f"the journal in {folder}: {cause}") from error
        if isinstance(cause, OSError | LineFailed):
            raise AgentFailed(f"{name} cannot run: {cause}") from error
        raise


def journal_limits(settings: AgentSettings) -> Limits:
    """Give the limits of an agent's journal."""
    own = settings.journal
    return Limits(max_records=own.max_records, max_bytes=own.max_bytes, reserved=own.reserved)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """What an open journal holds from before."""

    status: JournalStatus
    last_offsets: Mapping[str, int]
    documents: Mapping[str, str]


class _Process:
    """The parts of one agent.

    Those on the side of the devices run from the start. Those that number and publish run once the journal is open:
    on a full disk that may be later, and readings wait in memory meanwhile, without numbers.
    """

    def __init__(
        self, config: SiteConfig, name: str, journal: Journal, clock: RecordClock, wall: Callable[[], int]
    ) -> None:
        self._config = config
        self._name = name
        self._settings = config.settings.agents[name]
        self._journal = journal
        self._clock = clock
        self._wall = wall
        self._plan = plan_of(config, name)
        self._identities: dict[str, DeviceIdentity] = {}
        self._tokens = TokenBook()
        self._asked = asyncio.Event()
        self._figures = Figures()
        self._health = Health(process=f"edge:{name}", version=VERSION)
        self._agent = Agent(
            journal=journal,
            figures=self._figures,
            monotonic=time.monotonic,
            limits=journal_limits(self._settings),
            clock=clock,
            loads=BusLoads(self._plan.lines, now=time.monotonic()),
        )
        self._intake = Intake(
            journal=journal,
            on_written=self._agent.on_written,
            backoff=_backoff(),
            time_quality=lambda: clock.quality,
            spent=lambda: clock.spent,
        )
        self._agent.join_intake(self._intake)
        self._figures.waiting.set_function(lambda: self._intake.waiting)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        held = await self._open_journal()  # before any device is asked: another agent may be at work here
        async with asyncio.TaskGroup() as tasks:
            around = Surroundings(
                listener=self._agent,
                clock=self._clock,
                monotonic=time.monotonic,
                backoff=lambda: _backoff(limit=_BUS_BACKOFF_LIMIT),
            )
            lines = Lines(around=around, tasks=tasks, health=self._health)
            self._figures.devices_down.set_function(lambda: lines.down)
            self._health.add("broker", lambda: _WAITING)
            self._health.add("journal", self._agent.check_journal)
            self._health.add("clock", self._agent.check_clock)
            with self._probe(), _hangup_sets(self._asked):
                self._announce(self._plan, self._plan.documents())
                gates = GatePart(
                    tasks=tasks,
                    host=lambda: self._gate_host(lines),
                    hear=self._listen,
                    backoff=lambda: _backoff(limit=_DISK_BACKOFF_LIMIT),
                )
                gates.start(self._plan.gates)
                lines.start(lines.prepare(self._plan.lines))
                pause = _backoff(limit=_DISK_BACKOFF_LIMIT)
                while held is None:
                    await asyncio.sleep(pause.next_pause().total_seconds())
                    held = await self._open_journal()
                work = await self._start_uplink(tasks, lines, gates, held)
                await stop.wait()
                await gates.stop()
                await lines.stop_all()
                for task in work:
                    task.cancel()

    def _gate_host(self, lines: Lines) -> "GateHost":
        """Give what the gates need of the agent; only when there are any."""
        from edge.gate.running import GateHost  # noqa: PLC0415 - heavy: models, pictures, a web server

        return GateHost(
            community=self._config.settings.site.community,
            agent=self._name,
            data=self._config.path(self._settings.data),
            path=self._config.path,
            target=lines.target,
            accepts=lambda token: self._tokens.accepts(token, now=time.monotonic()),
            connected=lambda: self._agent.is_connected,
            waiting=lambda: self._intake.waiting,
            clock_trusted=lambda: self._clock.quality is not TimeQuality.BEHIND,
            time_quality=lambda: self._clock.quality.value,
            clock_ms=self._wall,
            new_id=lambda: uuid.uuid4().hex,
            random=random.random,
            health=self._health,
        )

    def _listen(self, ear: Ear) -> None:
        self._agent.ear = ear

    async def _open_journal(self) -> _Held | None:
        """Open the journal; None when the disk takes nothing now."""
        try:
            await self._journal.open()
            held = _Held(
                status=await self._journal.status(),
                last_offsets=await self._journal.last_offsets(),
                documents=await self._journal.documents(),
            )
        except JournalFull as error:
            if str(error) != self._agent.trouble:
                get_log("edge").error(
                    "the journal cannot be opened; readings wait in memory, and nothing is published",
                    reason=str(error),
                    remedy="free space on its disk; it is tried again by itself",
                )
            self._agent.trouble = str(error)
            return None
        self._agent.trouble = ""
        return held

    async def _start_uplink(
        self, tasks: asyncio.TaskGroup, lines: Lines, gates: GatePart, held: _Held
    ) -> tuple[asyncio.Task[None], ...]:
        self._identities = dict(read_identities(held.documents)) | self._identities
        session = Session(
            acknowledged=held.status.acknowledged,
            last=held.status.last,
            held=held.last_offsets,
            births=self._plan.births,
            revision=self._plan.revision,
            known=self._identities,
        )
        executor = CommandExecutor(
            target_of=lines.target,
            birth_of=lines.birth,
            tokens=self._tokens,
            journal=self._journal,
            report=self._intake.put,
            observe=lines.on_read,
            count=self._agent.on_outcome,
            tasks=tasks,
            clock=self._clock,
            monotonic=time.monotonic,
        )
        publisher = self._publisher(session, executor, lines)
        self._agent.join_uplink(session=session, publisher=publisher)

        async def apply(config: SiteConfig, plan: AgentPlan, changes: Changes) -> None:
            await self._apply(plan, changes, lines, gates, executor)
            if changes.broker:
                publisher.move(_address(config), _following(config))

        reloader = Reloader(
            agent=self._name,
            config=self._config,
            plan=self._plan,
            apply=apply,
            on_secrets=publisher.hurry,
            asked=self._asked,
        )
        self._health.add("broker", publisher.check)
        self._health.add("site", reloader.check)
        await executor.report_unfinished()
        return (
            tasks.create_task(self._intake.run(), name="intake"),
            tasks.create_task(publisher.run(), name="publisher"),
            tasks.create_task(every(_FIGURES_EVERY, self._agent.refresh_figures), name="figures"),
            tasks.create_task(reloader.run(), name="reload"),
        )

    async def _apply(
        self, plan: AgentPlan, changes: Changes, lines: Lines, gates: GatePart, executor: CommandExecutor
    ) -> None:
        """Let this plan be in force. Lines that are not changed take no note of it. LineFailed: nothing has changed."""
        fresh = lines.prepare(
            {name: plan.lines[name] for name in changes.lines_that(LineChange.NEW, LineChange.RESTARTED)}
        )
        ending = changes.lines_that(LineChange.GONE, LineChange.RESTARTED)
        documents = await asyncio.to_thread(plan.documents)
        async with gates.changing(plan.gates):
            await executor.withdraw(lines.hold(ending))
            await lines.stop(ending)
            # From here on nothing waits, so that nobody sees a part of the change.
            self._agent.loads.keep(plan.lines)
            lines.rename({name: plan.lines[name] for name in changes.lines_that(LineChange.KEPT)})
            self._announce(plan, documents)
            lines.start(fresh)

    def _announce(self, plan: AgentPlan, documents: Mapping[str, str]) -> None:
        """Mark between the records that this plan is in force for those that follow."""
        self._identities |= {one.birth: one.identity for _, one in plan.devices.values()}
        self._intake.put(Reconfigured(revision=plan.revision, births=plan.births, documents=documents))

    def _publisher(self, session: Session, executor: CommandExecutor, lines: Lines) -> Publisher:
        community = self._config.settings.site.community
        messenger = Messenger(
            node=EdgeNode(community, self._name, 0),
            identities=self._identities,
            last_of=lines.last,
            journal_id=self._journal.journal_id,
            version=VERSION,
            on_left_out=self._agent.on_left_out,
            bus_figures=self._agent.loads.names,
            former_journal=self._journal.former,
        )
        return Publisher(
            address=_address(self._config),
            following=_following(self._config),
            group=community,
            node=self._name,
            messenger=messenger,
            session=session,
            journal=self._journal,
            tokens=self._tokens,
            new_token=lambda: secrets.token_hex(16),
            accept=executor.accept,
            listener=self._agent,
            clock=self._clock,
            monotonic=time.monotonic,
            backoff=_backoff(),
        )

    @contextmanager
    def _probe(self) -> Iterator[None]:
        http = self._settings.http
        registry = self._figures.registry
        with probe_server(host=http.host, port=http.port, health=self._health, registry=registry) as port:
            get_log("edge").info("health and metrics", host=http.host, port=port)
            yield


_WAITING = Check(status=Status.DEGRADED, detail="nothing is published before the journal is open")


def _backoff(limit: timedelta = timedelta(seconds=30)) -> Backoff:
    return Backoff(random=random.random, limit=limit)


@contextmanager
def _hangup_sets(asked: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def _address(config: SiteConfig, server: Server | None = None) -> BrokerAddress:
    """Give the address of one server of the site's broker; without one, of the first."""
    broker = config.settings.broker
    where = server or broker
    authority = None if where.ca_file is None else str(config.path(where.ca_file))
    return BrokerAddress(
        host=where.host,
        port=where.port,
        username=where.username,
        password=lambda: config.password_of(where),
        tls=(lambda: ssl.create_default_context(cafile=authority)) if where.tls else None,
        keepalive=broker.keepalive,
    )


def _following(config: SiteConfig) -> Following | None:
    broker = config.settings.broker
    if broker.primary_host is None:
        return None
    return Following(
        host_id=broker.primary_host,
        others=tuple(_address(config, server) for server in broker.others),
        patience=broker.primary_host_patience,
    )

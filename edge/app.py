"""The agent's composition root: it owns the clock, the random numbers and the tasks, and joins the parts."""

import asyncio
import random
import secrets
import ssl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from drivers.profile import Profile
from drivers.registry import open_bus, open_device
from edge.agent import Agent
from edge.bus import BusRunner, Polled
from edge.bus_load import BusLoads
from edge.commands import TokenBook
from edge.config import AgentSettings, SiteConfig
from edge.executor import CommandExecutor, CommandTarget
from edge.figures import Figures
from edge.intake import Intake
from edge.journal import Journal, open_journal
from edge.journal_file import JournalError, Limits
from edge.messenger import Messenger, PublishedDevice
from edge.pipeline import DevicePipeline
from edge.publisher import BrokerAddress, Publisher
from edge.session import Session
from edge.translate import DeviceIdentity
from runtime.health import Health
from runtime.lifecycle import Backoff, every
from runtime.logs import get_log
from runtime.probe import probe_server
from runtime.version import VERSION
from wire.edge_node import EdgeNode

_FIGURES_EVERY = timedelta(seconds=1)
_BUS_BACKOFF_LIMIT = timedelta(seconds=2.5)  # a line that is restored is read again within 5 s


class AgentFailed(Exception):
    """The agent cannot start, or cannot go on; the text says what to do."""


def now_ms() -> int:
    """Give Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


async def run_agent(config: SiteConfig, name: str, stop: asyncio.Event) -> None:
    """Run the agent `name` of a site until `stop` is set or this is cancelled; AgentFailed when it cannot."""
    settings = config.settings.agents[name]
    limits = Limits(max_records=settings.journal.max_records, max_bytes=settings.journal.max_bytes)
    try:
        async with open_journal(
            config.path(settings.data), new_id=uuid.uuid4().hex, limits=limits, at_ms=now_ms()
        ) as journal:
            await _run(config, name, settings, journal, stop)
    except (JournalError, OSError, ExceptionGroup) as error:
        cause: BaseException = error
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        if isinstance(cause, JournalError):
            raise AgentFailed(f"the journal in {config.path(settings.data)}: {cause}") from error
        if isinstance(cause, OSError):
            raise AgentFailed(f"{name} cannot run: {cause}") from error
        raise


async def _run(config: SiteConfig, name: str, settings: AgentSettings, journal: Journal, stop: asyncio.Event) -> None:
    figures = Figures()
    health = Health(process=f"edge:{name}", version=VERSION)
    tokens = TokenBook()
    profiles = {device: config.profile_of(one) for device, one in settings.devices.items()}
    pipelines = {
        device: DevicePipeline(profiles[device].points, heartbeat=one.heartbeat)
        for device, one in settings.devices.items()
    }
    status = await journal.status()
    held = await journal.last_offsets()
    session = Session(
        acknowledged=status.acknowledged,
        last=status.last,
        devices={device: held.get(device, 0) for device in settings.devices},
    )
    agent = Agent(
        journal=journal,
        session=session,
        pipelines=pipelines,
        figures=figures,
        clock=now_ms,
        monotonic=time.monotonic,
        capacity=settings.journal.max_records,
        loads=BusLoads(settings.buses, now=time.monotonic()),
    )
    intake = Intake(journal=journal, on_written=agent.on_written, backoff=Backoff(random=random.random))
    buses = {
        bus: open_bus(one, name=bus, observe=partial(agent.on_request, bus)) for bus, one in settings.buses.items()
    }
    devices = {
        device: open_device(buses[one.bus], one, profiles[device], name=device)
        for device, one in settings.devices.items()
    }
    runners = [
        BusRunner(
            name=bus,
            bus=buses[bus],
            devices={
                device: Polled(device=devices[device], groups=_groups(profiles[device]))
                for device, one in settings.devices.items()
                if one.bus == bus
            },
            timeout=bus_settings.timeout,
            listener=agent,
            clock=time.monotonic,
            backoff=Backoff(random=random.random, limit=_BUS_BACKOFF_LIMIT),
        )
        for bus, bus_settings in settings.buses.items()
    ]
    async with asyncio.TaskGroup() as tasks:
        executor = CommandExecutor(
            targets={
                device: CommandTarget(device=devices[device], bus=buses[one.bus], profile=profiles[device])
                for device, one in settings.devices.items()
            },
            tokens=tokens,
            journal=journal,
            report=intake.put,
            observe=agent.on_read,
            count=agent.on_outcome,
            tasks=tasks,
            clock=now_ms,
            monotonic=time.monotonic,
        )
        publisher = Publisher(
            address=_address(config),
            group=config.settings.site.community,
            node=name,
            messenger=_messenger(config, name, settings, agent, journal),
            session=session,
            journal=journal,
            tokens=tokens,
            new_token=lambda: secrets.token_hex(16),
            accept=executor.accept,
            listener=agent,
            clock=now_ms,
            monotonic=time.monotonic,
            backoff=Backoff(random=random.random),
        )
        agent.join(intake=intake, publisher=publisher)
        health.add("broker", publisher.check)
        health.add("journal", agent.check_journal)
        for bus, runner in zip(settings.buses, runners, strict=True):
            health.add(f"bus:{bus}", runner.check)
        with _probe(settings, health, figures):
            await executor.report_unfinished()
            work = [
                tasks.create_task(intake.run(), name="intake"),
                tasks.create_task(publisher.run(), name="publisher"),
                tasks.create_task(every(_FIGURES_EVERY, agent.refresh_figures), name="figures"),
                *(
                    tasks.create_task(runner.run(), name=f"bus:{bus}")
                    for bus, runner in zip(settings.buses, runners, strict=True)
                ),
            ]
            await stop.wait()
            for task in work:
                task.cancel()


@contextmanager
def _probe(settings: AgentSettings, health: Health, figures: Figures) -> Iterator[None]:
    with probe_server(
        host=settings.http.host, port=settings.http.port, health=health, registry=figures.registry
    ) as port:
        get_log("edge").info("health and metrics", host=settings.http.host, port=port)
        yield


def _groups(profile: Profile) -> dict[timedelta, tuple[str, ...]]:
    groups: dict[timedelta, list[str]] = {}
    for point, one in profile.points.items():
        if one.polled:
            groups.setdefault(one.poll, []).append(point)
    return {period: tuple(points) for period, points in sorted(groups.items())}


def _messenger(
    config: SiteConfig,
    name: str,
    settings: AgentSettings,
    agent: Agent,
    journal: Journal,
) -> Messenger:
    return Messenger(
        node=EdgeNode(config.settings.site.community, name, 0),
        devices={
            device: PublishedDevice(
                identity=DeviceIdentity(
                    label=one.label, place=one.place, profile=config.profile_of(one), overrides=one.alarms
                ),
                last=agent.pipelines[device].last,
            )
            for device, one in settings.devices.items()
        },
        journal_id=journal.journal_id,
        version=VERSION,
        revision=config.revision,
        on_left_out=agent.on_left_out,
        bus_figures=agent.loads.names(),
    )


def _address(config: SiteConfig) -> BrokerAddress:
    broker = config.settings.broker
    authority = None if broker.ca_file is None else str(config.path(broker.ca_file))
    return BrokerAddress(
        host=broker.host,
        port=broker.port,
        username=broker.username,
        password=lambda: config.broker_password,
        tls=(lambda: ssl.create_default_context(cafile=authority)) if broker.tls else None,
        keepalive=broker.keepalive,
    )

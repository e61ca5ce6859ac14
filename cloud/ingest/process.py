"""The ingest process: from the broker to the database, and commands back."""

import asyncio
import gc
import os
import random
import secrets
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

import aiomqtt
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.assets import service as assets
from cloud.config import CloudConfig
from cloud.ingest import repository
from cloud.ingest.batch import Inbox, Pace
from cloud.ingest.downlink import Downlink
from cloud.ingest.lease import Lease, held
from cloud.ingest.memory import Event, Incoming
from cloud.ingest.metrics import IngestMetrics
from cloud.ingest.service import TRANSIENT, Ingest
from cloud.ingest.spell import Spell
from cloud.platform.clock import Clock, system_clock
from cloud.platform.database import open_engine, reading, transaction
from cloud.platform.migrate import until_schema
from cloud.telemetry.api import TelemetryStore
from cloud.telemetry.stores import open_telemetry
from runtime.cancellation import honour_cancellation
from runtime.health import Beat, Check, Health, Status
from runtime.lifecycle import Backoff
from runtime.logs import get_log
from runtime.mqtt_client import MqttClient
from runtime.probe import probe_server
from runtime.version import VERSION
from wire.events import HostState
from wire.host import Host
from wire.host_session import HostSession
from wire.payload import Message
from wire.state import read_state
from wire.topic import NodeKey

TICK = timedelta(milliseconds=100)
"""How often ingest looks at time alone: gaps in a sequence, acknowledgements that wait, commands."""

REPLAYS = timedelta(seconds=1)
MAX_REPLAYS = 50
"""How often ingest looks for what is to be replayed from quarantine, and how much it takes at once."""

SILENT_S = 30.0
GOODBYE_S = 2.0
_REFUSED = 0x80
ANSWER_S = 20.0
"""How long a node that was online may take to answer the request for a rebirth after our own start."""

_LOOK_S = 0.2
_BIRTHS_KEPT_AT_ONCE = 1000


class IngestProcess:
    """The connection to the broker and everything that lives as long as it."""

    def __init__(
        self,
        config: CloudConfig,
        *,
        engine: AsyncEngine,
        telemetry: TelemetryStore,
        clock: Clock,
        registry: CollectorRegistry,
        health: Health,
        lease: Lease | None = None,
    ) -> None:
        self._config = config
        self._engine = engine
        self._clock = clock
        self._metrics = IngestMetrics(registry)
        self._host = Host(reorder_timeout_ms=round(config.ingest.reorder_timeout / timedelta(milliseconds=1)))
        self._ingest = Ingest(
            engine=engine,
            telemetry=telemetry,
            host=self._host,
            clock=clock,
            metrics=self._metrics,
            backoff=Backoff(random=random.random, limit=timedelta(seconds=5)),
            lease=lease,
            overlap=engine.dialect.name != "sqlite",
        )
        self._as_host = HostSession(config.ingest.host_id)
        self._downlink = Downlink(engine=engine, host=self._host, clock=clock, metrics=self._metrics)
        self._replays: list[repository.ReplayRow] = []
        self._next_is_read = asyncio.Event()
        self._pace = Pace(most=config.ingest.batch_messages)
        self._backoff = Backoff(random=random.random)
        self._kept_births = 0
        self._broker = Check(status=Status.DOWN, detail="not connected yet")
        self._beat = Beat(clock=time.monotonic, silence_s=SILENT_S)
        self._log = get_log("cloud.ingest")
        self._hearing = self._spell("say that nobody is heard")
        health.add("broker", lambda: self._broker)
        health.add("storage", self._ingest.health)
        health.add("loop", self._beat)

    async def run(self) -> None:
        """Connect, and connect again, until cancelled. ConfigError when the broker's secrets cannot be read."""
        try:
            await self._hear_nobody()  # whoever was online in the life before this one
            await self._connect_for_ever()
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._hear_nobody()
            raise

    async def _connect_for_ever(self) -> None:
        while True:
            try:
                await self._session()
            except* aiomqtt.MqttError as group:
                self._lost(group.exceptions)
            honour_cancellation()  # a stop in this very moment is lost behind the error
            self._ingest.disconnected()
            await self._hear_nobody()
            self._beat.turn()
            await asyncio.sleep(self._backoff.next_pause().total_seconds())

    async def _hear_nobody(self) -> None:
        """Let everybody see that nobody is heard, until births or their lack tell more."""
        try:
            await self._ingest.unheard()
        except TRANSIENT as error:
            self._hearing.failed(error)  # the next attempt to connect brings the next attempt at this
        else:
            self._hearing.worked()

    def _lost(self, errors: Iterable[BaseException]) -> None:
        broker = self._config.broker
        why = "; ".join(sorted({str(error) for error in errors}))
        detail = f"{broker.username}@{broker.host}:{broker.port}: {why}"
        if detail != self._broker.detail:
            self._log.warning("no connection to the broker", broker=f"{broker.host}:{broker.port}", error=why)
        self._broker = Check(status=Status.DOWN, detail=detail)

    async def _session(self) -> None:
        broker, settings = self._config.broker, self._config.ingest
        inbox = Inbox(pace=self._pace, wait=settings.batch_wait, clock=self._clock)
        will = self._as_host.connect(self._clock())
        client = MqttClient(
            broker.host,
            broker.port,
            username=broker.username,
            password=self._config.broker_password(),
            will=aiomqtt.Will(will.topic, will.payload, qos=will.qos, retain=will.retain),
            clean_session=True,
            keepalive=15,
            queue_type=inbox.queue_type,
            tls_context=self._tls(),
        )
        # Acknowledgements of many nodes leave together; that many calls in flight are no reason for a warning.
        client.pending_calls_threshold = 1000
        async with client:
            await _subscribe(client, self._as_host.filters)
            try:
                await _publish(client, [self._as_host.birth()])
                self._log.info("connected", broker=f"{broker.host}:{broker.port}")
                self._broker = Check(status=Status.OK)
                self._backoff.reset()
                async with inbox, asyncio.TaskGroup() as group:
                    group.create_task(self._send_commands(client), name="ingest:commands")
                    group.create_task(self._find_again(inbox), name="ingest:find-again")
                    group.create_task(self._look_for_replays(), name="ingest:replays")
                    # In the body, because Python 3.11 leaves this task marked as cancelled when a child fails after it.
                    await self._receive(client, inbox)
            except asyncio.CancelledError:
                await self._say_goodbye(client)
                raise

    async def _say_goodbye(self, client: aiomqtt.Client) -> None:
        """Say that we are offline, as far as the connection still stands: a disconnection takes the will back."""
        with suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await _publish(client, [self._as_host.death(self._clock())])

    def _tls(self) -> ssl.SSLContext | None:
        broker = self._config.broker
        if not broker.tls:
            return None
        file = self._config.path(broker.ca_file) if broker.ca_file is not None else None
        return ssl.create_default_context(cafile=file)

    async def _receive(self, client: aiomqtt.Client, inbox: Inbox) -> None:
        """Take batch after batch: each is read while the one before is being stored."""
        storing: asyncio.Task[None] | None = None
        try:
            while True:
                honour_cancellation()
                batch = await inbox.batch(client.messages, patience=TICK)
                await _publish(client, self._about_us(batch))
                events = self._ingest.read(batch)
                if storing is not None:
                    if events:
                        self._next_is_read.set()
                    await storing
                    self._next_is_read.clear()
                storing = asyncio.create_task(self._store(client, events, messages=len(batch)), name="ingest:store")
                self._beat.turn()
        finally:
            if storing is not None:
                storing.cancel()  # what is not committed is not acknowledged either, and comes again
                await asyncio.gather(storing, return_exceptions=True)
            await self._ingest.abandon()

    async def _store(self, client: aiomqtt.Client, events: Sequence[Event], *, messages: int) -> None:
        started = time.monotonic()
        outgoing = await self._ingest.advance(events)
        self._pace.took(messages, time.monotonic() - started)
        self._keep_births()
        await _publish(client, outgoing)
        if await self._ingest.ended(unless=self._next_is_read):
            await _publish(client, await self._ingest.land())
        if self._replays:
            replays, self._replays = self._replays, []
            await _publish(client, await self._ingest.replay(replays))

    def _keep_births(self) -> None:
        """Let the garbage collector pass over what births told: it stays, and going through a city's takes seconds."""
        if self._ingest.births - self._kept_births >= _BIRTHS_KEPT_AT_ONCE:
            self._kept_births = self._ingest.births
            gc.freeze()

    def _spell(self, job: str) -> Spell:
        return Spell(job, backoff=Backoff(random=random.random, limit=timedelta(seconds=5)), log=self._log)

    async def _look_for_replays(self) -> None:
        """Look for what people want out of quarantine; it is taken between two batches."""
        spell = self._spell("look for replays")
        while True:
            await asyncio.sleep(REPLAYS.total_seconds())
            if not self._replays:
                try:
                    async with reading(self._engine) as conn:
                        self._replays = await repository.due_replays(conn, MAX_REPLAYS)
                except TRANSIENT as error:
                    await asyncio.sleep(spell.failed(error))
                else:
                    spell.worked()

    def _about_us(self, batch: Iterable[Incoming]) -> Iterator[Message]:
        """Contradict whoever says that we are offline, such as the will of a connection before this one."""
        topic = self._as_host.filters[0]
        for message in batch:
            if message.topic == topic:
                state = read_state(topic, self._config.ingest.host_id, message.payload)
                answer = self._as_host.receive(state) if isinstance(state, HostState) else None
                if answer is not None:
                    yield answer

    async def _send_commands(self, client: aiomqtt.Client) -> None:
        spell = self._spell("look for commands")
        while True:
            honour_cancellation()
            pause_s = TICK.total_seconds()
            try:
                messages = await self._downlink.due()
            except TRANSIENT as error:
                pause_s = spell.failed(error)
            else:
                spell.worked()
                await _publish(client, messages)
            await asyncio.sleep(pause_s)

    async def _find_again(self, inbox: Inbox) -> None:
        """Ask the nodes that were online for their births; one that does not answer has died while we were away.

        Only time in which everything was read counts as silence: after an outage answers wait for each other.
        """
        spell = self._spell("look for nodes")
        while True:
            try:
                async with reading(self._engine) as conn:
                    known = await repository.online_nodes(conn)
                missing = {NodeKey(group=node.group, node=node.name): node.id for node in known}
                for key in missing:
                    self._ingest.ask_rebirth(key)
                silence = dict.fromkeys(missing, 0.0)
                while missing:
                    await asyncio.sleep(_LOOK_S)
                    missing = {key: number for key, number in missing.items() if not self._host.is_born(key)}
                    if not inbox.keeps_up:
                        continue
                    for key in filter(self._ingest.asked_rebirth, missing):
                        silence[key] += _LOOK_S
                    silent = [key for key in missing if silence[key] >= ANSWER_S]
                    await self._have_died({key: missing.pop(key) for key in silent})
            except TRANSIENT as error:
                await asyncio.sleep(spell.failed(error))
            else:
                spell.worked()
                return

    async def _have_died(self, nodes: Mapping[NodeKey, int]) -> None:
        """Take nodes for dead that did not answer, unless they do in this very moment."""
        if not nodes:
            return
        async with transaction(self._engine) as conn:
            gone = {key: number for key, number in nodes.items() if not self._host.is_born(key)}
            for number in gone.values():
                await assets.node_died(conn, node_id=number, now_ms=self._clock())
        for key in gone:
            self._log.warning("a node does not answer", group=key.group, node=key.node)


async def _subscribe(client: aiomqtt.Client, topics: Sequence[str]) -> None:
    """Subscribe with QoS 1; MqttError when the broker does not grant every topic."""
    granted = await client.subscribe([(topic, 1) for topic in topics])
    # Reason codes of 128 and more are refusals; the client gives them as objects.
    codes = [one if isinstance(one, int) else one.value for one in granted]
    refused = [topic for topic, code in zip(topics, codes, strict=False) if code >= _REFUSED]
    if refused or len(granted) != len(topics):
        raise aiomqtt.MqttError(f"the broker does not grant the subscription to {', '.join(refused or topics)}")


async def _publish(client: aiomqtt.Client, messages: Iterable[Message]) -> None:
    for message in messages:
        await client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)


def _collect_rarely() -> None:
    """Let the garbage collector look after many new objects only: a batch has a hundred thousand, and none in a cycle.

    With its usual settings it goes through all that births told again and again, and takes a third of the time.
    """
    gc.freeze()
    gc.set_threshold(200_000, 10, 10)


async def run(config: CloudConfig) -> None:
    """Run ingest until cancelled. WrongSchema, ConfigError, LeaseTaken or OSError (port taken) when it cannot start."""
    engine = open_engine(config.database_url)
    telemetry = open_telemetry(config)
    registry = CollectorRegistry()
    health = Health(process="ingest", version=VERSION)
    try:
        await until_schema(engine, random=random.random)
        lease = Lease(
            engine,
            owner=secrets.token_hex(16),
            process=f"{socket.gethostname()}, process {os.getpid()}",
            clock=system_clock,
            monotonic=time.monotonic,
        )
        process = IngestProcess(
            config,
            engine=engine,
            telemetry=telemetry,
            clock=system_clock,
            registry=registry,
            health=health,
            lease=lease,
        )
        _collect_rarely()
        http = config.ingest.http
        async with held(lease):
            with probe_server(host=http.host, port=http.port, health=health, registry=registry) as port:
                get_log("cloud.ingest").info("health and metrics", host=http.host, port=port)
                await process.run()
    finally:
        await telemetry.close()
        await engine.dispose()

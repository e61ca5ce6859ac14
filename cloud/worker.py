"""The worker process: what happens by the clock and not by a message."""

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.alarms import engine as alarms
from cloud.alarms import repository as alarm_rows
from cloud.assets import service as assets
from cloud.config import CloudConfig
from cloud.ingest import repository as ingest_rows
from cloud.ingest.service import TRANSIENT
from cloud.notify import service as notify
from cloud.notify.sender import AppriseSender
from cloud.notify.service import Sender
from cloud.platform.clock import Clock, system_clock
from cloud.platform.database import open_engine, reading, transaction
from cloud.platform.migrate import until_schema
from cloud.telemetry.stores import open_telemetry
from cloud.telemetry.upkeep import Upkeep
from cloud.work_orders import service as work_orders
from runtime.health import Beat, Check, Health, Status
from runtime.logs import get_log
from runtime.probe import probe_server
from runtime.version import VERSION

SETTLE_MS = 250
"""How long after a delay has run out its alarm waits for readings that are still on their way."""

QUARANTINE_KEPT = timedelta(days=30)
"""How long what could not be read is kept."""

SILENT_S = 30.0
"""For how long beyond its own period a duty may be silent."""


@dataclass(kw_only=True)
class Loop:
    """One duty: what it does, how often, and how it is doing."""

    name: str
    period: timedelta
    action: Callable[[], Awaitable[int]]
    beat: Beat
    trouble: str = field(default="")

    def health(self) -> Check:
        """Whether it turns, and whether its last turn worked."""
        check = self.beat()
        if check.status is Status.OK and self.trouble:
            return Check(status=Status.DEGRADED, detail=self.trouble)
        return check


class Worker:
    """The duties of one worker. Several may run: each duty takes its rows under lock.

    `close_after`: how long a sensor must stay normal before an order that trusts it closes by itself.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        sender: Sender,
        clock: Clock,
        tick: timedelta,
        registry: CollectorRegistry,
        health: Health,
        name: str,
        close_after: timedelta,
    ) -> None:
        self._engine = engine
        self._sender = sender
        self._clock = clock
        self._name = name
        self._close_after_ms = round(close_after / timedelta(milliseconds=1))
        self._started_ms = clock()
        self._log = get_log("cloud.worker")
        self._done = Counter("linli_worker_done", "Things done, by duty", ["duty"], registry=registry)
        self._failed = Counter("linli_worker_failures", "Turns that failed, by duty", ["duty"], registry=registry)
        self._heartbeat = Gauge("linli_worker_heartbeat_ms", "Last heartbeat, Unix ms", registry=registry)
        second = timedelta(seconds=1)
        self.loops = tuple(
            Loop(
                name=name,
                period=period,
                action=action,
                beat=Beat(clock=time.monotonic, silence_s=period.total_seconds() + SILENT_S),
            )
            for name, period, action in (
                ("timers", tick, self.run_timers),
                ("commands", second, self.expire_commands),
                ("assignment", 2 * second, self.assign),
                ("notices", second, self.deliver),
                ("closing", 30 * second, self.close_quiet),
                ("heartbeat", 2 * second, self.beat),
                ("housekeeping", timedelta(hours=1), self.keep_house),
            )
        )
        for loop in self.loops:
            health.add(loop.name, loop.health)

    async def run(self) -> None:
        """Do all duties until cancelled; a failure of one turn stops nothing."""
        async with asyncio.TaskGroup() as group:
            for loop in self.loops:
                group.create_task(self._turn(loop), name=f"worker:{loop.name}")

    async def _turn(self, loop: Loop) -> None:
        while True:
            await self.once(loop)
            await asyncio.sleep(loop.period.total_seconds())

    async def once(self, loop: Loop) -> None:
        """Do one turn of a duty; never raises but for cancellation."""
        try:
            done = await loop.action()
        except TRANSIENT as error:
            self._failure(loop, error)
        except Exception as error:  # noqa: BLE001 - a fault in one duty must not end the alarms' timers
            self._failure(loop, error)
            self._log.exception("a duty failed", duty=loop.name)
        else:
            loop.trouble = ""
            self._done.labels(loop.name).inc(done)
        loop.beat.turn()

    def _failure(self, loop: Loop, error: Exception) -> None:
        trouble = f"{type(error).__name__}: {error}".splitlines()[0]
        if trouble != loop.trouble:
            self._log.warning("a duty does not work", duty=loop.name, error=trouble)
        loop.trouble = trouble
        self._failed.labels(loop.name).inc()

    async def run_timers(self) -> int:
        """Run out the delays of alarms."""
        now_ms = self._clock() - SETTLE_MS
        async with reading(self._engine) as conn:
            if not await alarm_rows.any_due(conn, now_ms):
                return 0
        async with transaction(self._engine) as conn:
            return await alarms.run_timers(conn, now_ms)

    async def assign(self) -> int:
        """Look again for somebody for the orders that nobody has."""
        async with reading(self._engine) as conn:
            if not await work_orders.any_waiting(conn):
                return 0
        async with transaction(self._engine) as conn:
            return await work_orders.assign_waiting(conn, now_ms=self._clock())

    async def deliver(self) -> int:
        """Deliver notices."""
        return await notify.deliver_due(self._engine, self._sender, clock=self._clock)

    async def expire_commands(self) -> int:
        """End commands that nobody will answer."""
        async with transaction(self._engine) as conn:
            return await assets.expire_commands(conn, self._clock())

    async def close_quiet(self) -> int:
        """Close orders whose sensor has stayed normal."""
        async with transaction(self._engine) as conn:
            return await work_orders.close_quiet(conn, quiet_ms=self._close_after_ms, now_ms=self._clock())

    async def keep_house(self) -> int:
        """Forget what has lain in quarantine for too long."""
        before_ms = self._clock() - round(QUARANTINE_KEPT / timedelta(milliseconds=1))
        async with transaction(self._engine) as conn:
            return await ingest_rows.forget_quarantine(conn, before_ms)

    async def beat(self) -> int:
        """Say that the timers run, for everybody who looks at the overview."""
        now_ms = self._clock()
        async with transaction(self._engine) as conn:
            await alarm_rows.put_heartbeat(conn, process=self._name, started_ms=self._started_ms, at_ms=now_ms)
        self._heartbeat.set(now_ms)
        return 1


async def run(config: CloudConfig) -> None:
    """Run the worker until cancelled. WrongSchema, ConfigError, or OSError (port taken) when it cannot start."""
    sender = AppriseSender(config.notify_urls(), source=config.notify.urls_file or "notify")
    engine = open_engine(config.database_url)
    telemetry = open_telemetry(config)
    registry = CollectorRegistry()
    health = Health(process="worker", version=VERSION)
    try:
        await until_schema(engine, random=random.random)
        worker = Worker(
            engine=engine,
            sender=sender,
            clock=system_clock,
            tick=config.worker.tick,
            registry=registry,
            health=health,
            name=socket.gethostname()[:64],
            close_after=config.worker.close_after,
        )
        upkeep = Upkeep(telemetry, clock=system_clock)
        health.add("telemetry", upkeep.health)
        http = config.worker.http
        with probe_server(host=http.host, port=http.port, health=health, registry=registry) as port:
            get_log("cloud.worker").info("health and metrics", host=http.host, port=port)
            async with asyncio.TaskGroup() as group:
                group.create_task(upkeep.run(), name="worker:telemetry")
                await worker.run()
    finally:
        await telemetry.close()
        await engine.dispose()

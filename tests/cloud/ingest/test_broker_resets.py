"""Ingest behind something that drops its first connection before the broker has answered."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry

from cloud.config import parse_config
from cloud.ingest.process import IngestProcess
from cloud.platform.clock import system_clock
from cloud.telemetry.embedded import EmbeddedTelemetry
from runtime.health import Health
from tests.support.broker import running_broker
from tests.support.cloud_world import World
from tests.support.tcp_proxy import proxied

IN_TIME_S = 5.0
"""Half of what the library would wait for the answer to one CONNECT."""


async def test_ingest_behind_a_proxy_that_resets_is_soon_connected(
    tmp_path: Path, world: World, telemetry: EmbeddedTelemetry
) -> None:
    async with (
        running_broker(tmp_path / "broker", users={"cloud": "secret"}) as broker,
        proxied(broker.port) as proxy,
    ):
        proxy.resets = 1
        (tmp_path / "password").write_text("secret")
        settings = {"host": "127.0.0.1", "port": proxy.port, "password_file": "password"}
        told = Health(process="ingest", version="test")
        process = IngestProcess(
            parse_config({"schema": 1, "broker": settings}, file=tmp_path / "cloud.toml"),
            engine=world.engine,
            telemetry=telemetry,
            clock=system_clock,
            registry=CollectorRegistry(),
            health=told,
        )
        started = time.monotonic()
        task = asyncio.create_task(process.run(), name="ingest")
        try:
            while told.report()["checks"]["broker"]["status"] != "ok":
                await asyncio.sleep(0.05)
                assert time.monotonic() - started < IN_TIME_S
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

"""A broker that takes our connection and refuses what we want to read: we say so, and try again."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cloud.config import parse_config
from cloud.ingest.process import IngestProcess
from cloud.platform.clock import system_clock
from cloud.telemetry.embedded import EmbeddedTelemetry
from runtime.health import Health
from tests.support.cloud_world import World

CONNECT, SUBSCRIBE = 1, 8


@pytest.fixture
async def refusing_port() -> AsyncIterator[int]:
    """A broker that answers CONNECT, and refuses each topic of a SUBSCRIBE (Mosquitto cannot be told to do so)."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, length = await reader.readexactly(2)  # what is longer than 127 bytes has a second byte
                if length >= 128:
                    length += 128 * ((await reader.readexactly(1))[0] - 1)
                body = await reader.readexactly(length)
                if kind >> 4 == CONNECT:
                    writer.write(b"\x20\x02\x00\x00")
                elif kind >> 4 == SUBSCRIBE:
                    topics, at = 0, 2
                    while at < len(body):
                        at += 3 + struct.unpack_from(">H", body, at)[0]
                        topics += 1
                    writer.write(bytes([0x90, 2 + topics]) + body[:2] + b"\x80" * topics)
                await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_subscription_that_is_not_granted_is_told(
    world: World, telemetry: EmbeddedTelemetry, refusing_port: int, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("secret")
    data = {"schema": 1, "broker": {"host": "127.0.0.1", "port": refusing_port, "password_file": "password"}}
    health = Health(process="ingest", version="test")
    process = IngestProcess(
        parse_config(data, file=tmp_path / "cloud.toml"),
        engine=world.engine,
        telemetry=telemetry,
        clock=system_clock,
        registry=CollectorRegistry(),
        health=health,
    )
    task = asyncio.create_task(process.run(), name="ingest")
    told = ""
    try:
        for _ in range(600):
            told = str(health.report())
            if "does not grant the subscription" in told:
                break
            await asyncio.sleep(0.05)
        assert "does not grant the subscription" in told
        assert not task.done(), "it tries again"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

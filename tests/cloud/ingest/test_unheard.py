"""While ingest has no broker nobody hears the devices: they are shown as unknown, and right again afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import aiomqtt
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from cloud.alarms import repository as alarm_repository
from cloud.assets import service as assets_service
from cloud.assets.domain import Presence, presence
from cloud.config import parse_config
from cloud.ingest.process import IngestProcess
from cloud.ingest.spell import Spell
from cloud.platform.clock import system_clock
from cloud.platform.database import open_engine, reading, transaction
from cloud.platform.schema import assets
from cloud.telemetry.embedded import EmbeddedTelemetry
from runtime.health import Health
from runtime.lifecycle import Backoff
from runtime.logs import get_log
from tests.support.broker import Broker, running_broker
from tests.support.cloud import Town
from tests.support.cloud_world import World
from tests.support.fake_edge import FakeEdge
from tests.support.pump_profile import pump_profile
from wire.edge_node import EdgeNode
from wire.payload import Message

USERS = {"cloud": "secret", "edge-1": "secret"}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as broker:
        yield broker


def ingest(world: World, telemetry: EmbeddedTelemetry, broker: Broker, folder: Path) -> IngestProcess:
    (folder / "password").write_text(USERS["cloud"])
    settings = {"host": broker.host, "port": broker.port, "password_file": "password"}
    return IngestProcess(
        parse_config({"schema": 1, "broker": settings}, file=folder / "cloud.toml"),
        engine=world.engine,
        telemetry=telemetry,
        clock=system_clock,
        registry=CollectorRegistry(),
        health=Health(process="ingest", version="test"),
    )


async def say(broker: Broker, *messages: Message) -> None:
    async with aiomqtt.Client(broker.host, broker.port, username="edge-1", password="secret") as client:
        for message in messages:
            await client.publish(message.topic, message.payload, qos=1)


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    for _ in range(600):
        if await holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"never happened: {what}")


async def presences(world: World) -> list[Presence]:
    nodes = await world.rows(assets.node)
    return [presence(online=row["online"], unheard_ms=row["unheard_ms"]) for row in nodes]


async def test_without_its_broker_ingest_says_of_nobody_that_they_are_online(
    world: World, telemetry: EmbeddedTelemetry, broker: Broker, tmp_path: Path
) -> None:
    edge = FakeEdge(pump_profile())

    async def shows(expected: list[Presence]) -> bool:
        return await presences(world) == expected

    async def born(*messages: Message) -> bool:
        # Again and again: a message from before ingest subscribed is heard by nobody.
        await say(broker, *messages)
        return await shows([Presence.ONLINE])

    process = asyncio.create_task(ingest(world, telemetry, broker, tmp_path).run(), name="ingest")
    try:
        births = edge.births(system_clock())
        await until(lambda: born(*births), "the births")
        await broker.stop()
        await until(lambda: shows([Presence.UNKNOWN]), "the loss is seen")
        await broker.start()
        edge.session = EdgeNode("garden", "edge-1", 1)
        births = edge.births(system_clock())
        await until(lambda: born(*births), "the births after the broker's return")
        await say(broker, edge.session.death(system_clock()))
        await until(lambda: shows([Presence.OFFLINE]), "the death")
    finally:
        process.cancel()
        with suppress(asyncio.CancelledError):
            await process


async def test_rest_and_commands_know_that_nobody_hears_a_device(town: Town) -> None:
    device = await town.device()
    async with transaction(town.engine) as conn:
        assert await assets_service.unheard(conn, town.now) == 1
        assert await assets_service.unheard(conn, town.now + 1) == 0
    async with town.client("operator") as client:
        shown = (await client.get(f"/api/v1/devices/{device.id}")).json()
        assert (shown["presence"], shown["online"], shown["node_online"]) == ("unknown", False, False)
        assert {value["quality"] for value in shown["values"]} <= {"stale"}
        figures = (await client.get("/api/v1/overview")).json()["devices"]
        assert figures == {"online": 0, "offline": 0, "unknown": 1}
        refused = await client.post(f"/api/v1/devices/{device.id}/commands", json={"name": "stop"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "unheard")
    async with transaction(town.engine) as conn:
        await assets_service.node_died(conn, node_id=device.node_id, now_ms=town.now + 2)
    async with reading(town.engine) as conn:
        actor = await town.actor("operator")
        assert await alarm_repository.device_counts(conn, actor.visible()) == (0, 1, 0)
    await town.device()
    async with town.client("operator") as client:
        assert (await client.get(f"/api/v1/devices/{device.id}")).json()["presence"] == "online"


def test_a_job_that_fails_for_long_is_told_of_twice() -> None:
    spell = Spell(
        "look for commands",
        backoff=Backoff(random=lambda: 0.5, first=timedelta(seconds=1), limit=timedelta(seconds=5)),
        log=get_log("test"),
    )
    with capture_logs() as logs:
        spell.worked()
        pauses = [spell.failed(OSError("the database is away")) for _ in range(5)]
        spell.worked()
        spell.worked()
    assert [(log["event"], log.get("failures")) for log in logs] == [
        ("cannot look for commands; trying again", None),
        ("can look for commands again", 5),
    ]
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]


async def test_a_database_that_is_away_while_commands_are_looked_for_is_told_of_once(
    world: World, telemetry: EmbeddedTelemetry, broker: Broker, tmp_path: Path
) -> None:
    process = ingest(world, telemetry, broker, tmp_path)
    away = open_engine(f"sqlite+aiosqlite:///{tmp_path}/no-such-folder/linli.db")
    process._downlink._engine = away
    with capture_logs() as logs:
        task = asyncio.create_task(process.run(), name="ingest")
        await asyncio.sleep(3)
        process._downlink._engine = world.engine
        for _ in range(200):
            if any(log["event"] == "can look for commands again" for log in logs):
                break
            await asyncio.sleep(0.1)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await away.dispose()
    told = [log["event"] for log in logs if "look for commands" in log["event"]]
    assert told == ["cannot look for commands; trying again", "can look for commands again"]

"""One life of the real ingest process on a real Mosquitto, with every MQTT packet and what the database held."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiomqtt
from prometheus_client import CollectorRegistry

from cloud.assets import service as asset_service
from cloud.config import CloudConfig, parse_config
from cloud.ingest.process import IngestProcess
from cloud.platform.clock import system_clock
from cloud.platform.database import reading, transaction
from cloud.platform.schema import assets
from cloud.telemetry.embedded import EmbeddedTelemetry
from runtime.health import Health
from tests.support.broker import Broker, running_broker
from tests.support.cloud_world import World, cloud_world
from tests.support.fake_edge import FakeEdge
from tests.support.mqtt_tap import Packet, Tap, tapped
from tests.support.pump_profile import pump_profile
from wire.payload import Message
from wire.state import state_message

HOST_ID = "linli-test"
PUMPS = ("pump-1", "pump-2")
REORDER_TIMEOUT_MS = 400
_USERS = {"cloud": "secret", "edge-1": "secret", "watcher": "secret"}


@dataclass(kw_only=True)
class Shown:
    """What the service shows of the node and its devices at one moment."""

    at_ms: int
    node_online: bool
    online: dict[str, bool]
    changed_ms: dict[str, int]
    qualities: dict[str, set[str]]


@dataclass(kw_only=True)
class Life:
    """Connection 1 of ingest is cut, connection 2 ends as intended.

    In between a node is born, sends data with a gap, gets a command, loses a device and dies. `ddeath_ms` is the time
    in the payload of that DDEATH. `states` is what a listener heard on STATE, with what was retained at the beginning.
    """

    packets: list[Packet] = field(default_factory=list)
    states: list[tuple[bytes, bool]] = field(default_factory=list)
    retained: list[bytes] = field(default_factory=list)
    alive: Shown | None = None
    after_ddeath: Shown | None = None
    after_ndeath: Shown | None = None
    ddeath_ms: int = 0
    gap_ms: int = 0

    def sent(self, connection: int, *types: str) -> list[Packet]:
        """What one connection published, of some types or of all."""
        return [
            one
            for one in self.packets
            if one.from_client
            and one.connection == connection
            and one.kind == "PUBLISH"
            and (not types or one.type in types)
        ]


async def record(folder: Path, database_url: str) -> Life:
    """Let ingest live for a few seconds."""
    life = Life()
    async with (
        running_broker(folder / "broker", users=_USERS) as broker,
        tapped(broker.host, broker.port) as tap,
        cloud_world(folder, database_url) as world,
        _listening(broker, life),
    ):
        config = _config(tap, folder)
        async with _running(world, config, folder), _node(broker) as node:
            await tap.until("that it is online", lambda: tap.sent(type_="STATE"))
            await _serve_a_node(life, tap, world, node)
            heard = len(life.states)
            tap.cut()
            await tap.until("the will", lambda: len(life.states) > heard)
            await tap.until(
                "a second connection", lambda: [one for one in tap.sent(type_="STATE") if one.connection > 1]
            )
        last = max(one.connection for one in tap.packets)
        await tap.until("its end", lambda: tap.closed(last))
        life.packets = list(tap.packets)
        life.retained = await _retained(broker)
    return life


async def _serve_a_node(life: Life, tap: Tap, world: World, node: "_Node") -> None:
    edge = node.edge
    now = system_clock()
    await node.publish(*edge.births(now))
    await tap.until("a request for the profile", lambda: tap.sent(type_="NCMD"))
    await node.publish(edge.document(system_clock()))
    for device in PUMPS:
        edge.journal(system_clock(), device, pressure=2.0)
    await node.publish(edge.send(1), edge.send(2), edge.token("fresh", system_clock()))
    await _until(lambda: _has_values(world), "values of both pumps")
    life.alive = await _shown(world)

    actor = await world.actor("olga")
    async with transaction(world.engine) as conn:
        await asset_service.request_command(
            conn, actor, device_id=1, name="start", value=None, command_id="c-1", now_ms=system_clock()
        )
    await tap.until("the command", lambda: tap.sent(type_="DCMD"))

    asked = len(tap.sent(type_="NCMD"))
    edge.token("lost", system_clock())  # its seq is used up, and it never arrives
    life.gap_ms = system_clock()
    await node.publish(edge.token("late", system_clock()))
    await tap.until("a request for a rebirth", lambda: len(tap.sent(type_="NCMD")) > asked)
    await node.publish(*edge.births(system_clock()))

    republished = len(tap.sent(type_="STATE"))
    await node.publish(state_message(HOST_ID, online=False, timestamp_ms=system_clock()))
    await tap.until("STATE again", lambda: len(tap.sent(type_="STATE")) > republished)

    life.ddeath_ms = system_clock() - 1_000
    await node.publish(edge.session.device_death("pump-1", life.ddeath_ms))
    await _until(lambda: _offline(world, 1), "one pump offline")
    life.after_ddeath = await _shown(world)
    await node.publish(edge.session.death(system_clock()))
    await _until(lambda: _offline(world, 2), "the node offline")
    life.after_ndeath = await _shown(world)


class _Node:
    """A scripted edge node on a connection."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.edge = FakeEdge(pump_profile(), devices=PUMPS)

    async def publish(self, *messages: Message) -> None:
        for message in messages:
            await self.client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)


@asynccontextmanager
async def _node(broker: Broker) -> AsyncIterator[_Node]:
    async with aiomqtt.Client(broker.host, broker.port, username="edge-1", password="secret") as client:
        yield _Node(client)


@asynccontextmanager
async def _listening(broker: Broker, life: Life) -> AsyncIterator[None]:
    async with aiomqtt.Client(broker.host, broker.port, username="watcher", password="secret") as client:
        await client.subscribe("spBv1.0/STATE/#", qos=1)

        async def listen() -> None:
            async for message in client.messages:
                life.states.append((message.payload, message.retain))

        task = asyncio.create_task(listen(), name="watcher")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await task


async def _retained(broker: Broker) -> list[bytes]:
    found: list[bytes] = []
    async with aiomqtt.Client(broker.host, broker.port, username="watcher", password="secret") as client:
        await client.subscribe("spBv1.0/#", qos=1)
        await client.publish("spBv1.0/end", b"end", qos=1)
        async with asyncio.timeout(10):
            async for message in client.messages:
                if message.payload == b"end":
                    break
                assert message.retain
                found.append(message.payload)
    return found


def _config(tap: Tap, folder: Path) -> CloudConfig:
    (folder / "password").write_text("secret")
    data = {
        "schema": 1,
        "broker": {"host": tap.host, "port": tap.port, "password_file": "password"},
        "ingest": {"reorder_timeout": f"{REORDER_TIMEOUT_MS}ms", "host_id": HOST_ID},
    }
    return parse_config(data, file=folder / "cloud.toml")


@asynccontextmanager
async def _running(world: World, config: CloudConfig, folder: Path) -> AsyncIterator[None]:
    telemetry = EmbeddedTelemetry(folder / "telemetry.db", patience=timedelta(milliseconds=50))
    process = IngestProcess(
        config,
        engine=world.engine,
        telemetry=telemetry,
        clock=system_clock,
        registry=CollectorRegistry(),
        health=Health(process="ingest", version="test"),
    )
    task = asyncio.create_task(process.run(), name="ingest")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await telemetry.close()


async def _shown(world: World) -> Shown:
    actor = await world.actor("olga")
    (node,) = await world.rows(assets.node)
    devices = {row["name"]: row for row in await world.rows(assets.device)}
    qualities: dict[str, set[str]] = {}
    async with reading(world.engine) as conn:
        for name, row in devices.items():
            _, values = await asset_service.describe_device(conn, actor, row["id"])
            qualities[name] = {asset_service.quality_name(value.quality) for value in values}
    return Shown(
        at_ms=system_clock(),
        node_online=node["online"],
        online={name: row["online"] for name, row in devices.items()},
        changed_ms={name: row["changed_ms"] for name, row in devices.items()},
        qualities=qualities,
    )


async def _has_values(world: World) -> bool:
    rows: list[dict[str, Any]] = await world.rows(assets.last_value)
    return len({row["device_id"] for row in rows}) == len(PUMPS)


async def _offline(world: World, count: int) -> bool:
    return sum(not row["online"] for row in await world.rows(assets.device)) == count


async def _until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    for _ in range(400):
        if await holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never happened: {what}")

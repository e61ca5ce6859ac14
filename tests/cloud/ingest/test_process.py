"""The ingest process against a real Mosquitto, with a scripted agent on a real connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from prometheus_client import CollectorRegistry

from cloud.assets import service as asset_service
from cloud.config import CloudConfig, parse_config
from cloud.ingest.process import IngestProcess
from cloud.platform.clock import system_clock
from cloud.platform.database import transaction
from cloud.platform.schema import alarms, assets, ingest, work_orders
from cloud.telemetry.embedded import EmbeddedTelemetry
from runtime.health import Health
from tests.support.broker import Broker, running_broker
from tests.support.cloud_world import World
from tests.support.fake_edge import FakeEdge
from tests.support.pump_profile import pump_profile
from wire.contract import COMMAND_ID, COMMAND_TOKEN, JOURNAL_ACK, PROFILE_REQUEST, command_metric
from wire.edge_node import Command, EdgeNode
from wire.payload import Message

USERS = {"cloud": "secret", "edge-1": "secret"}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as broker:
        yield broker


def config_for(broker: Broker, folder: Path, password: str = USERS["cloud"]) -> CloudConfig:
    (folder / "password").write_text(password)
    data = {
        "schema": 1,
        "broker": {"host": broker.host, "port": broker.port, "password_file": "password"},
        "ingest": {"reorder_timeout": "500ms"},
    }
    return parse_config(data, file=folder / "cloud.toml")


@asynccontextmanager
async def running_ingest(world: World, telemetry: EmbeddedTelemetry, config: CloudConfig) -> AsyncIterator[Health]:
    health = Health(process="ingest", version="test")
    process = IngestProcess(
        config,
        engine=world.engine,
        telemetry=telemetry,
        clock=system_clock,
        registry=CollectorRegistry(),
        health=health,
    )
    task = asyncio.create_task(process.run(), name="ingest")
    try:
        yield health
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    for _ in range(300):
        if await holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"never happened: {what}")


class Agent:
    """A scripted agent on a connection. It answers profile requests and rebirths by itself."""

    def __init__(self, client: aiomqtt.Client, edge: FakeEdge) -> None:
        self.client = client
        self.edge = edge
        self.acks: list[str] = []
        self.commands: list[Command] = []
        self.rebirths = 0

    async def publish(self, *messages: Message) -> None:
        for message in messages:
            await self.client.publish(message.topic, message.payload, qos=message.qos)

    async def listen(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            if not self.edge.session.is_born:
                await self.publish(*self.edge.births(system_clock()))
                self.rebirths += 1
                continue
            command = self.edge.session.parse_command(message.topic.value, message.payload)
            if command.asks_rebirth:
                self.rebirths += 1
                await self.publish(*self.edge.births(system_clock()))
            for metric in command.metrics:
                if metric.name == JOURNAL_ACK:
                    self.acks.append(str(metric.value))
                if metric.name == PROFILE_REQUEST:
                    await self.publish(self.edge.document(system_clock()))
            if command.device is not None:
                self.commands.append(command)


@asynccontextmanager
async def connected_agent(broker: Broker, edge: FakeEdge) -> AsyncIterator[Agent]:
    will = edge.session.will()
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        username="edge-1",
        password="secret",
        will=aiomqtt.Will(topic=will.topic, payload=will.payload, qos=1),
    ) as client:
        await client.subscribe("spBv1.0/garden/NCMD/edge-1", qos=1)
        await client.subscribe("spBv1.0/garden/DCMD/edge-1/#", qos=1)
        agent = Agent(client, edge)
        listening = asyncio.create_task(agent.listen(), name="agent")
        try:
            yield agent
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await listening


async def connected(health: Health) -> bool:
    return bool(health.report()["checks"]["broker"]["status"] == "ok")


async def test_from_a_publish_to_an_order_and_an_acknowledgement(
    world: World, telemetry: EmbeddedTelemetry, broker: Broker, tmp_path: Path
) -> None:
    edge = FakeEdge(pump_profile())
    async with (
        running_ingest(world, telemetry, config_for(broker, tmp_path)) as health,
        connected_agent(broker, edge) as agent,
    ):
        await until(lambda: connected(health), "the connection")
        now_ms = system_clock()
        world.clock.now_ms = now_ms
        await agent.publish(*edge.births(now_ms))
        await until(lambda: _exists(world, assets.device), "the device")
        edge.journal(now_ms, running=True, current=0.5)
        edge.journal(now_ms + 20_000, current=0.4)
        await agent.publish(edge.send(1), edge.send(2))
        await until(lambda: _equals(lambda: agent.acks[-1:], ["j1:2"]), "the acknowledgement")
        assert len(await world.rows(alarms.alarm)) == 1
        assert len(await world.rows(work_orders.work_order)) == 1


async def test_a_command_goes_down_once_and_its_outcome_comes_back(
    world: World, telemetry: EmbeddedTelemetry, broker: Broker, tmp_path: Path
) -> None:
    edge = FakeEdge(pump_profile())
    async with (
        running_ingest(world, telemetry, config_for(broker, tmp_path)) as health,
        connected_agent(broker, edge) as agent,
    ):
        await until(lambda: connected(health), "the connection")
        await agent.publish(*edge.births(system_clock()))
        await until(lambda: _exists(world, assets.device), "the device")
        await agent.publish(edge.token("fresh", system_clock()))
        await until(lambda: _token(world, "fresh"), "the token")
        actor = await world.actor("olga")
        async with transaction(world.engine) as conn:
            await asset_service.request_command(
                conn, actor, device_id=1, name="start", value=None, command_id="c-1", now_ms=system_clock()
            )
        await until(lambda: _equals(lambda: len(agent.commands), 1), "the command")
        sent = {metric.name: metric.value for metric in agent.commands[0].metrics}
        assert (sent[COMMAND_ID], sent[COMMAND_TOKEN], sent[command_metric("start")]) == ("c-1", "fresh", True)
        assert (await world.rows(assets.command))[0]["state"] == "sent"
        edge.outcome(system_clock(), "c-1", "done")
        await agent.publish(edge.send(1))
        await until(lambda: _state(world, "done"), "the outcome")
        assert len(agent.commands) == 1


async def test_after_a_start_of_ours_nodes_are_asked_for_births_and_the_dead_are_found(
    world: World, telemetry: EmbeddedTelemetry, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.ingest.process.ANSWER_S", 1.0)
    async with transaction(world.engine) as conn:
        for name in ("edge-1", "gone"):
            await asset_service.node_born(
                conn, group="garden", node=name, version="1", config_revision="", foreign=False, now_ms=1
            )
    edge = FakeEdge(pump_profile())
    async with connected_agent(broker, edge) as agent:
        edge.births(system_clock())  # told long ago, before our start
        async with running_ingest(world, telemetry, config_for(broker, tmp_path)):
            await until(lambda: _exists(world, assets.device), "the device, by a rebirth")
            assert agent.rebirths == 1
            await until(lambda: _online(world, {"edge-1": True, "gone": False}), "the dead node is offline")


async def test_a_broker_that_refuses_is_clear_in_health(
    world: World, telemetry: EmbeddedTelemetry, broker: Broker, tmp_path: Path
) -> None:
    async with running_ingest(world, telemetry, config_for(broker, tmp_path, password="wrong")) as health:
        await until(lambda: _equals(lambda: "authori" in _broker(health).lower(), expected=True), "the refusal")
        assert health.report()["status"] == "down"
        assert "cloud@127.0.0.1" in _broker(health)
        assert "wrong" not in _broker(health)


async def test_after_a_broker_restart_births_are_asked_for_and_nothing_is_lost(
    world: World, telemetry: EmbeddedTelemetry, broker: Broker, tmp_path: Path
) -> None:
    edge = FakeEdge(pump_profile())
    async with running_ingest(world, telemetry, config_for(broker, tmp_path)) as health:
        await until(lambda: connected(health), "the connection")
        with suppress(aiomqtt.MqttError):
            async with connected_agent(broker, edge) as agent:
                await agent.publish(*edge.births(system_clock()))
                await until(lambda: _exists(world, assets.device), "the device")
                edge.journal(system_clock(), pressure=1.0)
                await agent.publish(edge.send(1))
                await until(lambda: _mark(world, 1), "the first record")
                await broker.stop()
                await until(lambda: _equals(lambda: _broker(health) != "", expected=True), "the loss is seen")
        await broker.start()
        edge.session = EdgeNode("garden", "edge-1", 1)
        await until(lambda: connected(health), "the connection again")
        async with connected_agent(broker, edge) as agent:
            edge.journal(system_clock(), pressure=2.0)
            await agent.publish(*edge.births(system_clock()), *edge.replay(after=1))
            await until(lambda: _mark(world, 2), "the second record")


def _broker(health: Health) -> str:
    return str(health.report()["checks"]["broker"]["detail"])


async def _exists(world: World, table: Any) -> bool:
    return bool(await world.rows(table))


async def _mark(world: World, offset: int) -> bool:
    return any(row["watermark"] == offset for row in await world.rows(ingest.journal))


async def _online(world: World, expected: dict[str, bool]) -> bool:
    return {row["name"]: row["online"] for row in await world.rows(assets.node)} == expected


async def _token(world: World, token: str) -> bool:
    return bool((await world.rows(assets.node))[0]["command_token"] == token)


async def _state(world: World, state: str) -> bool:
    return bool((await world.rows(assets.command))[0]["state"] == state)


async def _equals(read: Callable[[], object], expected: object) -> bool:
    return read() == expected


@pytest.mark.parametrize("turns", range(8))
async def test_it_ends_when_it_is_stopped_in_the_moment_in_which_the_broker_goes_away(
    broker: Broker, world: World, telemetry: EmbeddedTelemetry, tmp_path: Path, turns: int
) -> None:
    health = Health(process="ingest", version="test")
    process = IngestProcess(
        config_for(broker, tmp_path),
        engine=world.engine,
        telemetry=telemetry,
        clock=system_clock,
        registry=CollectorRegistry(),
        health=health,
    )
    task = asyncio.create_task(process.run(), name="ingest")

    async def connected() -> bool:
        return bool(health.report()["checks"]["broker"]["status"] == "ok")

    await until(connected, "connected")
    broker.crash()
    time.sleep(0.2)  # noqa: ASYNC251 - the loop must learn of the end now, and of the stop within a few turns
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=10)
    if not done:
        task.cancel()
    assert done

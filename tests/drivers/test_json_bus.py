"""Devices over a real Mosquitto: events, commands, what is said while nobody listens, a broker that returns."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.api import BadRequest, Talking, TimedOut, Unreachable
from tests.support.broker import Broker, running_broker
from tests.support.json_profiles import button, plug, shared
from tests.support.mqtt_peer import USERS, bus_settings, listening, make_agent, peer, until

UP = "application/app-1/device/24e124535b316056/event/up"
EUI = "24E124535B316056"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as running:
        yield running


def up(data: str, number: int) -> str:
    packed = base64.b64encode(bytes.fromhex(data)).decode()
    return json.dumps({"deduplicationId": f"id-{number}", "data": packed})


async def test_events_come_one_by_one_and_states_are_read(broker: Broker, tmp_path: Path) -> None:
    agent = make_agent(bus_settings(broker, tmp_path))
    device = agent.device("button-1", EUI, button())
    assert isinstance(agent.bus, Talking)
    async with listening(agent), peer(broker) as client:
        for number in range(3):
            await client.publish(UP, up("017510ff2e01", number), qos=1)
        await until("three presses", lambda: len(agent.events("press")) == 3)
        assert agent.events("press") == ["short"] * 3
        assert all(len(results) == 1 for _, results in agent.heard if results[0].point == "press")
        read = await device.read(["battery", "calling", "margin"])
        assert {name: one.value for name, one in read.items()} == {"battery": 16, "calling": True, "margin": None}
        assert agent.observed.count(("button-1", "ok")) == 3


async def test_what_is_said_while_the_agent_is_away_is_delivered_once(broker: Broker, tmp_path: Path) -> None:
    first = make_agent(bus_settings(broker, tmp_path))
    first.device("button-1", EUI, button())
    async with listening(first):
        pass
    async with peer(broker) as client:
        for number in range(5):
            await client.publish(UP, up("ff2e02", number), qos=1)
        await client.publish(UP, up("ff2e02", 4), qos=1)
    second = make_agent(bus_settings(broker, tmp_path))
    second.device("button-1", EUI, button())
    async with listening(second):
        await until("the six messages", lambda: second.bus.counts.messages == 6)
        await until("five presses", lambda: len(second.events("press")) == 5)
        assert second.bus.counts.duplicates == 1


async def test_a_kept_message_fires_no_event(broker: Broker, tmp_path: Path) -> None:
    async with peer(broker) as client:
        await client.publish(UP, up("017510ff2e01", 1), qos=1, retain=True)
    agent = make_agent(bus_settings(broker, tmp_path))
    device = agent.device("button-1", EUI, button())
    async with listening(agent):
        await until("the kept message", lambda: agent.bus.counts.messages == 1 and bool(agent.heard))
        read = await device.read(["battery", "calling"])
        assert (read["battery"].value, read["calling"].value) == (16, False)
        assert agent.events("press") == []


async def test_malformed_messages_are_counted_and_harm_nobody(broker: Broker, tmp_path: Path) -> None:
    agent = make_agent(bus_settings(broker, tmp_path))
    agent.device("button-1", EUI, button())
    agent.device("sensor-1", "s1", shared())
    async with listening(agent), peer(broker) as client:
        for raw in (b"", b"{", b"\xff\x00", b"[]", b'{"data": 5}', b"null", b"[" * 50_000):
            await client.publish(UP, raw, qos=1)
            await client.publish("gateway/readings", raw, qos=1)
        await client.publish(UP, up("ff2e01", 1), qos=1)
        await until("the press after all that", lambda: agent.events("press") == ["short"])
        assert agent.bus.counts.malformed == 4
        assert agent.bus.connected


async def test_a_command_publishes_and_is_proved_by_what_the_device_says_next(broker: Broker, tmp_path: Path) -> None:
    agent = make_agent(bus_settings(broker, tmp_path))
    device = agent.device("plug-1", "lamp", plug())
    async with listening(agent), peer(broker) as client:
        await client.subscribe("zigbee2mqtt/lamp/set")
        await client.publish("zigbee2mqtt/lamp", '{"state": "ON"}', qos=1)
        await until("the first state", lambda: bool(agent.heard))
        await device.write("on", value=True)
        order = await anext(aiter(client.messages))
        assert order.payload == b'{"state":"ON"}'
        assert not order.retain
        assert (await device.read(["on"], urgent=True))["on"].value is None
        await client.publish("zigbee2mqtt/lamp", '{"state": "ON"}', qos=1)
        await until("the read-back", lambda: len(agent.heard) == 2)
        assert (await device.read(["on"], urgent=True))["on"].value is True
        with pytest.raises(BadRequest, match="cannot be written"):
            await device.write("power", value=1.0)
        with pytest.raises(BadRequest, match="no point"):
            await device.write("level", value=1)


async def test_the_last_will_makes_a_device_unreachable(broker: Broker, tmp_path: Path) -> None:
    agent = make_agent(bus_settings(broker, tmp_path))
    device = agent.device("plug-1", "lamp", plug())
    async with listening(agent), peer(broker) as client:
        await client.publish("zigbee2mqtt/lamp/availability", '{"state":"offline"}', qos=1, retain=True)
        await until("the will", lambda: bool(agent.observed))
        with pytest.raises(Unreachable, match="off line"):
            await device.read(["on"])


async def test_a_broker_that_goes_and_returns_loses_nothing_that_it_kept(broker: Broker, tmp_path: Path) -> None:
    agent = make_agent(bus_settings(broker, tmp_path))
    device = agent.device("button-1", EUI, button())
    async with listening(agent):
        async with peer(broker) as client:
            await client.publish(UP, up("ff2e01", 1), qos=1)
            await until("a press", lambda: agent.events("press") == ["short"])
        broker.crash()
        await until("the loss", lambda: not agent.bus.connected)
        with pytest.raises(Unreachable):
            await agent.bus.connect()
        with pytest.raises(Unreachable):
            await agent.bus.publish("x", "y", device="button-1")
        await broker.stop()
        await broker.start()
        await agent.bus.connect()
        async with peer(broker) as client:
            await client.publish(UP, up("ff2e02", 2), qos=1)
            await until("a press again", lambda: agent.events("press") == ["short", "long"])
        assert (await device.read(["calling"]))["calling"].value is True


async def test_a_wrong_password_says_what_to_check(broker: Broker, tmp_path: Path) -> None:
    agent = make_agent(bus_settings(broker, tmp_path))
    password = tmp_path / "agent.password"
    password.write_text("wrong")
    with pytest.raises(Unreachable, match="check `username`, `password_file`"):
        await agent.bus.connect()
    password.unlink()
    with pytest.raises(Unreachable, match="cannot be read"):
        await agent.bus.connect()


async def test_a_refused_subscription_is_named(tmp_path: Path) -> None:
    """Mosquitto 2.0 refuses none, other brokers do: a peer that speaks just so much MQTT."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                kind, length = await reader.readexactly(2)
                body = await reader.readexactly(length)
                if kind >> 4 == 1:
                    writer.write(b"\x20\x02\x00\x00")
                elif kind >> 4 == 8:
                    writer.write(b"\x90\x03" + body[:2] + b"\x80")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        stand_in = Broker(folder=tmp_path, users=USERS, port=server.sockets[0].getsockname()[1])
        agent = make_agent(bus_settings(stand_in, tmp_path))
        agent.device("sensor-1", "s1", shared())
        with pytest.raises(Unreachable, match="does not let this user subscribe to gateway/readings"):
            await agent.bus.connect()
        assert not agent.bus.connected


async def test_a_peer_that_takes_connections_and_says_nothing_is_left_again(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(100):
                pass
        left.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        stand_in = Broker(folder=tmp_path, users=USERS, port=server.sockets[0].getsockname()[1])
        settings = bus_settings(stand_in, tmp_path).model_copy(update={"timeout": timedelta(seconds=0.5)})
        agent = make_agent(settings)
        with pytest.raises(Unreachable):
            await agent.bus.connect()
        async with asyncio.timeout(15):
            await left.wait()


async def test_silence_is_counted_only_while_somebody_listens(broker: Broker, tmp_path: Path) -> None:
    defaults = button().json_defaults.model_copy(update={"expect_every": timedelta(seconds=1)})
    brief = button().model_copy(update={"json_defaults": defaults})
    agent = make_agent(bus_settings(broker, tmp_path))
    device = agent.device("button-1", EUI, brief)
    async with listening(agent), peer(broker) as client:
        await client.publish(UP, up("017510", 1), qos=1)
        await until("the battery", lambda: bool(agent.heard))
        assert (await device.read(["battery"]))["battery"].value == 16
        await agent.bus.close()
        await asyncio.sleep(1.2)
        assert (await device.read(["battery"]))["battery"].value == 16
        await agent.bus.connect()
        await asyncio.sleep(1.2)
        with pytest.raises(TimedOut):
            await device.read(["battery"])


async def test_many_devices_many_messages_none_lost(broker: Broker, tmp_path: Path) -> None:
    agent = make_agent(bus_settings(broker, tmp_path))
    for number in range(250):
        agent.device(f"button-{number}", f"{number:016x}", button())
    async with listening(agent), peer(broker) as client:
        for turn in range(4):
            for number in range(250):
                topic = f"application/app-1/device/{number:016x}/event/up"
                await client.publish(topic, up("ff2e01", turn), qos=1)
        await until("a thousand presses", lambda: len(agent.events("press")) == 1000, within=60)
        assert agent.bus.counts.dropped == 0

"""What is published at QoS 1 is acknowledged to the broker once it is durable, and not before."""

import asyncio
import base64
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest

from drivers.api import Acknowledging
from tests.support.broker import Broker, running_broker
from tests.support.edge_site import USERS as CLOUD_USERS
from tests.support.edge_site import Host, listening_host, put_site
from tests.support.json_profiles import button
from tests.support.mqtt_peer import USERS, Agent, bus_settings, field_bus, listening, make_agent, peer, until
from tests.support.tcp_proxy import proxied

UP = "application/app-1/device/24e124535b316056/event/up"
EUI = "24E124535B316056"
_EDGE = "from edge.cli import app; app()"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as running:
        yield running


class Disk:
    """Takes what is to be acknowledged, and lets it go when the test says that it is durable."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def take(self, then: Callable[[], None]) -> None:
        self.waiting.append(then)

    def write(self) -> None:
        waiting, self.waiting = self.waiting, []
        for then in waiting:
            then()


def button_on(broker: Broker, folder: Path, disk: Disk) -> Agent:
    agent = make_agent(bus_settings(broker, folder))
    agent.device("button-1", EUI, button())
    assert isinstance(agent.bus, Acknowledging)
    agent.bus.settle_by(disk.take)
    return agent


def pressed(code: int) -> str:
    """A press without an id: nothing in it tells whether it is the same press again."""
    return json.dumps({"data": base64.b64encode(bytes((0xFF, 0x2E, code))).decode()})


async def test_what_was_not_durable_when_the_agent_died_comes_again(broker: Broker, tmp_path: Path) -> None:
    async with proxied(broker.port) as proxy:
        disk = Disk()
        first = button_on(replace(broker, port=proxy.port), tmp_path, disk)
        async with listening(first), peer(broker) as client:
            await client.publish(UP, pressed(1), qos=1)
            await until("one press", lambda: len(disk.waiting) == 1)
            disk.write()
            await client.publish(UP, pressed(2), qos=1)
            await until("another", lambda: len(disk.waiting) == 1)
            await asyncio.sleep(0.3)  # the acknowledgement of the first is on its way
            proxy.close()  # as when it is killed: nobody says goodbye
            await until("the loss", lambda: not first.bus.connected)
    second_disk = Disk()
    second = button_on(broker, tmp_path, second_disk)
    async with listening(second):
        await until("the press that was lost", lambda: second.events("press") == ["long"])
        second_disk.write()
        await asyncio.sleep(0.3)
    third = button_on(broker, tmp_path, Disk())
    async with listening(third):
        await asyncio.sleep(0.5)
        assert third.events("press") == []


async def test_a_lost_connection_makes_no_press_of_one_agent_count_twice(broker: Broker, tmp_path: Path) -> None:
    async with proxied(broker.port) as proxy:
        disk = Disk()
        agent = button_on(replace(broker, port=proxy.port), tmp_path, disk)
        async with listening(agent), peer(broker) as client:
            for _ in range(3):
                await client.publish(UP, pressed(1), qos=1)
            await until("three presses", lambda: len(disk.waiting) == 3)
            proxy.close()
            await until("the loss", lambda: not agent.bus.connected)
            disk.waiting.pop(0)()  # durable while there is no connection
            await agent.bus.connect()
            await until("the broker says them again", lambda: agent.bus.counts.redelivered == 3)
            disk.write()
            await client.publish(UP, pressed(2), qos=1)
            await until("a new press", lambda: len(agent.events("press")) == 4)
            assert agent.events("press") == ["short", "short", "short", "long"]
            disk.write()
            await asyncio.sleep(0.3)
        again = button_on(broker, tmp_path, Disk())
        async with listening(again):
            await asyncio.sleep(0.5)
            assert again.bus.counts.messages == 0


async def test_a_full_disk_stops_the_broker_and_no_press_is_lost(broker: Broker, tmp_path: Path) -> None:
    disk = Disk()
    agent = button_on(broker, tmp_path, disk)
    async with listening(agent), peer(broker) as client:
        for _ in range(200):
            await client.publish(UP, pressed(1), qos=1)
        await asyncio.sleep(0.5)
        assert 0 < len(disk.waiting) < 200, "the broker waits for acknowledgements"
        while len(agent.events("press")) < 200:
            disk.write()
            await asyncio.sleep(0.02)
        disk.write()


# --- a whole agent ---------------------------------------------------------------------------------------------------

COUNTER = """
schema = 1
name = "test-counter"
version = "1.0.0"
kind = "call-button"
label = { zh = "按钮", en = "Button" }
protocol = "json"
[json]
expect_every = "1h"
[json.topics.up]
topic = "buttons/{address}"
[points.press]
label = { zh = "按键", en = "Press" }
sample = 1
json = { topic = "up", path = "n", type = "int", event = true }
"""


def write_site(folder: Path, cloud: Broker, field: Broker) -> Path:
    (folder / "profiles").mkdir()
    (folder / "profiles" / "test-counter.toml").write_text(COUNTER)
    tables = """
[agents.edge-1.devices.button-1]
profile = "test-counter"
bus = "air"
address = "b1"
label = { zh = "按钮", en = "Button" }
place = "3号楼/301"
"""
    bus = field_bus(folder, field, username="agent", password=USERS["agent"])
    return put_site(folder, cloud, bus + tables, profiles="profiles")


def numbers(host: Host) -> list[object]:
    return [metric.value for one in host.taken for name, metric in one.metrics.items() if name == "press"]


@pytest.mark.system
async def test_an_agent_that_is_killed_again_and_again_loses_no_press(broker: Broker, tmp_path: Path) -> None:
    presses = 600
    async with running_broker(tmp_path / "cloud-broker", users=CLOUD_USERS) as cloud:
        file = write_site(tmp_path, cloud, broker)

        async def start() -> asyncio.subprocess.Process:
            log = (tmp_path / "agent.log").open("ab")
            with log:
                return await asyncio.create_subprocess_exec(
                    sys.executable, "-c", _EDGE, "run", file, "--agent", "edge-1", stderr=log, stdout=log
                )

        async def press(client: aiomqtt.Client) -> None:
            for number in range(1, presses + 1):
                await client.publish("buttons/b1", json.dumps({"n": number}), qos=1)
                await asyncio.sleep(0.01)

        async with listening_host(cloud) as host, peer(broker) as client:
            agent = await start()
            await until("its birth", lambda: any(one.device == "button-1" for one in host.heard), within=60)
            pressing = asyncio.create_task(press(client), name="presses")
            try:
                for _ in range(3):
                    before = len(numbers(host))
                    await until("some presses", lambda before=before: len(numbers(host)) > before + 20, within=60)
                    agent.send_signal(signal.SIGKILL)
                    await agent.wait()
                    agent = await start()
                await pressing
                await until("the last press", lambda: presses in numbers(host), within=60)
            finally:
                pressing.cancel()
                agent.kill()
                await agent.wait()
            assert set(numbers(host)) == set(range(1, presses + 1))

"""A whole agent with devices that publish: what is pressed reaches the host once each, and commands are proved."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from edge.config import load_site
from runtime.config import ConfigError
from tests.support.broker import Broker, running_broker
from tests.support.edge_site import USERS, Host, listening_host, put_site, running_agent
from tests.support.mqtt_peer import field_bus, until
from wire.payload import Metric

FIELD_USERS = {"linli": "linli-secret", "field": "field-secret"}
EUI = "24e124535b316056"
PLUG = """
schema = 1
name = "test-plug"
version = "1.0.0"
kind = "plug"
label = { zh = "插座", en = "Plug" }
protocol = "json"
[json]
expect_every = "1h"
[json.topics.state]
topic = "plugs/{address}"
[points.on]
label = { zh = "通断", en = "On" }
poll = "200ms"
sample = false
[points.on.json]
topic = "state"
path = "state"
type = "bool"
values = { ON = true, OFF = false }
write = { topic = "plugs/{address}/set", payload = '{"state":{value}}' }
[commands.switch_on]
label = { zh = "接通", en = "Switch on" }
point = "on"
value = true
read_back = { point = "on", equals = true, within = "3s" }
"""


@pytest.fixture
async def brokers(tmp_path: Path) -> AsyncIterator[tuple[Broker, Broker]]:
    """The cloud's broker, and that of the field."""
    async with (
        running_broker(tmp_path / "cloud-broker", users=USERS) as cloud,
        running_broker(tmp_path / "field-broker", users=FIELD_USERS) as field,
    ):
        yield cloud, field


def write_site(folder: Path, cloud: Broker, field: Broker) -> Path:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "test-plug.toml").write_text(PLUG)
    tables = f"""
[agents.edge-1.devices.sos-301]
profile = "milesight-ws101-sos"
bus = "air"
address = "{EUI.upper()}"
label = {{ zh = "301 室", en = "Flat 301" }}
place = "3号楼/301"
[agents.edge-1.devices.plug-1]
profile = "test-plug"
bus = "air"
address = "lamp"
label = {{ zh = "灯", en = "Lamp" }}
place = "3号楼/大厅"
"""
    bus = field_bus(folder, field, username="linli", password=FIELD_USERS["linli"])
    return put_site(folder, cloud, bus + tables, profiles="profiles")


def peer(field: Broker) -> aiomqtt.Client:
    return aiomqtt.Client(field.host, field.port, username="field", password=FIELD_USERS["field"])


async def press(client: aiomqtt.Client, number: int, code: int = 1) -> None:
    data = base64.b64encode(bytes.fromhex(f"017564ff2e{code:02x}")).decode()
    said = json.dumps({"deduplicationId": f"n-{number}", "data": data})
    await client.publish(f"application/a/device/{EUI}/event/up", said, qos=1)


def presses(host: Host) -> list[object]:
    """Give the presses that the host has taken, in order; a birth repeats the last one, and is none."""
    found: list[Metric] = [
        metric for one in host.taken for name, metric in one.metrics.items() if name.endswith("press")
    ]
    return [metric.value for metric in found]


async def test_every_press_reaches_the_host_also_those_while_the_agent_was_away(
    tmp_path: Path, brokers: tuple[Broker, Broker]
) -> None:
    cloud, field = brokers
    file = write_site(tmp_path, cloud, field)
    async with listening_host(cloud) as host:
        async with running_agent(file), peer(field) as client:
            await until("its birth", lambda: any(one.device == "sos-301" for one in host.heard), within=30)
            await press(client, 1)
            await press(client, 2, code=2)
            await press(client, 2, code=2)
            await until("two presses", lambda: len(presses(host)) >= 2, within=30)
        async with peer(field) as client:
            await press(client, 3, code=3)
            await press(client, 4)
        async with running_agent(file):
            await until("all four presses", lambda: len(presses(host)) >= 4, within=30)
            await asyncio.sleep(1)
            assert presses(host) == [1, 2, 3, 1]


async def test_a_command_is_done_when_the_device_says_so_and_times_out_when_it_does_not(
    tmp_path: Path, brokers: tuple[Broker, Broker]
) -> None:
    cloud, field = brokers
    file = write_site(tmp_path, cloud, field)
    async with listening_host(cloud) as host, running_agent(file), peer(field) as client:
        await client.subscribe("plugs/lamp/set")
        await client.publish("plugs/lamp", '{"state":"OFF"}', qos=1, retain=True)
        await until("its birth", lambda: any(one.device == "plug-1" for one in host.heard), within=30)
        command = await host.command("plug-1", "switch_on", value=True)
        order = await anext(aiter(client.messages))
        assert order.payload == b'{"state":"ON"}'
        await client.publish("plugs/lamp", '{"state":"ON"}', qos=1)
        done = await host.outcome(command)
        assert "done" in {metric.value for metric in done.metrics.values()}
        again = await host.command("plug-1", "switch_on", value=True)
        failed = await host.outcome(again)
        assert "done" not in {metric.value for metric in failed.metrics.values()}


def test_a_site_with_a_wrong_address_or_password_is_told_so(tmp_path: Path) -> None:
    nowhere = Broker(folder=tmp_path, users={}, port=1)
    file = write_site(tmp_path, nowhere, nowhere)
    text = file.read_text()
    file.write_text(text.replace('address = "lamp"', 'address = "lamp/#"'))
    with pytest.raises(ConfigError, match=r"plug-1\.address.*has a character that no topic has"):
        load_site(file)
    file.write_text(text.replace('address = "lamp"', ""))
    with pytest.raises(ConfigError, match="needs its `address`"):
        load_site(file)
    file.write_text(text.replace('client_id = "linli-edge-1"', ""))
    with pytest.raises(ConfigError, match="client_id: missing"):
        load_site(file)

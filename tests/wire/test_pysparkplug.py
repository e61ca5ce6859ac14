"""Another implementation of Sparkplug, pysparkplug with its own schema, on the other side of a real Mosquitto."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from tests.support.broker import Broker, running_broker
from tests.support.edge_site import GROUP, NODE, running_agent, write_site
from tests.support.modbus_server import modbus_units
from tests.support.peers.environment import peer_python
from tests.support.peers.process import Peer, Said, running_peer
from wire import contract
from wire.edge_node import REBIRTH, EdgeNode
from wire.events import DeviceBorn, DeviceData, DeviceDied, HostEvent, NodeBorn, NodeDied
from wire.host import Host, NodeKey, rebirth_request
from wire.payload import DataType, Message, Metric, MetricValue
from wire.topic import host_filters

LOCK, SCRIPT = "sparkplug-peer.txt", "pysparkplug_peer.py"
USERS = {"edge-1": "secret-of-edge-1", "cloud": "secret-of-cloud", "peer": "secret-of-peer"}
AT = 1_700_000_000_000
BINARY = frozenset({DataType.BYTES, DataType.FILE})

VALUES: dict[DataType, MetricValue] = {
    DataType.INT8: -128,
    DataType.INT16: -2,
    DataType.INT32: -(2**31),
    DataType.INT64: -(2**63),
    DataType.UINT8: 255,
    DataType.UINT16: 65_535,
    DataType.UINT32: 2**32 - 1,
    DataType.UINT64: 2**64 - 1,
    DataType.FLOAT: 1.5,
    DataType.DOUBLE: -2.25,
    DataType.BOOLEAN: True,
    DataType.STRING: "邻里",
    DataType.DATETIME: AT,
    DataType.TEXT: "two\nlines",
    DataType.UUID: "9b2d7e0a-6d1c-4b5f-8a3e-0c1d2e3f4a5b",
    DataType.BYTES: b"\x00\xff",
    DataType.FILE: b"1,2\n",
    DataType.INT8_ARRAY: (-23, 123),
    DataType.INT16_ARRAY: (-30_000, 30_000),
    DataType.INT32_ARRAY: (-1, 315_338_746),
    DataType.INT64_ARRAY: (-(2**63), 2**63 - 1),
    DataType.UINT8_ARRAY: (23, 250),
    DataType.UINT16_ARRAY: (30, 52_360),
    DataType.UINT32_ARRAY: (52, 3_293_969_225),
    DataType.UINT64_ARRAY: (52, 2**64 - 1),
    DataType.FLOAT_ARRAY: (1.5, -0.25),
    DataType.DOUBLE_ARRAY: (12.354213, 1022.9123213),
    DataType.BOOLEAN_ARRAY: (False, False, True, True, False, True, False, False, True, True, False, True),
    DataType.STRING_ARRAY: ("ABC", "", "邻里"),
    DataType.DATETIME_ARRAY: (1_256_102_875_335, AT),
}


def _json(value: MetricValue | None) -> Any:
    """Give a value as the peer puts it into JSON."""
    if isinstance(value, bytes):
        return value.hex()
    return list(value) if isinstance(value, tuple) else value


@pytest.fixture(scope="module")
def python() -> Path:
    return peer_python(LOCK)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as broker:
        yield broker


@pytest.fixture
async def host(python: Path, broker: Broker) -> AsyncIterator[Peer]:
    peer = running_peer(python, SCRIPT, broker, "host", GROUP, user="peer", password=USERS["peer"])
    async with peer as host:
        await asyncio.sleep(0.3)  # its subscriptions are on their way; the library does not say when they stand
        yield host


@pytest.fixture
async def node(python: Path, broker: Broker) -> AsyncIterator[Peer]:
    peer = running_peer(python, SCRIPT, broker, "node", GROUP, "foreign", user="peer", password=USERS["peer"])
    async with peer as node:
        yield node


# --- the peer reads us -----------------------------------------------------------------------------------------------


async def test_the_peer_reads_every_data_type_that_we_write_in_births_and_by_alias_in_data(
    broker: Broker, host: Peer
) -> None:
    session = EdgeNode(GROUP, NODE, 7)
    full = [Metric(name=kind.name, datatype=kind, value=value) for kind, value in VALUES.items()]
    empty = [Metric(name=kind.name, datatype=kind) for kind in VALUES]
    old = [Metric(name="INT8", value=-1, is_historical=True, timestamp_ms=AT - 5)]
    will = session.will(AT)
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        username="edge-1",
        password=USERS["edge-1"],
        will=aiomqtt.Will(will.topic, will.payload, qos=will.qos, retain=will.retain),
    ) as client:
        messages = [
            session.birth(full, AT),
            session.device_birth("pump-1", empty, AT),
            session.device_data("pump-1", full, AT),
            session.data(old, AT),
            session.device_death("pump-1", AT + 5),
            session.death(AT + 9),
        ]
        for message in messages:
            await client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
        await host.until("all of it", lambda: host.of("NDEATH"))
    expected = {kind.name: _json(value) for kind, value in VALUES.items()}
    (birth,), (data,) = host.of("NBIRTH"), host.of("DDATA")
    for one in (birth, data):
        assert {name: one["metrics"][name]["value"] for name in expected} == expected
        assert {name: one["metrics"][name]["type"] for name in expected} == {kind.name: kind for kind in VALUES}
    assert all(one["is_null"] for one in host.of("DBIRTH")[0]["metrics"].values())
    (late,) = host.of("NDATA")[0]["metrics"].values()
    assert (late["value"], late["historical"], late["timestamp"]) == (-1, True, AT - 5)
    assert [one["seq"] for one in host.said if one["kind"] in {"NBIRTH", "DBIRTH", "DDATA", "NDATA", "DDEATH"}] == [
        0, 1, 2, 3, 4,
    ]  # fmt: skip
    assert host.of("NDEATH")[0]["metrics"]["bdSeq"]["value"] == birth["metrics"]["bdSeq"]["value"] == 7


async def test_the_peer_is_a_host_of_our_agent_births_data_command_rebirth_and_deaths(
    broker: Broker, host: Peer, tmp_path: Path
) -> None:
    async with modbus_units(1) as units:
        units.registers[1][0] = 40
        async with running_agent(write_site(tmp_path, broker, units)):
            await host.until("births", lambda: host.of("NBIRTH") and host.of("DBIRTH"))
            birth = host.of("DBIRTH")[0]
            assert (birth["device"], birth["metrics"]["pressure"]["type"]) == ("pump-1", DataType.DOUBLE)
            await host.until("the pressure", lambda: 4.0 in _seen(host, "pressure"))

            token = host.of("NBIRTH")[-1]["metrics"][contract.COMMAND_TOKEN]["value"]
            command_id = str(uuid.uuid4())
            await host.do(
                "command",
                node=NODE,
                device="pump-1",
                metrics={
                    contract.command_metric("set_pressure"): [DataType.DOUBLE, 6.5],
                    contract.COMMAND_ID: [DataType.STRING, command_id],
                    contract.COMMAND_TOKEN: [DataType.STRING, token],
                    contract.COMMAND_TIMEOUT_MS: [DataType.INT64, 5000],
                },
            )
            await host.until("the outcome", lambda: "done" in _seen(host, contract.COMMAND_OUTCOME))
            assert units.registers[1][1] == 65

            births = len(host.of("DBIRTH"))
            await host.do("command", node=NODE, metrics={REBIRTH: [DataType.BOOLEAN, True]})
            await host.until("births again", lambda: len(host.of("DBIRTH")) > births)
            assert host.of("NBIRTH")[-1]["seq"] == 0
            assert host.of("NBIRTH")[-1]["metrics"]["bdSeq"] == {
                **host.of("NBIRTH")[0]["metrics"]["bdSeq"],
                "timestamp": host.of("NBIRTH")[-1]["timestamp"],
            }
    await host.until("its death", lambda: host.of("NDEATH"))


def _seen(host: Peer, name: str) -> list[object]:
    return [one["metrics"][name]["value"] for one in host.of("DDATA") if name in one["metrics"]]


# --- we read the peer ------------------------------------------------------------------------------------------------


class Ours:
    """Our host on the broker: what it makes of the peer."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.host = Host(reorder_timeout_ms=300)
        self.events: list[HostEvent] = []

    async def listen(self) -> None:
        async for message in self.client.messages:
            self.events += self.host.receive(str(message.topic), message.payload, AT)

    async def send(self, message: Message) -> None:
        await self.client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type, count: int = 1) -> list[Any]:
        async with asyncio.timeout(20):
            while len(self.of(kind)) < count:  # noqa: ASYNC110 - any number of any kind
                await asyncio.sleep(0.02)
        return self.of(kind)


@pytest.fixture
async def ours(broker: Broker) -> AsyncIterator[Ours]:
    async with aiomqtt.Client(broker.host, broker.port, username="cloud", password=USERS["cloud"]) as client:
        await client.subscribe([(name, 1) for name in host_filters(GROUP)])
        ours = Ours(client)
        task = asyncio.create_task(ours.listen(), name="ours")
        yield ours
        task.cancel()
        with suppress(asyncio.CancelledError, aiomqtt.MqttError):
            await task


KEY = NodeKey(group=GROUP, node="foreign")


def _wish(values: dict[DataType, MetricValue | None], *, alias: int | None = None) -> Said:
    return {kind.name: [kind, _json(value), alias] for kind, value in values.items()}


async def test_we_read_every_data_type_that_the_peer_writes(node: Peer, ours: Ours) -> None:
    await node.do("device", device="meter", metrics=_wish(dict.fromkeys(VALUES)))
    await node.do("connect")
    (birth,) = await ours.until(DeviceBorn)
    assert {metric.name: (metric.datatype, metric.is_null) for metric in birth.metrics} == {
        kind.name: (kind, True) for kind in VALUES
    }
    await node.do("data", device="meter", metrics=_wish(dict(VALUES)))
    (data,) = await ours.until(DeviceData)
    assert {metric.name: metric.value for metric in data.metrics} == {kind.name: v for kind, v in VALUES.items()}
    assert len(ours.events) == 3, "nothing was refused"


async def test_we_follow_the_peers_session_aliases_commands_rebirth_and_deaths(node: Peer, ours: Ours) -> None:
    await node.do("device", device="meter", metrics=_wish({DataType.UINT16: 1}, alias=9))
    await node.do("device", device="lamp", metrics=_wish({DataType.BOOLEAN: False}, alias=10))
    await node.do("connect")
    (born,) = await ours.until(NodeBorn)
    await ours.until(DeviceBorn, 2)
    await node.do("by alias", device="meter", alias=9, type=DataType.UINT16, value=500)
    (data,) = await ours.until(DeviceData)
    assert [(metric.name, metric.value) for metric in data.metrics] == [("UINT16", 500)]

    # By name and type: the peer reads no command by the births of its own.
    await ours.send(rebirth_request(KEY, AT))
    await node.until("our request", lambda: node.of("NCMD"))
    assert node.of("NCMD")[0]["metrics"][REBIRTH]["value"] is True
    (_, again) = await ours.until(NodeBorn, 2)
    assert again.bd_seq == born.bd_seq
    await ours.until(DeviceBorn, 4)

    await node.do("lose")
    await node.do("by alias", device="meter", alias=9, type=DataType.UINT16, value=501)
    await asyncio.sleep(0.5)
    assert len(ours.of(DeviceData)) == 1, "a gap holds back what follows"
    needed = ours.host.tick(AT + 300)
    assert [type(event).__name__ for event in needed] == ["Unborn", "RebirthNeeded"]
    await ours.send(rebirth_request(KEY, AT))
    await ours.until(DeviceBorn, 6)

    await node.do("gone", device="lamp")
    (died,) = await ours.until(DeviceDied)
    assert died.device == "lamp"
    await node.do("crash")
    (death,) = await ours.until(NodeDied)
    assert death.bd_seq == born.bd_seq, "the broker published the peer's will"

"""Eclipse Tahu's Python core, with its own schema, on the other side of a real Mosquitto: DataSets and Templates."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiomqtt
import pytest

from tests.support.broker import Broker, running_broker
from tests.support.peers.environment import peer_python
from tests.support.peers.process import Peer, running_peer
from wire.edge_node import EdgeNode
from wire.events import DeviceBorn, DeviceData, HostEvent, NodeBorn
from wire.host import Host
from wire.payload import DataSet, DataType, Metric, Parameter, Property, Quality, Template, quality_property
from wire.topic import host_filters

GROUP = "garden"
USERS = {"edge-1": "secret", "cloud": "secret", "peer": "secret"}
AT = 1_700_000_000_000


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as broker:
        yield broker


@pytest.fixture
async def peer(broker: Broker) -> AsyncIterator[Peer]:
    python = await asyncio.to_thread(peer_python, "sparkplug-tahu.txt")
    async with running_peer(python, "tahu_peer.py", broker, GROUP, "tahu", user="peer", password="secret") as peer:
        yield peer


async def test_tahu_reads_our_datasets_templates_and_properties(broker: Broker, peer: Peer) -> None:
    session = EdgeNode(GROUP, "edge-1", 0)
    definition = Template(
        version="2",
        metrics=(Metric(name="rpm", datatype=DataType.INT16, value=0),),
        parameters=(Parameter(name="pole pairs", datatype=DataType.INT32, value=2),),
    )
    instance = Template(ref="Motor", metrics=(Metric(name="rpm", datatype=DataType.INT16, value=-1),))
    table = DataSet(
        columns=("day", "on"), types=(DataType.DATETIME, DataType.BOOLEAN), rows=((AT, True), (AT + 1, None))
    )
    level = Metric(
        name="level",
        datatype=DataType.FLOAT,
        value=1.5,
        properties={
            "Quality": quality_property(Quality.STALE),
            "engUnit": Property(datatype=DataType.STRING, value="bar"),
        },
    )
    births = [
        session.birth([Metric(name="Motor", datatype=DataType.TEMPLATE, value=definition)], AT),
        session.device_birth(
            "pump",
            [
                Metric(name="table", datatype=DataType.DATASET, value=table),
                Metric(name="motor", datatype=DataType.TEMPLATE, value=instance),
                level,
            ],
            AT,
        ),
    ]
    async with aiomqtt.Client(broker.host, broker.port, username="edge-1", password="secret") as client:
        for message in births:
            await client.publish(message.topic, message.payload, qos=message.qos)
        await peer.until("both births", lambda: peer.of("DBIRTH"))
    motor = peer.of("NBIRTH")[0]["payload"]["metrics"][2]
    assert motor["template_value"] == {
        "version": "2",
        "is_definition": True,
        "metrics": [{"name": "rpm", "timestamp": str(AT), "datatype": 2, "int_value": 0}],
        "parameters": [{"name": "pole pairs", "type": 3, "int_value": 2}],
    }
    read_table, read_motor, read_level = peer.of("DBIRTH")[0]["payload"]["metrics"]
    assert read_table["dataset_value"] == {
        "num_of_columns": "2",
        "columns": ["day", "on"],
        "types": [13, 11],
        "rows": [
            {"elements": [{"long_value": str(AT)}, {"boolean_value": True}]},
            {"elements": [{"long_value": str(AT + 1)}, {}]},
        ],
    }
    assert read_motor["template_value"] == {
        "template_ref": "Motor",
        "is_definition": False,
        "metrics": [{"name": "rpm", "timestamp": str(AT), "datatype": 2, "int_value": 65_535}],
    }
    assert read_level["properties"] == {
        "keys": ["Quality", "engUnit"],
        "values": [{"type": 3, "int_value": 500}, {"type": 12, "string_value": "bar"}],
    }


async def test_we_read_tahus_datasets_and_templates(broker: Broker, peer: Peer) -> None:
    host, events = Host(reorder_timeout_ms=1_000), list[HostEvent]()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            events.extend(host.receive(str(message.topic), message.payload, AT))

    async with aiomqtt.Client(broker.host, broker.port, username="cloud", password="secret") as client:
        await client.subscribe([(name, 1) for name in host_filters(GROUP)])
        task = asyncio.create_task(listen(client), name="ours")
        await peer.do("births")
        await peer.do("data")
        async with asyncio.timeout(20):
            while len(events) < 3:  # noqa: ASYNC110 - what comes from a process
                await asyncio.sleep(0.02)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    node, device, data = events
    assert isinstance(node, NodeBorn)
    assert isinstance(device, DeviceBorn)
    assert isinstance(data, DeviceData)
    definition = next(metric.value for metric in node.metrics if metric.name == "Motor")
    assert isinstance(definition, Template)
    assert definition.is_definition
    assert definition.parameters == (Parameter(name="pole pairs", datatype=DataType.INT32, value=2),)

    expected = DataSet(
        columns=("day", "kWh", "note"),
        types=(DataType.DATETIME, DataType.DOUBLE, DataType.STRING),
        rows=((1_700_000_000_000, 12.5, "邻里"), (1_700_086_400_000, 0.25, "")),
    )
    born, told = (
        {metric.name: metric.value for metric in event.metrics if metric.name != "motor"} for event in (device, data)
    )
    assert born == {"table": expected, "unknown": None}
    assert told == {"table": expected, "unknown": 2**32 - 1}
    assert next(metric for metric in data.metrics if metric.name == "unknown").is_historical
    assert [_members(event) for event in (device, data)] == [{"rpm": -1450, "on": True}, {"rpm": 700}]


def _members(event: DeviceBorn | DeviceData) -> dict[str | None, object]:
    instance = next(metric.value for metric in event.metrics if metric.name == "motor")
    assert isinstance(instance, Template)
    assert (instance.ref, instance.version) == ("Motor", "1.0")
    return {metric.name: metric.value for metric in instance.metrics}

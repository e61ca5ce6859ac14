from typing import Any

import pytest

from cloud.assets import service as asset_service
from cloud.ingest.downlink import Downlink
from cloud.platform.database import transaction
from cloud.platform.schema import assets
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from tests.support.pump_profile import pump_profile
from wire.contract import COMMAND_ID, COMMAND_TIMEOUT_MS, COMMAND_TOKEN, command_metric
from wire.edge_node import EdgeNode
from wire.payload import DataType, Metric


@pytest.fixture
def downlink(bench: Any, world: World) -> Downlink:
    return Downlink(engine=world.engine, host=bench.host, clock=world.clock, metrics=bench.metrics)


async def request(world: World, command_id: str = "c-1") -> None:
    actor = await world.actor("olga")
    async with transaction(world.engine) as conn:
        await asset_service.request_command(
            conn, actor, device_id=1, name="start", value=None, command_id=command_id, now_ms=world.clock()
        )


async def states(world: World) -> dict[str, str]:
    return {row["id"]: row["state"] for row in await world.rows(assets.command)}


async def test_a_command_is_marked_as_sent_before_it_is_given_out_and_is_given_out_once(
    bench: Any, world: World, downlink: Downlink
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    await bench.feed(edge.token("fresh", NOW))
    await request(world)
    (message,) = await downlink.due()
    assert await states(world) == {"c-1": "sent"}
    command = edge.session.parse_command(message.topic, message.payload)
    assert command.device == "pump-1"
    assert {metric.name: metric.value for metric in command.metrics} == {
        COMMAND_ID: "c-1",
        COMMAND_TOKEN: "fresh",
        COMMAND_TIMEOUT_MS: 10_000,
        command_metric("start"): True,
    }
    assert await downlink.due() == []


async def test_a_stale_token_holds_a_command_back(bench: Any, world: World, downlink: Downlink) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    world.clock.now_ms = NOW + 13_000
    await request(world)
    assert await downlink.due() == []
    await bench.feed(edge.token("fresh", NOW + 13_000))
    assert len(await downlink.due()) == 1


async def test_a_device_without_a_birth_gets_no_command(bench: Any, world: World, downlink: Downlink) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    await request(world)
    bench.ingest.disconnected()
    assert await downlink.due() == []
    assert await states(world) == {"c-1": "requested"}


async def test_a_command_that_the_birth_does_not_declare_is_refused(
    bench: Any, world: World, downlink: Downlink
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    await request(world)
    bare = EdgeNode("garden", "edge-1", 1)
    born = Metric(name="pressure", datatype=DataType.DOUBLE)
    await bench.feed(bare.birth(edge._node_metrics(), NOW), bare.device_birth("pump-1", [born], NOW))
    assert await downlink.due() == []
    assert await states(world) == {"c-1": "refused"}


async def test_an_outcome_comes_only_from_the_device_that_was_asked(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile(), devices=("pump-1", "pump-2"))
    await bench.born(edge)
    await request(world)
    edge.outcome(NOW, "c-1", "done", device="pump-2")
    edge.outcome(NOW, "c-1", "perhaps")
    await bench.feed(edge.send(1), edge.send(2))
    assert await states(world) == {"c-1": "requested"}
    edge.outcome(NOW, "c-1", "done")
    await bench.feed(edge.send(3))
    assert await states(world) == {"c-1": "done"}
    assert bench.count("quarantined", kind="outcome") == 2

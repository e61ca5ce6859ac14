"""An edge whose clock is wrong: its times are kept where they are history, and never hold up what is shown."""

from typing import Any

from cloud.ingest.planning import AHEAD_MS
from cloud.platform.schema import alarms, assets
from cloud.telemetry.embedded import EmbeddedTelemetry
from runtime.health import Status
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from tests.support.pump_profile import pump_profile
from wire.datatypes import DataType
from wire.edge_node import EdgeNode
from wire.payload import Metric

DAY_MS = 24 * 3_600_000


async def _shown(world: World, point: str) -> tuple[float, int]:
    (row,) = [row for row in await world.rows(assets.last_value) if row["point"] == point]
    return row["number"], row["at_ms"]


async def test_a_time_to_come_is_shown_as_the_time_of_receipt_and_kept_as_it_was_told(
    bench: Any, world: World, telemetry: EmbeddedTelemetry
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW + DAY_MS, pressure=5.0)
    await bench.feed(edge.send(1))
    assert await _shown(world, "pressure") == (5.0, NOW)
    kept = await telemetry.series(device_id=1, point="pressure", from_ms=NOW, to_ms=NOW + 2 * DAY_MS, max_points=10)
    assert [one.last_ms for one in kept] == [NOW + DAY_MS]
    assert bench.count("ahead") == 1
    check = bench.ingest.health()
    assert (check.status, "garden/edge-1" in check.detail) == (Status.DEGRADED, True)
    world.clock.now_ms += 120_000
    assert bench.ingest.health().status is Status.OK


async def test_a_clock_that_is_set_back_does_not_hold_up_what_is_shown(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW + AHEAD_MS - 1, pressure=5.0)
    edge.journal(NOW - DAY_MS, pressure=6.0)
    await bench.feed(edge.send(1))
    await bench.feed(edge.send(2))
    assert await _shown(world, "pressure") == (6.0, NOW - DAY_MS), (
        "the journal's order, not the clock, says what is new"
    )


async def test_a_foreign_node_from_the_future_does_not_stick(bench: Any, world: World) -> None:
    node = EdgeNode("garden", "plc", 0)
    level = Metric(name="Level", datatype=DataType.DOUBLE, value=1.0, timestamp_ms=NOW)
    await bench.feed(node.birth([], NOW), node.device_birth("tank", [level], NOW))
    ahead = Metric(name="Level", datatype=DataType.DOUBLE, value=2.0, timestamp_ms=NOW + DAY_MS)
    await bench.feed(node.device_data("tank", [ahead], NOW))
    again = Metric(name="Level", datatype=DataType.DOUBLE, value=3.0, timestamp_ms=NOW + 5)
    await bench.feed(node.device_data("tank", [again], NOW + 5), at_ms=NOW + 5)
    assert await _shown(world, "Level") == (3.0, NOW + 5)


async def test_a_delay_does_not_wait_for_a_time_that_is_far_away(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW + DAY_MS, fault_code=3)
    await bench.feed(edge.send(1))
    (alarm,) = await world.rows(alarms.alarm)
    assert (alarm["rule"], alarm["raised_ms"]) == ("fault.3", NOW)


async def test_a_time_that_no_store_can_hold_is_kept_apart_and_holds_up_nothing(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(2**62, pressure=5.0)
    edge.journal(NOW, pressure=6.0)
    await bench.feed(edge.send(1), edge.send(2))
    assert (await _shown(world, "pressure"))[0] == 6.0
    assert bench.count("quarantined", kind="type") == 1

"""Nodes of other makers: taken as they come, by the standard's own rules, and shown as what they are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cloud.assets import service as asset_service
from cloud.platform.database import reading
from cloud.platform.schema import assets, ingest
from cloud.telemetry.embedded import EmbeddedTelemetry
from tests.support.cloud_world import NOW, World
from wire.edge_node import REBIRTH, EdgeNode
from wire.payload import DataSet, DataType, Metric, Quality, Template, decode, quality_property

LEVEL = Metric(name="Level", datatype=DataType.DOUBLE, value=1.5)
MOTOR = Template(
    metrics=(
        Metric(name="rpm", datatype=DataType.INT16, value=0),
        Metric(name="on", datatype=DataType.BOOLEAN, value=False),
    )
)


def _spinning(rpm: int) -> Metric:
    members = (replace(MOTOR.metrics[0], value=rpm), replace(MOTOR.metrics[1], value=True))
    return Metric(name="motor", datatype=DataType.TEMPLATE, value=Template(ref="Motor", metrics=members))


async def _shown(world: World) -> dict[str, dict[str, object]]:
    """Give the last values by device and point."""
    names = {row["id"]: row["name"] for row in await world.rows(assets.device)}
    shown: dict[str, dict[str, object]] = {name: {} for name in names.values()}
    for row in await world.rows(assets.last_value):
        shown[names[row["device_id"]]][row["point"]] = row["number"] if row["text"] is None else row["text"]
    return shown


async def _reasons(world: World) -> Mapping[str, str]:
    return {row["metric"]: row["reason"] for row in await world.rows(ingest.quarantine)}


async def test_what_a_node_tells_of_itself_is_shown_as_a_device_of_its_name(bench: Any, world: World) -> None:
    node = EdgeNode("garden", "weather", 0)
    wind = Metric(name="Wind", datatype=DataType.FLOAT, value=3.5)
    reboot = Metric(name="Node Control/Reboot", datatype=DataType.BOOLEAN, value=False)
    await bench.feed(node.birth([wind, reboot], NOW), node.data([replace(wind, value=4.0)], NOW + 5))
    assert await _shown(world) == {"weather": {"Wind": 4.0}}
    await bench.feed(node.data([replace(reboot, value=True)], NOW + 6))
    assert await _shown(world) == {"weather": {"Wind": 4.0}}
    await bench.feed(node.death(NOW + 9))
    assert [row["online"] for row in await world.rows(assets.device)] == [False]


async def test_a_node_with_controls_only_is_no_device(bench: Any, world: World) -> None:
    node = EdgeNode("garden", "plc", 0)
    await bench.feed(node.birth([Metric(name="Motor", datatype=DataType.TEMPLATE, value=MOTOR)], NOW))
    assert await _shown(world) == {}


async def test_members_of_a_template_are_points_and_a_table_is_kept_apart(bench: Any, world: World) -> None:
    node = EdgeNode("garden", "plc", 0)
    table = Metric(
        name="table",
        datatype=DataType.DATASET,
        value=DataSet(columns=("a",), types=(DataType.INT8,), rows=((1,),)),
    )
    definition = Metric(name="Motor", datatype=DataType.TEMPLATE, value=MOTOR)
    await bench.feed(node.birth([definition], NOW), node.device_birth("pump", [_spinning(700), table], NOW))
    assert await _shown(world) == {"pump": {"motor/rpm": 700.0, "motor/on": 1.0}}
    part = Template(ref="Motor", metrics=(replace(MOTOR.metrics[0], value=-5),))
    await bench.feed(node.device_data("pump", [replace(_spinning(0), value=part)], NOW + 1))
    assert await _shown(world) == {"pump": {"motor/rpm": -5.0, "motor/on": 1.0}}
    assert await _reasons(world) == {"table": "DataSet is no reading"}


async def test_quality_and_history_are_kept(bench: Any, world: World, telemetry: EmbeddedTelemetry) -> None:
    node = EdgeNode("garden", "plc", 0)
    await bench.feed(node.birth([], NOW), node.device_birth("tank", [replace(LEVEL, timestamp_ms=NOW)], NOW))
    bad = replace(LEVEL, value=9.0, timestamp_ms=NOW + 5, properties={"Quality": quality_property(Quality.BAD)})
    old = replace(LEVEL, value=0.5, timestamp_ms=NOW - 60_000, is_historical=True)
    await bench.feed(node.device_data("tank", [bad, old], NOW + 5))
    (row,) = await world.rows(assets.last_value)
    assert (row["number"], row["quality"], row["at_ms"]) == (9.0, Quality.BAD, NOW + 5), "what is old replaces nothing"
    actor = await world.actor("olga")
    async with reading(world.engine) as conn:
        described, _ = await asset_service.describe_device(conn, actor, row["device_id"])
    assert described["foreign_node"], "marked as such"


async def test_data_before_a_birth_asks_for_it(bench: Any, world: World) -> None:
    node = EdgeNode("garden", "plc", 0)
    births = [node.birth([], NOW), node.device_birth("tank", [LEVEL], NOW)]
    asked = await bench.feed(node.device_data("tank", [LEVEL], NOW))
    assert [metric.name for message in asked for metric in decode(message.payload).metrics] == [REBIRTH]
    await bench.feed(births)
    assert await _shown(world) == {"tank": {"Level": 1.5}}


async def test_no_acknowledgement_goes_to_a_node_without_a_journal(bench: Any) -> None:
    node = EdgeNode("garden", "plc", 0)
    sent = await bench.feed(node.birth([LEVEL], NOW), node.data([LEVEL], NOW), at_ms=NOW)
    assert sent == []
    assert await bench.feed(node.data([LEVEL], NOW + 10_000), at_ms=NOW + 10_000) == []


async def test_a_device_that_a_birth_of_its_node_is_not_followed_by_is_offline(bench: Any, world: World) -> None:
    node = EdgeNode("garden", "plc", 0)
    births = [node.birth([], NOW), node.device_birth("tank", [LEVEL], NOW), node.device_birth("pump", [LEVEL], NOW)]
    await bench.feed(births)
    await bench.feed(node.birth([], NOW + 1), node.device_birth("pump", [LEVEL], NOW + 1))
    assert {row["name"]: row["online"] for row in await world.rows(assets.device)} == {"tank": False, "pump": True}
    assert (await world.rows(assets.node))[0]["online"]


async def test_what_is_transient_is_shown_and_not_kept(bench: Any, world: World, telemetry: EmbeddedTelemetry) -> None:
    node = EdgeNode("garden", "plc", 0)
    await bench.feed(node.birth([], NOW), node.device_birth("tank", [replace(LEVEL, is_transient=True)], NOW))
    assert await _shown(world) == {"tank": {"Level": 1.5}}
    kept = await telemetry.series(device_id=1, point="Level", from_ms=NOW - 1_000, to_ms=NOW + 1_000, max_points=10)
    assert list(kept) == []

from dataclasses import replace
from typing import Any

from cloud.platform.schema import alarms, assets, ingest
from cloud.telemetry.embedded import EmbeddedTelemetry
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from tests.support.ingested import count, marks, texts
from tests.support.pump_profile import pump_profile
from wire.payload import DataType, Message, Metric, Payload, decode, encode


async def test_data_of_a_device_that_its_born_node_never_declared_is_quarantined(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=1.0)
    own = edge.send(1)
    message = replace(own, topic=own.topic.replace("pump-1", "pump-9"))
    await bench.feed(message)
    (row,) = await world.rows(ingest.quarantine)
    assert (row["topic"], row["node_id"]) == (message.topic, 1)
    assert row["reason"] == "the device is not in the current birth"
    assert bench.count("quarantined", kind="device") == 1


async def test_a_payload_that_waited_in_vain_is_kept_itself_and_not_what_ended_the_wait(
    bench: Any, world: World
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    for n in range(2):
        edge.journal(NOW + n, pressure=float(n))
    edge.send(1)  # lost on the way
    late = edge.send(2)
    await bench.feed(late)
    await bench.feed(edge.births(NOW), at_ms=NOW + 1_000)
    (row,) = await world.rows(ingest.quarantine)
    assert (row["topic"], row["payload"]) == (late.topic, late.payload)


async def test_a_malformed_payload_is_quarantined_with_its_bytes_and_loses_nothing_else(
    bench: Any, world: World
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=1.0)
    bad = Message(topic="spBv1.0/garden/DDATA/edge-1/pump-1", payload=b"\xff\xff\xff", qos=0, retain=False)
    strange = Message(topic="spBv1.0/garden", payload=b"x", qos=0, retain=False)
    await bench.feed(bad, strange, edge.send(1))
    rows = await world.rows(ingest.quarantine)
    assert {row["payload"] for row in rows} == {b"\xff\xff\xff", b"x"}
    assert await marks(world) == {"j1": 1}
    assert bench.count("quarantined", kind="payload") == 2


async def test_a_flood_of_one_fault_is_counted_and_not_kept(bench: Any, world: World) -> None:
    bad = Message(topic="spBv1.0/garden/DDATA/edge-1/pump-1", payload=b"\xff", qos=0, retain=False)
    await bench.feed([bad] * 50)
    assert len(await world.rows(ingest.quarantine)) == 10
    assert bench.count("quarantined", kind="payload") == 50
    assert bench.count("quarantine_suppressed") == 40


async def test_a_metric_of_an_unknown_alias_is_quarantined_and_the_rest_of_its_record_is_kept(
    bench: Any, world: World, telemetry: EmbeddedTelemetry
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=2.0)
    message = edge.send(1)
    payload = decode(message.payload)
    extra = Metric(alias=999, datatype=DataType.INT64, value=1)
    broken = Payload(timestamp_ms=NOW, seq=payload.seq, metrics=(*payload.metrics, extra))
    out = await bench.feed(Message(topic=message.topic, payload=encode(broken), qos=0, retain=False))
    assert set(texts(out)) == {"j1:1", True}  # acknowledged, and a rebirth asked for
    (row,) = await world.rows(ingest.quarantine)
    assert row["metric"] == "999"
    assert await count(telemetry, "pressure") == 1


async def test_a_wrong_type_is_quarantined_without_a_rebirth(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=2.0)
    message = edge.send(1)
    payload = decode(message.payload)
    metrics = [
        Metric(alias=one.alias, datatype=DataType.STRING, value="high") if one.value == 2.0 else one
        for one in payload.metrics
    ]
    broken = Payload(timestamp_ms=NOW, seq=payload.seq, metrics=tuple(metrics))
    out = await bench.feed(Message(topic=message.topic, payload=encode(broken), qos=0, retain=False))
    assert texts(out) == ["j1:1"]
    assert [row["metric"] for row in await world.rows(ingest.quarantine)] == ["pressure"]


async def test_a_value_out_of_its_range_is_stored_as_bad_and_raises_nothing(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=99.0)
    edge.journal(NOW + 60_000, pressure=99.0)
    await bench.feed(edge.send(1), edge.send(2))
    (row,) = [row for row in await world.rows(assets.last_value) if row["point"] == "pressure"]
    assert (row["number"], row["quality"]) == (99.0, 0)
    assert bench.count("out_of_range") == 2
    assert await world.rows(alarms.alarm) == []


async def test_a_node_of_no_community_is_quarantined_until_its_community_exists(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile(), group="nowhere")
    edge.journal(NOW, pressure=1.0)
    await bench.feed(edge.births(NOW), edge.send(1))
    reasons = {row["reason"] for row in await world.rows(ingest.quarantine)}
    assert any("nowhere" in reason for reason in reasons)
    assert await world.rows(assets.node) == []
    async with world.engine.begin() as conn:
        await conn.execute(
            assets.community.insert().values(
                project_id=1, code="nowhere", name_zh="无", name_en="Nowhere", time_zone="UTC"
            )
        )
    out = await bench.feed(edge.send(1), at_ms=NOW + 31_000)
    assert texts(out) == [True]
    await bench.feed(edge.births(NOW), edge.document(NOW), edge.replay())
    assert await marks(world) == {"j1": 1}

"""What could not be read is looked at, taken once more, or dropped; and whoever does that is written down."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cloud.access.domain import EVERYTHING
from cloud.ingest import repository
from cloud.platform.database import reading, transaction
from cloud.platform.schema import access, alarms, assets, ingest
from cloud.telemetry.embedded import EmbeddedTelemetry
from tests.support.cloud import Town
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from tests.support.pump_profile import pump_profile
from wire.datatypes import DataType
from wire.edge_node import EdgeNode
from wire.payload import Metric, decode
from wire.sparkplug_b_pb2 import Payload

LEVEL = Metric(name="Level", datatype=DataType.DOUBLE, value=1.5, timestamp_ms=NOW)


async def replay_all(bench: Any, world: World) -> list[Any]:
    """Ask for a replay of everything, and let ingest do it."""
    rows = await world.rows(ingest.quarantine)
    async with transaction(world.engine) as conn:
        for row in rows:
            await repository.ask_replay(conn, row["id"], NOW)
    async with reading(world.engine) as conn:
        due = await repository.due_replays(conn, 50)
    return list(await bench.ingest.replay(due))


async def answers(world: World) -> Sequence[str | None]:
    return [row["answer"] for row in await world.rows(ingest.quarantine)]


async def test_data_of_a_device_whose_birth_was_lost_is_taken_when_the_birth_is_there(
    bench: Any, world: World, telemetry: EmbeddedTelemetry
) -> None:
    node = EdgeNode("garden", "plc", 0)
    born = [node.birth([], NOW), node.device_birth("tank", [LEVEL], NOW)]
    data = node.device_data("tank", [replace(LEVEL, value=2.5, timestamp_ms=NOW + 5)], NOW + 5)
    lost = EdgeNode("garden", "plc", 0)
    first = lost.birth([], NOW)
    await bench.feed(first, replace(data, payload=with_seq(data.payload, 1)))
    assert [row["reason"] for row in await world.rows(ingest.quarantine)] == ["the device is not in the current birth"]
    await bench.feed(born)
    await replay_all(bench, world)
    assert await world.rows(ingest.quarantine) == []
    (value,) = await world.rows(assets.last_value)
    assert (value["number"], value["at_ms"]) == (2.5, NOW + 5)
    kept = await telemetry.series(device_id=1, point="Level", from_ms=NOW, to_ms=NOW + 10, max_points=10)
    assert sum(one.count for one in kept) == 2


def with_seq(payload: bytes, seq: int) -> bytes:
    message = Payload.FromString(payload)
    message.seq = seq
    return message.SerializeToString()


async def test_what_is_replayed_replaces_nothing_newer_and_raises_no_alarm_of_the_past(
    bench: Any, world: World
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, fault_code=7)
    edge.journal(NOW + 10, fault_code=0)
    first, second = edge.send(1), edge.send(2)
    await bench.feed(first, second)
    raised = len(await world.rows(alarms.alarm_event))
    async with transaction(world.engine) as conn:
        row = repository.QuarantineRow(
            node_id=1, topic=first.topic, payload=first.payload, metric=None, reason="a fault of ours, since mended"
        )
        await repository.add_quarantine(conn, [row], NOW)
    await replay_all(bench, world)
    assert await world.rows(ingest.quarantine) == []
    values = {row["point"]: row["number"] for row in await world.rows(assets.last_value)}
    assert values["fault_code"] == 0
    assert len(await world.rows(alarms.alarm_event)) == raised
    assert [row["watermark"] for row in await world.rows(ingest.journal)] == [2]


async def test_a_record_that_is_still_to_come_is_left_to_its_agent(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=5.0)
    message = edge.send(1)
    async with transaction(world.engine) as conn:
        row = repository.QuarantineRow(
            node_id=1, topic=message.topic, payload=message.payload, metric=None, reason="could not be processed"
        )
        await repository.add_quarantine(conn, [row], NOW)
    await replay_all(bench, world)
    assert await answers(world) == ["its agent has this record still, and sends it by itself"]
    assert await world.rows(assets.last_value) == []


async def test_what_still_cannot_be_read_stays_with_the_reason(bench: Any, world: World) -> None:
    birth = EdgeNode("garden", "plc", 0).birth([], NOW)
    await bench.feed(replace(birth, topic="spBv1.0/garden/DDATA/plc/tank", payload=b"\xff"))
    await replay_all(bench, world)
    (answer,) = await answers(world)
    assert "not a Sparkplug B payload" in str(answer)


async def test_a_birth_is_not_replayed(bench: Any, world: World) -> None:
    node = EdgeNode("lake", "plc", 0)
    await bench.feed(node.birth([], NOW))
    assert len(await world.rows(ingest.quarantine)) == 1
    await replay_all(bench, world)
    assert await answers(world) == ["NBIRTH is no data: it says what was, and no more"]


async def test_data_of_an_unborn_node_asks_for_its_birth(bench: Any, world: World) -> None:
    async with transaction(world.engine) as conn:
        node = EdgeNode("garden", "plc", 0)
        node.birth([LEVEL], NOW)
        message = node.data([LEVEL], NOW)
        row = repository.QuarantineRow(
            node_id=None, topic=message.topic, payload=message.payload, metric=None, reason="it came too early"
        )
        await repository.add_quarantine(conn, [row], NOW)
    sent = await replay_all(bench, world)
    assert [metric.name for message in sent for metric in decode(message.payload).metrics] == ["Node Control/Rebirth"]
    assert await answers(world) == ["its node or device is not born at the moment: it is asked for its birth"]


# --- REST ------------------------------------------------------------------------------------------------------------


async def put(town: Town, topic: str = "spBv1.0/garden/DDATA/edge-1/pump-1", payload: bytes = b"\x01") -> int:
    async with transaction(town.engine) as conn:
        row = repository.QuarantineRow(node_id=None, topic=topic, payload=payload, metric=None, reason="odd")
        await repository.add_quarantine(conn, [row], town.now)
    async with reading(town.engine) as conn:
        return int((await repository.list_quarantine(conn, EVERYTHING, before_id=None, limit=1))[0]["id"])


async def test_rest_shows_replays_and_drops_and_the_audit_knows_who(town: Town) -> None:
    number = await put(town)
    async with town.client("operator") as client:
        shown = (await client.get(f"/api/v1/quarantine/{number}")).json()
        assert (base64.b64decode(shown["payload"]), shown["replay_ms"], shown["answer"]) == (b"\x01", None, None)
        asked = await client.post(f"/api/v1/quarantine/{number}/replay")
        assert (asked.status_code, asked.json()["replay_ms"]) == (202, town.now)
        assert (await client.delete(f"/api/v1/quarantine/{number}")).status_code == 204
        assert (await client.get(f"/api/v1/quarantine/{number}")).status_code == 404
    async with reading(town.engine) as conn:
        found = (await conn.execute(access.audit.select().order_by(access.audit.c.id))).mappings().all()
    actions = [(row["action"], row["outcome"], row["subject"]) for row in found if "quarantine" in row["action"]]
    assert actions == [
        ("quarantine.replay", "allowed", f"quarantine:{number}"),
        ("quarantine.drop", "allowed", f"quarantine:{number}"),
    ]


async def test_rest_refuses_who_may_not_and_what_was_cut_short(town: Town) -> None:
    number = await put(town)
    async with town.client("viewer") as client:
        assert (await client.post(f"/api/v1/quarantine/{number}/replay")).status_code == 403
        assert (await client.delete(f"/api/v1/quarantine/{number}")).status_code == 403
    async with town.client("tower") as client:
        assert (await client.get(f"/api/v1/quarantine/{number}")).status_code == 404
    nobodys = await put(town, topic="spBv1.0/nowhere/DDATA/edge-1/pump-1")
    cut = await put(town, payload=b"\x01" * 65_536)
    async with town.client("operator") as client:
        assert (await client.delete(f"/api/v1/quarantine/{nobodys}")).status_code == 403
        assert (await client.post(f"/api/v1/quarantine/{cut}/replay")).json()["error"]["code"] == "cut_short"


async def test_rest_replays_everything_of_one_reason_that_is_the_askers(town: Town) -> None:
    numbers = [await put(town), await put(town), await put(town, topic="spBv1.0/nowhere/DDATA/edge-1/pump-1")]
    await put(town, payload=b"\x01" * 65_536)
    async with town.client("viewer") as client:
        assert (await client.post(f"/api/v1/quarantine/{numbers[0]}/replay-alike")).status_code == 403
    async with town.client("operator") as client:
        asked = await client.post(f"/api/v1/quarantine/{numbers[0]}/replay-alike")
        assert (asked.status_code, asked.json()) == (202, {"asked": 2, "cut_short": 1, "not_yours": 1})
        items = (await client.get("/api/v1/quarantine")).json()["items"]
        assert {item["id"] for item in items if item["replay_ms"] is not None} == set(numbers[:2])
        assert (await client.post(f"/api/v1/quarantine/{numbers[2]}/replay-alike")).status_code == 403
    async with reading(town.engine) as conn:
        found = (await conn.execute(access.audit.select().order_by(access.audit.c.id))).mappings().all()
    said = [(row["outcome"], json.loads(row["detail"]).get("count")) for row in found if "replay" in row["action"]]
    assert said == [("denied", None), ("allowed", 2)]

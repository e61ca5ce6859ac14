import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cloud.platform.schema import alarms, assets, ingest, work_orders
from cloud.telemetry.api import Bucket, Sample
from cloud.telemetry.embedded import EmbeddedTelemetry
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from tests.support.ingested import count, dry_run, marks, stored, texts
from tests.support.pump_profile import pump_profile
from tests.support.refusals import allow_inserts, refuse_inserts
from wire.edge_node import EdgeNode
from wire.payload import DataType, Metric, Quality


async def test_births_make_node_device_place_and_ask_for_an_unknown_profile(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    out = await bench.feed(edge.births(NOW))
    assert edge.profile.hash in texts(out)
    assert await world.rows(assets.device) == []  # it waits for its profile
    assert bench.ingest.health().status == "degraded"
    await bench.feed(edge.document(NOW))
    (device,) = await world.rows(assets.device)
    assert (device["name"], device["label_en"], device["profile_hash"]) == ("pump-1", "Pump 1", edge.profile.hash)
    assert [row["name"] for row in await world.rows(assets.place)] == ["Pump room"]
    (node,) = await world.rows(assets.node)
    assert (node["online"], node["foreign_node"], node["command_token"]) == (True, False, "token-of-birth")
    assert bench.ingest.health().status == "ok"


async def test_records_wait_for_their_profile_and_are_not_acknowledged(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    edge.journal(NOW, pressure=3.0)
    out = await bench.feed(edge.births(NOW), edge.send(1))
    assert "j1:1" not in texts(out)
    assert await marks(world) == {"j1": 0}
    out = await bench.feed(edge.document(NOW), edge.replay())
    assert "j1:1" in texts(out)
    assert await marks(world) == {"j1": 1}


async def test_a_record_is_stored_and_then_acknowledged(bench: Any, world: World, telemetry: EmbeddedTelemetry) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=3.5, running=True, fault_code=2)
    out = await bench.feed(edge.send(1))
    assert texts(out) == ["j1:1"]
    assert out[0].topic == "spBv1.0/garden/NCMD/edge-1"
    assert [b.last for b in await stored(telemetry, "pressure")] == [3.5]
    values = {row["point"]: row["number"] for row in await world.rows(assets.last_value)}
    assert values == {"pressure": 3.5, "running": 1.0, "fault_code": 2.0}


async def test_a_repeat_changes_nothing_and_is_acknowledged_again_but_rarely(
    bench: Any, world: World, telemetry: EmbeddedTelemetry
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=3.5)
    await bench.feed(edge.send(1))
    assert await bench.feed(edge.send(1, historical=True), at_ms=NOW + 200) == []
    assert texts(await bench.feed(edge.send(1, historical=True), at_ms=NOW + 600)) == ["j1:1"]
    assert await count(telemetry, "pressure") == 1
    assert bench.count("repeats") == 2


async def test_what_lies_beyond_a_hole_is_not_processed(bench: Any, world: World, telemetry: EmbeddedTelemetry) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    for n in range(4):
        edge.journal(NOW + n, pressure=float(n))
    out = await bench.feed(edge.send(1), edge.send(3), edge.send(4))
    assert texts(out) == ["j1:1"]
    assert await count(telemetry, "pressure") == 1
    assert bench.count("holes") == 2
    out = await bench.feed(edge.replay(after=1), at_ms=NOW + 3_000)
    assert texts(out) == ["j1:4"]
    assert await count(telemetry, "pressure") == 4


async def test_a_new_journal_begins_at_its_own_first_record(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=1.0)
    await bench.feed(edge.send(1))
    fresh = FakeEdge(pump_profile(), journal_id="j2")
    fresh.first = 5
    for n in range(5):
        fresh.journal(NOW + 10 + n, pressure=2.0)
    await bench.feed(fresh.births(NOW), fresh.send(5))
    assert await marks(world) == {"j1": 1, "j2": 5}
    assert await world.rows(ingest.journal_gap) == []


async def test_records_that_the_journal_lost_are_a_gap_that_people_see(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    for n in range(9):
        edge.journal(NOW + n, pressure=1.0)
    await bench.feed(edge.send(1))
    edge.first = 6
    out = await bench.feed(edge.births(NOW), edge.send(6), at_ms=NOW + 1000)
    assert "j1:6" in texts(out)
    gaps = [(row["first_offset"], row["last_offset"]) for row in await world.rows(ingest.journal_gap)]
    assert gaps == [(2, 5)]
    await bench.feed(edge.births(NOW), at_ms=NOW + 2000)
    assert len(await world.rows(ingest.journal_gap)) == 1


async def test_a_tombstone_moves_the_watermark_and_is_a_gap(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    for n in range(6):
        edge.journal(NOW + n, pressure=1.0)
    out = await bench.feed(edge.send(1), edge.tombstone(1, 4, NOW), edge.send(5), edge.tombstone(1, 4, NOW))
    assert texts(out) == ["j1:5"]
    gaps = [(row["first_offset"], row["last_offset"]) for row in await world.rows(ingest.journal_gap)]
    assert gaps == [(2, 4)]


async def test_a_lost_message_asks_for_a_rebirth_once_in_five_seconds(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    for n in range(3):
        edge.journal(NOW + n, pressure=float(n))
    edge.send(1)  # lost on the way
    await bench.feed(edge.send(2))
    assert texts(await bench.feed(at_ms=NOW + 2_500)) == [True]
    assert await bench.feed(edge.send(3), at_ms=NOW + 3_000) == []
    await bench.feed(edge.births(NOW), edge.replay(), at_ms=NOW + 4_000)
    assert await marks(world) == {"j1": 3}


async def test_an_unborn_node_is_asked_for_its_births(bench: Any) -> None:
    edge = FakeEdge(pump_profile())
    edge.births(NOW)
    edge.journal(NOW, pressure=1.0)
    (request,) = await bench.feed(edge.send(1))
    assert request.topic == "spBv1.0/garden/NCMD/edge-1"
    assert texts([request]) == [True]
    assert bench.count("unborn") == 1


async def test_a_fault_becomes_one_alarm_and_one_order_and_the_clear_verifies_it(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    dry_run(edge)
    await bench.feed([edge.send(n) for n in (1, 2, 3, 4)])
    (alarm,) = await world.rows(alarms.alarm)
    assert (alarm["rule"], alarm["raised_ms"], alarm["cleared_ms"]) == ("dry_run", NOW + 11_000, NOW + 65_000)
    assert (alarm["active"], alarm["closed"], alarm["historical"]) == (False, False, False)
    (order,) = await world.rows(work_orders.work_order)
    assert (order["state"], order["assignee_id"], order["restored_ms"]) == ("verified", 2, NOW + 65_000)
    assert order["number"] == "WO-20261122-0001"


async def test_a_replayed_fault_that_is_over_opens_once_and_is_of_the_past(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    dry_run(edge, NOW - 600_000)
    edge.journal(NOW, current=5.2)
    await bench.feed(edge.replay(last=4), edge.send(5))
    (alarm,) = await world.rows(alarms.alarm)
    assert (alarm["historical"], alarm["active"]) == (True, False)
    (order,) = await world.rows(work_orders.work_order)
    assert (order["historical"], order["state"], order["assignee_id"]) == (True, "verified", None)


async def test_a_replayed_fault_that_goes_on_is_current_once_the_node_has_caught_up(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW - 600_000, running=True, current=0.5)
    edge.journal(NOW - 300_000, current=0.4)
    edge.journal(NOW, current=0.3)
    await bench.feed(edge.replay(last=2))
    (alarm,) = await world.rows(alarms.alarm)
    assert alarm["historical"]
    await bench.feed(edge.send(3))
    (alarm,) = await world.rows(alarms.alarm)
    assert (alarm["historical"], alarm["active"], alarm["raised_ms"]) == (False, True, NOW - 590_000)
    (condition,) = await world.rows(alarms.condition)
    assert not condition["backlog"]


async def test_a_quiet_token_period_also_ends_a_replay(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW - 600_000, running=True, current=0.5)
    await bench.feed(edge.replay())
    await bench.feed(edge.token("t1", NOW))
    assert (await world.rows(alarms.condition))[0]["backlog"]
    await bench.feed(edge.token("t2", NOW + 5_000), at_ms=NOW + 5_000)
    assert not (await world.rows(alarms.condition))[0]["backlog"]
    assert (await world.rows(assets.node))[0]["command_token"] == "t2"


class DyingTelemetry:
    """Writes, and then dies before the SQL transaction, as a killed process would."""

    def __init__(self, inner: EmbeddedTelemetry) -> None:
        self.inner = inner
        self.deaths = 1

    async def write(self, samples: Sequence[Sample]) -> int:
        written = await self.inner.write(samples)
        if self.deaths:
            self.deaths -= 1
            raise asyncio.CancelledError
        return written

    async def series(self, **arguments: Any) -> tuple[Bucket, ...]:
        return await self.inner.series(**arguments)

    async def close(self) -> None:
        await self.inner.close()


async def test_a_death_between_telemetry_and_commit_doubles_nothing(
    bench: Any, world: World, telemetry: EmbeddedTelemetry
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    dry_run(edge)
    first = type(bench)(world, DyingTelemetry(telemetry))
    await first.feed(edge.births(NOW))
    with pytest.raises(asyncio.CancelledError):
        await first.feed([edge.send(n) for n in (1, 2, 3, 4)])
    assert await marks(world) == {"j1": 0}
    second = type(bench)(world, telemetry)
    await second.feed(edge.births(NOW), edge.replay())
    assert await marks(world) == {"j1": 4}
    assert await count(telemetry, "current") == 4
    assert len(await world.rows(alarms.alarm)) == 1
    assert len(await world.rows(work_orders.work_order)) == 1


async def test_a_store_that_does_not_work_holds_acknowledgements_back_and_recovers_by_itself(
    bench: Any, world: World, telemetry: EmbeddedTelemetry, tmp_path: Path
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=1.0)
    await bench.feed(edge.send(1))
    edge.journal(NOW + 1, pressure=2.0)
    with closing(sqlite3.connect(tmp_path / "telemetry.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        feeding = asyncio.create_task(bench.feed(edge.send(2), at_ms=NOW + 1000))
        for _ in range(100):
            await asyncio.sleep(0.02)
            if bench.ingest.health().status == "down":
                break
        assert "nothing is stored or acknowledged" in bench.ingest.health().detail
        assert await marks(world) == {"j1": 1}
        other.execute("ROLLBACK")
        assert texts(await feeding) == ["j1:2"]
    assert bench.ingest.health().status == "ok"


async def test_a_database_that_refuses_the_transaction_loses_and_doubles_nothing(
    bench: Any, world: World, telemetry: EmbeddedTelemetry, tmp_path: Path
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    dry_run(edge)
    await refuse_inserts(world.engine, "alarm", why="disk is full", passing=True)
    feeding = asyncio.create_task(bench.feed([edge.send(n) for n in (1, 2, 3, 4)]))
    for _ in range(200):
        await asyncio.sleep(0.02)
        if bench.count("failures") or feeding.done():
            break
    await allow_inserts(world.engine, "alarm")
    await feeding
    await bench.feed(edge.births(NOW), edge.replay(), at_ms=NOW + 1_000)
    assert await marks(world) == {"j1": 4}
    assert len(await world.rows(alarms.alarm)) == 1
    assert len(await world.rows(work_orders.work_order)) == 1


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (3,), (1, 2, 3), (2, 3)])
async def test_the_same_history_in_any_batches_gives_the_same_alarm(
    bench: Any, world: World, cuts: tuple[int, ...]
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    dry_run(edge)
    borders = [0, *cuts, 4]
    for begin, end in pairwise(borders):
        bench.ingest._tracking.forget_nodes()  # as after a restart
        await bench.feed([edge.send(n) for n in range(begin + 1, end + 1)])
    (alarm,) = await world.rows(alarms.alarm)
    assert (alarm["raised_ms"], alarm["cleared_ms"], alarm["occurrences"]) == (NOW + 11_000, NOW + 65_000, 1)


async def test_deaths_take_devices_offline(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile(), devices=("pump-1", "pump-2"))
    await bench.born(edge)
    await bench.feed(edge.session.device_death("pump-2", NOW))
    online = {row["name"]: row["online"] for row in await world.rows(assets.device)}
    assert online == {"pump-1": True, "pump-2": False}
    await bench.feed(edge.session.death(NOW))
    assert not any(row["online"] for row in await world.rows(assets.device))
    assert not (await world.rows(assets.node))[0]["online"]


async def test_a_foreign_node_is_taken_as_it_comes(bench: Any, world: World, telemetry: EmbeddedTelemetry) -> None:
    node = EdgeNode("garden", "plc", 0)
    metric = Metric(name="Level", datatype=DataType.DOUBLE, value=1.5)
    births = [node.birth([], NOW), node.device_birth("tank", [metric], NOW)]
    later = node.device_data("tank", [Metric(name="Level", value=2.5, timestamp_ms=NOW + 1)], NOW + 1)
    assert await bench.feed(births, later) == []
    (row,) = await world.rows(assets.node)
    assert row["foreign_node"]
    assert await count(telemetry, "Level") == 2
    assert (await world.rows(assets.last_value))[0]["number"] == 2.5


async def test_bad_quality_keeps_an_alarm_as_it_is(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, running=True, current=0.5)
    edge.journal(NOW + 20_000, current=0.4)
    edge.journal(NOW + 30_000, current=0.4, quality=Quality.BAD)
    edge.journal(NOW + 90_000, current=5.0, quality=Quality.BAD)
    await bench.feed([edge.send(n) for n in (1, 2, 3, 4)])
    (alarm,) = await world.rows(alarms.alarm)
    assert alarm["active"]


async def test_an_alarm_of_a_rule_that_the_device_no_longer_has_is_cleared(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, running=True, current=0.5)
    edge.journal(NOW + 20_000, current=0.4)
    await bench.feed(edge.send(1), edge.send(2))
    edge.overrides = '{"dry_run": {"enabled": false}}'
    await bench.feed(edge.births(NOW + 30_000))
    edge.journal(NOW + 31_000, current=0.4)
    await bench.feed(edge.send(3))
    (alarm,) = await world.rows(alarms.alarm)
    assert not alarm["active"]
    assert await world.rows(alarms.condition) == []


async def test_one_event_that_fails_holds_up_no_other_node(bench: Any, world: World) -> None:
    good = FakeEdge(pump_profile())
    bad = FakeEdge(pump_profile(), node="edge-2", journal_id="j2", devices=("pump-9",))
    await bench.born(good)
    await bench.born(bad)
    good.journal(NOW, pressure=1.0)
    bad.journal(NOW, pressure=1.0, device="pump-9")
    await refuse_inserts(world.engine, "last_value", why="a constraint", when="NEW.device_id = 2")
    await bench.feed(good.send(1), bad.send(1))
    assert await marks(world) == {"j1": 1, "j2": 0}
    (row,) = await world.rows(ingest.quarantine)
    assert "could not be processed" in row["reason"]
    assert bench.ingest.health().status == "degraded"


async def test_unreadable_overrides_are_shown_and_count_as_none(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile(), overrides='{"dry_run": {"on_dealy": "1s"}}')
    await bench.born(edge)
    dry_run(edge)
    await bench.feed([edge.send(n) for n in (1, 2, 3, 4)])
    (row,) = await world.rows(ingest.quarantine)
    assert row["metric"] == "Alarm/Overrides"
    assert len(await world.rows(alarms.alarm)) == 1

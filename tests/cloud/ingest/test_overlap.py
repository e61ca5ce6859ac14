"""A transaction under way while the next run is prepared: nothing is acknowledged early, lost, or taken out of turn."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from cloud.platform.database import transaction
from cloud.platform.schema import alarms, ingest, work_orders
from cloud.telemetry.embedded import EmbeddedTelemetry
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from tests.support.ingested import count, dry_run, marks, texts
from tests.support.pump_profile import pump_profile
from tests.support.refusals import allow_inserts, refuse_inserts
from wire.payload import Message


@pytest.fixture
async def edge(bench: Any) -> FakeEdge:
    bench.ingest._overlap = True
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    bench.world.clock.now_ms += 1000  # time enough for an acknowledgement
    return edge


async def advance(bench: Any, *messages: Message) -> list[object]:
    incoming = [bench.incoming(message) for message in messages]
    return texts(await bench.ingest.advance(bench.ingest.read(incoming)))


async def land(bench: Any) -> list[object]:
    bench.world.clock.now_ms += 1000
    return texts(await bench.ingest.land())


async def until(what: Any) -> None:
    for _ in range(500):
        if await what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


async def test_telemetry_goes_on_while_a_transaction_waits_and_nothing_is_acknowledged_before_its_own(
    bench: Any, world: World, telemetry: EmbeddedTelemetry, edge: FakeEdge
) -> None:
    for at in range(3):
        edge.journal(NOW + at, pressure=float(at))
    async with transaction(world.engine):  # nobody else writes
        assert await advance(bench, edge.send(1)) == []
        following = asyncio.create_task(advance(bench, edge.send(2), edge.send(1, historical=True)))

        async def both() -> bool:
            return await count(telemetry, "pressure") == 2

        await until(both)
        world.clock.now_ms += 1000
        assert texts(bench.ingest._tracking.outgoing(world.clock())) in ([], ["j1:0"])
        assert not following.done()
        assert await marks(world) == {"j1": 0}
    assert (await following)[-1:] in ([], ["j1:1"])
    assert await land(bench) == ["j1:2"]
    assert await marks(world) == {"j1": 2}
    await advance(bench, edge.send(3))
    assert await land(bench) == ["j1:3"]


@pytest.mark.parametrize(
    ("table", "cuts"),
    [("alarm", (1,)), ("alarm", (2,)), ("alarm", (1, 2, 3)), ("alarm_event", (3,)), ("journal", (2,))],
)
async def test_a_transaction_that_fails_under_way_changes_nothing_in_the_end(
    bench: Any, edge: FakeEdge, telemetry: EmbeddedTelemetry, table: str, cuts: tuple[int, ...]
) -> None:
    world = bench.world
    dry_run(edge)
    await refuse_inserts(world.engine, table, why="disk is full", passing=True)
    borders = [0, *cuts, 4]

    async def all_of_it() -> None:
        for begin, end in pairwise(borders):
            await advance(bench, *(edge.send(n) for n in range(begin + 1, end + 1)))
        await bench.ingest.land()

    feeding = asyncio.create_task(all_of_it())

    async def failed() -> bool:
        return bench.count("failures") > 0 or feeding.done()

    await until(failed)  # SQLite takes the refusal for one that never passes, and sets the records apart
    await allow_inserts(world.engine, table)
    await feeding
    await bench.feed(edge.births(NOW), edge.replay(), at_ms=NOW + 1_000)
    assert await marks(world) == {"j1": 4}
    assert await count(telemetry, "current") == 4
    (alarm,) = await world.rows(alarms.alarm)
    assert (alarm["raised_ms"], alarm["cleared_ms"], alarm["occurrences"]) == (NOW + 11_000, NOW + 65_000, 1)
    assert len(await world.rows(work_orders.work_order)) == 1


async def test_what_can_never_be_stored_is_set_apart_and_holds_up_no_other_node(
    bench: Any, world: World, edge: FakeEdge
) -> None:
    bad = FakeEdge(pump_profile(), node="edge-2", journal_id="j2", devices=("pump-9",))
    await bench.born(bad)
    edge.journal(NOW, pressure=1.0)
    edge.journal(NOW + 1, pressure=2.0)
    bad.journal(NOW, pressure=1.0, device="pump-9")
    await refuse_inserts(world.engine, "last_value", why="a constraint", when="NEW.device_id = 2")
    await advance(bench, edge.send(1), bad.send(1))
    assert [*await advance(bench, edge.send(2)), *await land(bench)] == ["j1:2"]
    assert await marks(world) == {"j1": 2, "j2": 0}
    (row,) = await world.rows(ingest.quarantine)
    assert "could not be processed" in row["reason"]


async def test_a_connection_that_is_lost_lets_go_of_what_is_under_way(
    bench: Any, world: World, telemetry: EmbeddedTelemetry, edge: FakeEdge
) -> None:
    dry_run(edge)
    async with transaction(world.engine):
        await advance(bench, edge.send(1), edge.send(2))
        await bench.ingest.abandon()
    bench.ingest.disconnected()
    assert await marks(world) == {"j1": 0}
    await bench.feed(edge.births(NOW), edge.replay())
    assert await marks(world) == {"j1": 4}
    assert await count(telemetry, "current") == 4
    assert len(await world.rows(work_orders.work_order)) == 1


async def test_births_wait_for_the_transaction_before_them(bench: Any, world: World, edge: FakeEdge) -> None:
    dry_run(edge)
    await advance(bench, edge.send(1), edge.send(2))
    bench.ingest._tracking.forget_nodes()
    await advance(bench, *edge.births(NOW), edge.send(3), edge.send(4))
    assert await land(bench) == ["j1:4"]
    (alarm,) = await world.rows(alarms.alarm)
    assert (alarm["active"], alarm["occurrences"]) == (False, 1)

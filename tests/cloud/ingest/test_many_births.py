"""Births by the hundred: what many wait for is asked for once, and nobody waits for all of them."""

from collections.abc import Sequence
from typing import Any

from cloud.ingest.tracking import AWAIT_MS, MOST_AWAITED
from cloud.platform.schema import assets
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from tests.support.ingested import marks, texts
from tests.support.pump_profile import pump_profile
from wire.payload import Message


def _rebirths(messages: Sequence[Message]) -> set[str]:
    """Give the nodes that are asked for their births."""
    return {message.topic.rsplit("/", 1)[1] for message in messages if b"Rebirth" in message.payload}


async def test_one_node_after_the_other_is_asked_for_a_profile_that_many_wait_for(bench: Any, world: World) -> None:
    profile = pump_profile()
    edges = [FakeEdge(profile, node=f"edge-{number}", journal_id=f"j{number}") for number in (1, 2, 3)]
    out = await bench.feed(*(edge.births(NOW) for edge in edges))
    assert texts(out).count(profile.hash) == 1
    assert texts(await bench.feed(at_ms=NOW + 500)) == []
    asked = [message.topic for message in out]
    for later in (1000, 2000):
        out = await bench.feed(at_ms=NOW + later)
        assert texts(out) == [profile.hash]
        asked += [message.topic for message in out]
    assert len(set(asked)) == 3
    assert texts(await bench.feed(at_ms=NOW + 3000)) == []  # each had its time to answer
    await bench.feed(edges[1].document(NOW + 3500))
    assert len(await world.rows(assets.device)) == 3
    assert bench.ingest.health().status == "ok"


async def test_more_devices_than_one_transaction_takes_are_born_before_their_records(bench: Any, world: World) -> None:
    devices = tuple(f"pump-{number}" for number in range(520))
    edge = FakeEdge(pump_profile(), devices=devices)
    edge.journal(NOW, pressure=1.0, device=devices[-1])
    await bench.feed(edge.births(NOW))
    assert await world.rows(assets.device) == []
    await bench.feed(edge.document(NOW), edge.send(1))
    assert len(await world.rows(assets.device)) == 520
    assert await marks(world) == {"j1": 1}


async def test_a_node_that_dies_while_its_devices_wait_is_waited_for_no_longer(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile(), devices=("pump-1", "pump-2"))
    await bench.feed(edge.births(NOW))
    assert bench.ingest.health().detail == "2 devices wait for their profile"
    await bench.feed(edge.session.death(NOW))
    assert bench.ingest.health().status == "ok"
    assert await world.rows(assets.device) == []


async def test_after_an_outage_nodes_are_asked_for_their_births_some_at_a_time(bench: Any, world: World) -> None:
    profile = pump_profile()
    names = [f"edge-{number}" for number in range(MOST_AWAITED + 30)]
    edges = {name: FakeEdge(profile, node=name, journal_id=name) for name in names}
    for edge in edges.values():
        edge.births(NOW)  # told before our start
    out = await bench.feed(*(edge.token("t", NOW) for edge in edges.values()))
    asked = _rebirths(out)
    assert len(asked) == MOST_AWAITED
    out = await bench.feed(*(edges[name].births(NOW) for name in sorted(asked)[:10]))
    assert len(_rebirths(out)) == 10  # the next ones in the place of those that have come
    assert _rebirths(await bench.feed(at_ms=NOW + 5000)) == set()
    out = await bench.feed(at_ms=NOW + AWAIT_MS)  # whoever does not answer is not waited for
    assert len(_rebirths(out)) == 20


async def test_a_node_that_is_born_before_its_turn_is_not_asked(bench: Any, world: World) -> None:
    profile = pump_profile()
    edges = [FakeEdge(profile, node=f"edge-{number}", journal_id=f"j{number}") for number in range(MOST_AWAITED + 1)]
    for edge in edges:
        edge.births(NOW)
    out = await bench.feed(*(edge.token("t", NOW) for edge in edges))
    assert len(_rebirths(out)) == MOST_AWAITED
    await bench.feed(edges[-1].births(NOW))
    assert _rebirths(await bench.feed(at_ms=NOW + AWAIT_MS)) == set()

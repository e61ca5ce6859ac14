"""While no ingest process works, REST says so, and since when: what it shows of devices is old by then."""

import httpx

from cloud.assets import service as assets
from cloud.ingest import repository
from cloud.ingest.standstill import STALE_MS, Standstill, standstill
from cloud.platform.database import reading, transaction
from tests.support.cloud import NOW, Town
from tests.support.cloud_world import World


async def _node(world: World, now_ms: int) -> None:
    async with transaction(world.engine) as conn:
        number = await assets.node_born(
            conn, group="garden", node="edge-1", version="1", config_revision="", foreign=False, now_ms=now_ms
        )
        await assets.nodes_seen(conn, {number: now_ms})


async def _held(world: World, now_ms: int) -> None:
    async with transaction(world.engine) as conn:
        await repository.put_lease(conn, owner="a", process="ingest", replaces=None, now_ms=now_ms)


async def _asked(world: World, now_ms: int) -> Standstill | None:
    async with reading(world.engine) as conn:
        return await standstill(conn, now_ms)


async def test_a_lease_that_is_beaten_says_that_data_is_received(world: World) -> None:
    await _node(world, NOW)
    await _held(world, NOW)
    assert await _asked(world, NOW + STALE_MS - 1) is None
    async with transaction(world.engine) as conn:
        assert await repository.beat_lease(conn, owner="a", now_ms=NOW + STALE_MS)
    assert await _asked(world, NOW + STALE_MS) is None


async def test_after_a_kill_data_stands_still_since_the_last_beat(world: World) -> None:
    await _node(world, NOW)
    await _held(world, NOW + 5)
    assert await _asked(world, NOW + 5 + STALE_MS) == Standstill(since_ms=NOW + 5)


async def test_after_a_stop_data_stands_still_since_an_agent_was_heard_of(world: World) -> None:
    await _node(world, NOW)
    await _held(world, NOW + 5)
    async with transaction(world.engine) as conn:
        await repository.drop_lease(conn, owner="a")
    assert await _asked(world, NOW + 10) == Standstill(since_ms=NOW)


async def test_where_no_agent_was_ever_heard_of_nothing_stands_still(world: World) -> None:
    assert await _asked(world, NOW) is None
    await _held(world, NOW)
    assert await _asked(world, NOW + 10 * STALE_MS) is None


async def test_rest_tells_whether_data_is_received(town: Town) -> None:
    async with town.client("viewer") as client:
        assert (await client.get("/api/v1/ingest")).json() == {"receiving": True, "since_ms": None}
        await town.device()
        async with transaction(town.engine) as conn:
            await repository.put_lease(conn, owner="a", process="ingest", replaces=None, now_ms=NOW - STALE_MS)
        assert (await client.get("/api/v1/ingest")).json() == {"receiving": False, "since_ms": NOW - STALE_MS}
    async with town.client() as client:
        assert (await client.get("/api/v1/ingest")).status_code == httpx.codes.UNAUTHORIZED

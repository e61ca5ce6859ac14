"""Ingest while the store of time series is away: nothing is acknowledged, it is told, and it goes on by itself.

The embedded store that another process holds is in tests/cloud/ingest/test_service.py.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cloud.ingest.memory import Incoming
from cloud.ingest.metrics import IngestMetrics
from cloud.ingest.service import Ingest
from cloud.ingest.tables import journal
from cloud.telemetry.api import TelemetryStore
from cloud.telemetry.embedded import EmbeddedTelemetry
from cloud.telemetry.influx import InfluxSettings, InfluxTelemetry
from runtime.lifecycle import Backoff
from tests.support.cloud_world import NOW, World, cloud_world
from tests.support.fake_edge import FakeEdge
from tests.support.pump_profile import pump_profile
from tests.support.series_servers import Relay, influxdb
from wire.host import Host
from wire.payload import Message, decode


class Bench:
    """The real ingest over a store, fed by hand."""

    def __init__(self, world: World, telemetry: TelemetryStore) -> None:
        self.world = world
        self.ingest = Ingest(
            engine=world.engine,
            telemetry=telemetry,
            host=Host(reorder_timeout_ms=2000),
            clock=world.clock,
            metrics=IngestMetrics(CollectorRegistry()),
            backoff=Backoff(random=lambda: 0.5, first=timedelta(milliseconds=5), limit=timedelta(milliseconds=50)),
        )

    async def feed(self, *messages: Message) -> list[Message]:
        incoming = [Incoming(topic=one.topic, payload=one.payload, at_ms=self.world.clock()) for one in messages]
        return await self.ingest.process(incoming)

    async def born(self, edge: FakeEdge) -> None:
        out = await self.feed(*edge.births(NOW))
        if any(edge.profile.hash in str(decode(message.payload)) for message in out):
            await self.feed(edge.document(NOW))

    async def watermark(self) -> int:
        rows = await self.world.rows(journal)
        return max((row["watermark"] for row in rows), default=0)

    async def trouble(self) -> str:
        for _ in range(1500):
            if self.ingest.health().status == "down":
                return self.ingest.health().detail
            await asyncio.sleep(0.02)
        raise AssertionError("it never told")


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    async with cloud_world(tmp_path, database_url) as world:
        yield world


async def count(telemetry: TelemetryStore, device_id: int = 1) -> list[float | str | None]:
    found = await telemetry.series(
        device_id=device_id, point="pressure", from_ms=NOW - 1000, to_ms=NOW + 9000, max_points=10_000
    )
    assert all(one.count == 1 for one in found)
    return [one.last for one in found]


async def test_ingest_waits_for_influxdb_that_was_killed_and_stores_everything_once(
    world: World, tmp_path: Path
) -> None:
    with influxdb(tmp_path / "influx") as server, Relay(server) as relay:
        telemetry = InfluxTelemetry(InfluxSettings(url=relay.url, org="-", bucket="linli/autogen", database="linli"))
        bench = Bench(world, telemetry)
        edge = FakeEdge(pump_profile())
        await bench.born(edge)
        edge.journal(NOW, pressure=1.0)
        await bench.feed(edge.send(1))
        assert await bench.watermark() == 1
        server.kill()
        edge.journal(NOW + 1, pressure=2.0)
        edge.journal(NOW + 2, pressure=3.0)
        feeding = asyncio.create_task(bench.feed(edge.send(2), edge.send(3)), name="feeding")
        detail = await bench.trouble()
        assert "nothing is stored or acknowledged: the telemetry store does not work" in detail
        assert await bench.watermark() == 1
        assert not feeding.done()
        await asyncio.to_thread(server.start)
        await feeding
        assert bench.ingest.health().status == "ok"
        assert await bench.watermark() == 3
        await bench.feed(*edge.replay())
        assert await count(telemetry) == [1.0, 2.0, 3.0]
        await telemetry.close()


async def test_ingest_waits_for_a_damaged_file_until_somebody_has_replaced_it(world: World, tmp_path: Path) -> None:
    file = tmp_path / "telemetry.db"
    await asyncio.to_thread(file.write_bytes, b"damaged " * 1000)
    telemetry = EmbeddedTelemetry(file)
    bench = Bench(world, telemetry)
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=1.0)
    feeding = asyncio.create_task(bench.feed(edge.send(1)), name="feeding")
    assert "not a database" in await bench.trouble()
    assert await bench.watermark() == 0
    await asyncio.to_thread(file.rename, tmp_path / "telemetry.db.damaged")
    await feeding
    assert await count(telemetry) == [1.0]
    assert await bench.watermark() == 1
    assert await asyncio.to_thread((tmp_path / "telemetry.db.damaged").read_bytes) == b"damaged " * 1000
    await telemetry.close()


async def test_ingest_waits_while_the_file_may_not_grow(world: World, tmp_path: Path) -> None:
    file = tmp_path / "telemetry.db"
    telemetry = EmbeddedTelemetry(file)
    bench = Bench(world, telemetry)
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=1.0)
    await bench.feed(edge.send(1))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        # The store's connections see a full database: refused by the file itself, until the trigger is gone.
        other.execute("CREATE TRIGGER full BEFORE INSERT ON recent BEGIN "
                      "SELECT RAISE(ABORT, 'database or disk is full'); END")  # fmt: skip
        edge.journal(NOW + 1, pressure=2.0)
        feeding = asyncio.create_task(bench.feed(edge.send(2)), name="feeding")
        assert "free some space" in await bench.trouble()
        assert await bench.watermark() == 1
        other.execute("DROP TRIGGER full")
        await feeding
    assert await count(telemetry) == [1.0, 2.0]
    assert bench.ingest.health().status == "ok"
    await telemetry.close()

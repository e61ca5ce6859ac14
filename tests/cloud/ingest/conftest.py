from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cloud.ingest.memory import Incoming
from cloud.ingest.metrics import IngestMetrics
from cloud.ingest.service import Ingest
from cloud.telemetry.api import TelemetryStore
from cloud.telemetry.embedded import EmbeddedTelemetry
from runtime.lifecycle import Backoff
from tests.support.cloud_world import World, cloud_world
from tests.support.fake_edge import FakeEdge
from wire.host import Host
from wire.payload import Message, decode


class Bench:
    """An ingest that a test feeds by hand. `acks` and `sent` are what it said downwards."""

    def __init__(self, world: World, telemetry: TelemetryStore) -> None:
        self.world = world
        self.registry = CollectorRegistry()
        self.metrics = IngestMetrics(self.registry)
        self.host = Host(reorder_timeout_ms=2000)
        self.telemetry = telemetry
        self.ingest = Ingest(
            engine=world.engine,
            telemetry=telemetry,
            host=self.host,
            clock=world.clock,
            metrics=self.metrics,
            backoff=Backoff(random=lambda: 0.5, first=timedelta(milliseconds=1), limit=timedelta(milliseconds=5)),
        )
        self.sent: list[Message] = []

    async def feed(self, *messages: Message | Sequence[Message], at_ms: int | None = None) -> list[Message]:
        """Give messages in one batch; what is to be published, after time enough for every acknowledgement."""
        flat: list[Message] = []
        for one in messages:
            flat.extend([one] if isinstance(one, Message) else one)
        if at_ms is not None:
            self.world.clock.now_ms = at_ms
        out = await self.ingest.process([self.incoming(message) for message in flat])
        self.sent += out
        return out

    def incoming(self, message: Message) -> Incoming:
        """Receive a message now."""
        return Incoming(topic=message.topic, payload=message.payload, at_ms=self.world.clock())

    async def born(self, edge: FakeEdge) -> None:
        """Let an edge be born, and answer the request for its profile."""
        now_ms = self.world.clock()
        out = await self.feed(edge.births(now_ms))
        if any(edge.profile.hash in str(decode(message.payload)) for message in out):
            await self.feed(edge.document(now_ms))
        self.sent.clear()

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"linli_ingest_{name}_total", labels) or 0.0


def values(message: Message) -> list[object]:
    return [metric.value for metric in decode(message.payload).metrics]


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    async with cloud_world(tmp_path, database_url) as world:
        yield world


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[EmbeddedTelemetry]:
    store = EmbeddedTelemetry(tmp_path / "telemetry.db", patience=timedelta(milliseconds=50))
    yield store
    await store.close()


@pytest.fixture
def bench(world: World, telemetry: EmbeddedTelemetry) -> Bench:
    return Bench(world, telemetry)

"""What ingest has made of messages: acknowledgements, watermarks, stored series."""

from collections.abc import Sequence

from cloud.platform.schema import ingest
from cloud.telemetry.api import Bucket
from cloud.telemetry.embedded import EmbeddedTelemetry
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from wire.payload import Message, decode


def texts(messages: Sequence[Message]) -> list[object]:
    return [metric.value for message in messages for metric in decode(message.payload).metrics]


async def marks(world: World) -> dict[str, int]:
    return {row["journal_id"]: row["watermark"] for row in await world.rows(ingest.journal)}


async def stored(telemetry: EmbeddedTelemetry, point: str, device_id: int = 1) -> tuple[Bucket, ...]:
    return await telemetry.series(
        device_id=device_id, point=point, from_ms=NOW - 10**7, to_ms=NOW + 10**7, max_points=5000
    )


async def count(telemetry: EmbeddedTelemetry, point: str) -> int:
    return sum(bucket.count for bucket in await stored(telemetry, point))


def dry_run(edge: FakeEdge, at_ms: int = NOW) -> None:
    """A pump that runs without water for a minute, then with water again."""
    edge.journal(at_ms, running=True, current=5.0)
    edge.journal(at_ms + 1_000, current=0.5)
    edge.journal(at_ms + 60_000, current=5.0)
    edge.journal(at_ms + 120_000, current=5.1)

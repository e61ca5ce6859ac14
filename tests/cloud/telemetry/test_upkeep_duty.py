import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from datetime import timedelta
from pathlib import Path

from cloud.telemetry.api import Sample
from cloud.telemetry.domain import HOUR_MS
from cloud.telemetry.embedded import EmbeddedTelemetry
from cloud.telemetry.upkeep import Upkeep

NOON = 1_790_000_000_000 // HOUR_MS * HOUR_MS


@asynccontextmanager
async def on_duty(store: EmbeddedTelemetry) -> AsyncIterator[Upkeep]:
    upkeep = Upkeep(
        store,
        clock=lambda: NOON + HOUR_MS,
        pause=timedelta(milliseconds=1),
        rest=timedelta(milliseconds=10),
    )
    task = asyncio.create_task(upkeep.run(), name="upkeep")
    try:
        yield upkeep
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(500):
        if await what():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass")


async def test_the_worker_rolls_up_what_ingest_writes_while_ingest_goes_on_writing(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.db"
    ingest, worker = EmbeddedTelemetry(file), EmbeddedTelemetry(file)

    async def hours() -> bool:
        with closing(sqlite3.connect(file)) as connection:
            return bool(connection.execute("SELECT count(*) FROM hour").fetchone()[0] == 30 * 50)

    async with on_duty(worker) as upkeep:
        for batch in range(50):
            samples = [
                Sample(device_id=device, point="p", at_ms=NOON - batch * HOUR_MS - n * 60_000, value=1.0, quality=192)
                for device in range(30)
                for n in range(1, 60)
            ]
            assert await ingest.write(samples) == len(samples)
        await until(hours)
        assert upkeep.health().status == "ok"
    await ingest.close()
    await worker.close()


async def test_a_file_that_others_hold_is_told_and_tried_again(tmp_path: Path) -> None:
    store = EmbeddedTelemetry(tmp_path / "telemetry.db", patience=timedelta(milliseconds=20))
    await store.write([Sample(device_id=1, point="p", at_ms=NOON, value=1.0, quality=192)])
    with closing(sqlite3.connect(tmp_path / "telemetry.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with on_duty(store) as upkeep:

            async def status(wanted: str) -> bool:
                return upkeep.health().status == wanted

            await until(lambda: status("degraded"))
            assert "locked" in upkeep.health().detail
            other.execute("ROLLBACK")
            await until(lambda: status("ok"))
    await store.close()

"""The limit that the stores set: the same samples, last values and watermarks in the same transactions, undecided.

Usage: `bare.py DATABASE_URL TELEMETRY_FILE BATCH SECONDS`. Prints JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cloud.assets import service as assets
from cloud.assets.domain import LastValue
from cloud.ingest import repository
from cloud.platform.database import open_engine, transaction
from cloud.telemetry.api import Sample
from cloud.telemetry.embedded import EmbeddedTelemetry
from drivers.profile import Label
from runtime.bench import CannotRun
from tests.benchmarks.ingest_parts.stream import GROUP
from tests.benchmarks.ingest_parts.world import World
from tests.support.programs import started

_NODES, _DEVICES, _POINTS = 100, 20, 50
_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """What the stores take: metrics a second, and the processor time of one (us) without PostgreSQL's own."""

    a_second: float
    cpu_us: float


def bare_rate(world: World, *, batch: int, seconds: float) -> Limit:
    """Measure what the stores take on the core of ingest, in batches of so many metrics."""
    mine, _ = world.cores
    command = [sys.executable, "-m", "tests.benchmarks.ingest_parts.bare", world.database_url]
    command += [str(world.folder / "bare.db"), str(batch), str(seconds)]
    with started(command, cores=mine, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        said, _ = process.communicate()
    if process.returncode:
        raise CannotRun("the bare store has failed; what it said stands above")
    told: dict[str, float] = json.loads(said)
    return Limit(a_second=told["metrics"] / told["seconds"], cpu_us=1e6 * told["cpu"] / told["metrics"])


def _rows(turn: int, batch: int, devices: list[int]) -> tuple[list[Sample], list[LastValue]]:
    """Make the samples of a batch: of each device in turn all points, at another time in each turn."""
    now_ms = time.time_ns() // 1_000_000
    places = [
        (devices[(turn * batch + number) // _POINTS % len(devices)], f"value_{number % _POINTS}", now_ms + number)
        for number in range(batch)
    ]
    samples = [
        Sample(device_id=device, point=point, at_ms=at_ms, value=at_ms % 1000 / 10, quality=192)
        for device, point, at_ms in places
    ]
    newest = {
        (one.device_id, one.point): LastValue(
            device_id=one.device_id,
            point=one.point,
            value=one.value,
            quality=one.quality,
            at_ms=one.at_ms,
            received_ms=now_ms,
        )
        for one in samples
    }
    return samples, list(newest.values())


async def _main(url: str, file: Path, batch: int, seconds: float) -> dict[str, float]:
    engine = open_engine(url)
    telemetry = EmbeddedTelemetry(file)
    devices: list[int] = []
    async with transaction(engine) as conn:
        nodes = [
            await assets.node_born(
                conn, group=GROUP, node=f"bare-{number}", version="", config_revision="", foreign=False, now_ms=0
            )
            for number in range(_NODES)
        ]
        for node_id in nodes:
            for number in range(_DEVICES):
                row = await assets.device_born(
                    conn,
                    node_id=node_id,
                    name=f"device-{number}",
                    profile_hash=None,
                    overrides="{}",
                    label=Label(zh="设备", en="Device"),
                    place="Tower 1/Roof",
                    kind="pump",
                    now_ms=0,
                )
                devices.append(row.id)
    for turn in range(len(devices) * _POINTS // batch + 1):
        # Every series and every last value is there already, as with ingest when it is measured.
        samples, newest = _rows(turn, batch, devices)
        await telemetry.write(samples)
        async with transaction(engine) as conn:
            await assets.put_last_values(conn, newest)
    stored, spent, cpu = 0, 0.0, 0.0
    for turn in count():
        samples, newest = _rows(turn, batch, devices)
        started, worked = time.perf_counter(), time.process_time()
        await telemetry.write(samples)
        async with transaction(engine) as conn:
            await assets.put_last_values(conn, newest)
            marks = [(node_id, "bare", turn) for node_id in nodes]
            await repository.put_watermarks(conn, marks, samples[0].at_ms)
        spent += time.perf_counter() - started
        cpu += time.process_time() - worked
        stored += len(samples)
        if spent >= seconds:
            break
    await telemetry.close()
    await engine.dispose()
    return {"metrics": stored, "seconds": spent, "cpu": cpu}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))))

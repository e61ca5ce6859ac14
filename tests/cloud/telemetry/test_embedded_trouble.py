"""A full disk, a file that is damaged, and a file that is none of ours: told, and nothing is deleted."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cloud.platform.errors import Unavailable
from cloud.telemetry.api import Sample
from cloud.telemetry.embedded import EmbeddedTelemetry

NOON = 1_790_000_000_000


def sample(at_ms: int, value: float | str = 1.0) -> Sample:
    return Sample(device_id=1, point="p", at_ms=at_ms, value=value, quality=192)


async def test_a_damaged_file_is_told_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.db"
    store = EmbeddedTelemetry(file)
    await store.write([sample(NOON + at, "text " * 100) for at in range(500)])
    await store.close()
    damaged = bytearray(file.read_bytes())
    damaged[4096:] = os.urandom(len(damaged) - 4096)  # the first page still says that it is a database
    file.write_bytes(damaged)
    store = EmbeddedTelemetry(file)
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"malformed.*stays as it is") as caught:
            await store.write([sample(NOON + 1000)])
        assert caught.value.remedy is not None
        assert (store.health().status, str(file) in store.health().detail) == ("down", True)
    with pytest.raises(Unavailable):
        await store.maintain(NOON)
    await store.close()
    assert file.read_bytes() == bytes(damaged)


async def test_a_file_that_is_no_database_is_told_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.db"
    file.write_bytes(b"somebody's letter " * 1000)
    store = EmbeddedTelemetry(file)
    with pytest.raises(Unavailable, match="not a database"):
        await store.write([sample(NOON)])
    with pytest.raises(Unavailable, match="not a database"):
        await store.series(device_id=1, point="p", from_ms=0, to_ms=NOON, max_points=10)
    await store.close()
    assert file.read_bytes() == b"somebody's letter " * 1000


async def test_health_is_good_again_when_the_file_is(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.db"
    file.write_bytes(b"x" * 1000)
    store = EmbeddedTelemetry(file)
    with pytest.raises(Unavailable):
        await store.write([sample(NOON)])
    file.rename(tmp_path / "kept-for-later")
    assert await store.write([sample(NOON)]) == 1
    assert store.health().status == "ok"
    await store.close()


CHILD = f"""
import asyncio, resource, sys
from pathlib import Path
from cloud.platform.errors import Unavailable
from cloud.telemetry.api import Sample
from cloud.telemetry.embedded import EmbeddedTelemetry

def sample(at_ms):
    return Sample(device_id=1, point="p", at_ms=at_ms, value="a long text " * 20, quality=192)

async def main():
    store = EmbeddedTelemetry(Path(sys.argv[1]))
    written = 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    while True:
        try:
            written += await store.write([sample({NOON} + written + n) for n in range(100)])
        except Unavailable as error:
            assert store.health().status == "down", store.health()
            print(error, flush=True)
            break
    try:
        await store.maintain({NOON} + 86_400_000)
    except Unavailable as error:
        print(error, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    written += await store.write([sample({NOON} + written + n) for n in range(100)])
    assert store.health().status == "ok", store.health()
    while await store.maintain({NOON} + 86_400_000):
        pass
    (bucket,) = await store.series(device_id=1, point="p", from_ms={NOON}, to_ms={NOON} + 10**7, max_points=1)
    print(written, bucket.count)
    await store.close()

asyncio.run(main())
"""


def test_a_disk_without_room_is_told_and_nothing_is_lost_or_half_written(tmp_path: Path) -> None:
    """A limit of the size of files stands for the full disk: the write fails in the same place."""
    file = tmp_path / "telemetry.db"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(file)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert "the telemetry store does not work" in first
    written, counted = last.split()
    assert written == counted
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

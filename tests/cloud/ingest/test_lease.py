"""Two ingest processes on one database: the second is refused, and takes over when the first was killed."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from cloud.ingest.lease import Lease, LeaseTaken, held
from cloud.ingest.service import Ingest
from cloud.platform.schema import ingest
from cloud.telemetry.embedded import EmbeddedTelemetry
from runtime.lifecycle import Backoff
from tests.support.broker import free_port
from tests.support.cloud import fresh_database
from tests.support.cloud_world import World
from tests.support.fake_edge import FakeEdge
from tests.support.pump_profile import pump_profile

ROOT = Path(__file__).resolve().parents[3]


def lease(world: World, owner: str) -> Lease:
    return Lease(
        world.engine,
        owner=owner,
        process=f"process of {owner}",
        clock=world.clock,
        monotonic=time.monotonic,
        beat=timedelta(milliseconds=50),
        silence=timedelta(milliseconds=1500),
    )


async def test_a_second_process_is_refused_and_told_who_is_there(world: World) -> None:
    async with held(lease(world, "first")):
        with pytest.raises(LeaseTaken, match="another ingest process works on this database: process of first"):
            await lease(world, "second").take()
    assert await world.rows(ingest.lease) == []


async def test_a_clean_end_lets_the_next_begin_at_once(world: World) -> None:
    for owner in ("first", "second", "third"):
        async with held(lease(world, owner)):
            (row,) = await world.rows(ingest.lease)
            assert row["owner"] == owner


async def test_the_lease_of_a_dead_process_is_taken_over(world: World) -> None:
    await lease(world, "dead").take()
    async with held(lease(world, "second")):
        (row,) = await world.rows(ingest.lease)
        assert row["owner"] == "second"


async def test_of_two_that_wait_for_a_dead_process_one_begins(world: World) -> None:
    await lease(world, "dead").take()
    results = await asyncio.gather(
        *(lease(world, owner).take() for owner in ("second", "third")), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["LeaseTaken", "NoneType"]


async def test_who_was_taken_for_dead_ends_when_it_comes_back(world: World) -> None:
    async def work() -> None:
        async with held(lease(world, "first")):
            async with world.engine.begin() as conn:
                await conn.execute(ingest.lease.update().values(owner="second", process="process of second"))
            await asyncio.sleep(30)

    with pytest.raises(LeaseTaken, match="process of second"):
        await work()


async def test_an_error_of_the_work_itself_comes_out_alone(world: World) -> None:
    with pytest.raises(OSError, match="port taken"):
        async with held(lease(world, "first")):
            raise OSError("port taken")
    assert await world.rows(ingest.lease) == []


async def test_who_was_taken_for_dead_stores_nothing_any_more(world: World, telemetry: EmbeddedTelemetry) -> None:
    from tests.cloud.ingest.conftest import Bench  # noqa: PLC0415 - a class of the fixtures

    bench = Bench(world, telemetry)
    mine = lease(world, "first")
    await mine.take()
    bench.ingest = Ingest(
        engine=world.engine,
        telemetry=telemetry,
        host=bench.host,
        clock=world.clock,
        metrics=bench.metrics,
        backoff=Backoff(random=lambda: 0.5),
        lease=mine,
    )
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(world.clock(), pressure=1.0)
    edge.journal(world.clock() + 1, pressure=2.0)
    await bench.feed(edge.send(1))
    await mine.give_back()
    await lease(world, "second").take()
    with pytest.raises(LeaseTaken):
        await bench.feed(edge.send(2))
    assert [row["watermark"] for row in await world.rows(ingest.journal)] == [1]


# --- real processes --------------------------------------------------------------------------------------------------


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    fresh_database(tmp_path)
    (tmp_path / "password").write_text("x")
    (tmp_path / "cloud.toml").write_text(
        f"""
schema = 1
[database]
url = "sqlite+aiosqlite:///linli.db"
[broker]
port = {free_port()}
password_file = "password"
[ingest.http]
port = 0
"""
    )
    with ExitStack() as stack:

        def one() -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "linli", "cloud", "ingest", "--config", str(tmp_path / "cloud.toml")]
            process = stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            )
            stack.callback(end, process)
            return process

        yield one


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()


def holder(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "linli.db", timeout=10)) as connection:
        row = connection.execute("SELECT process FROM ingest_lease").fetchone()
    return str(row[0]) if row is not None else ""


def until(holds: Callable[[], bool], what: str) -> None:
    for _ in range(600):
        with suppress(sqlite3.OperationalError):
            if holds():
                return
        time.sleep(0.05)
    pytest.fail(f"never happened: {what}")


@pytest.mark.system
def test_a_second_process_cannot_start_before_the_first_was_killed(
    tmp_path: Path, start: Callable[[], subprocess.Popen[str]]
) -> None:
    first = start()
    until(lambda: holder(tmp_path).endswith(f"process {first.pid}"), "the first holds the lease")
    second = start()
    assert second.wait(timeout=60) == 1
    assert second.stderr is not None
    assert "another ingest process works on this database" in second.stderr.read()
    os.kill(first.pid, signal.SIGKILL)
    third = start()
    until(lambda: holder(tmp_path).endswith(f"process {third.pid}"), "the third has taken over")
    third.terminate()
    assert third.wait(timeout=60) == 0
    assert holder(tmp_path) == ""

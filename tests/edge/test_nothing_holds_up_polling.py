"""Devices are read in their rhythm while the broker says nothing, and while the disk takes a second for everything."""

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.broker import Broker, running_broker
from tests.support.changing_site import ChangingSite
from tests.support.counted_modbus import CountedModbus, counted_modbus
from tests.support.edge_site import USERS, listening_host, running_agent

pytestmark = pytest.mark.system
_WATCHED_S = 4.0
_LONGEST_S = 0.6
"""The rhythm is 100 ms; what is looked for are pauses of a second and more."""


def longest_pause(units: CountedModbus, since: float) -> float:
    times = [at for at in units.times_of(1) if at >= since]
    assert len(times) > _WATCHED_S / 0.3, "the device was read on"
    return max(later - earlier for earlier, later in pairwise(times))


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Take connections and what is said on them, and never answer."""
    heard: list[bytes] = []
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while data := await reader.read(1000):
                heard.append(data)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
        await asyncio.gather(*filter(None, serving))  # the agent has gone, and hung up


@contextlib.contextmanager
def slow_disk(file: Path) -> Iterator[list[float]]:
    """Let every write to a journal take a second or so: another connection holds its lock nearly all the time."""
    held: list[float] = []
    stop = threading.Event()

    def hold() -> None:
        with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=5.0)) as db:
            while not stop.is_set():
                db.execute("BEGIN IMMEDIATE")
                stop.wait(1.0)
                db.execute("COMMIT")
                held.append(time.monotonic())
                stop.wait(0.15)  # longer than SQLite's pauses between two attempts

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield held
    finally:
        stop.set()
        thread.join()


async def keep_changing(units: CountedModbus) -> None:
    for number in range(1_000_000):
        units.registers[1][0] = 20 + number % 2 * 50
        await asyncio.sleep(0.1)


async def test_a_broker_that_never_answers(tmp_path: Path) -> None:
    async with counted_modbus(1) as units, silent_server() as (port, heard):
        broker = Broker(folder=tmp_path / "none", users=USERS, port=port)
        site = ChangingSite(
            folder=tmp_path, broker=broker, buses={"line": units.port}, devices={"pump-1": ("line", 1, "bench-pump")}
        )
        async with running_agent(site.write()), asyncio.timeout(60):
            await site.checks(lambda checks: bool(heard) and checks["bus:line"]["status"] == "ok")
            since = time.monotonic()
            await asyncio.sleep(_WATCHED_S)
            assert longest_pause(units, since) < _LONGEST_S
            checks = await site.checks(lambda checks: checks["broker"]["status"] == "degraded")
            assert checks["journal"]["status"] == "ok"


async def test_a_disk_that_takes_a_second_for_a_write(tmp_path: Path) -> None:
    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        counted_modbus(1) as units,
        listening_host(broker) as host,
    ):
        site = ChangingSite(
            folder=tmp_path, broker=broker, buses={"line": units.port}, devices={"pump-1": ("line", 1, "bench-pump")}
        )
        async with running_agent(site.write()):
            await host.until(lambda: [one for one in host.taken if "locked" in one.metrics])
            changing = asyncio.create_task(keep_changing(units))
            with slow_disk(tmp_path / "data" / "journal.sqlite") as held:
                since, before = time.monotonic(), len(host.taken)
                await asyncio.sleep(_WATCHED_S)
                assert longest_pause(units, since) < _LONGEST_S
                assert len(held) >= 2
            changing.cancel()
            await host.until(lambda: host.taken[before:], 10)
    assert [one.offset for one in host.taken] == list(range(1, len(host.taken) + 1))

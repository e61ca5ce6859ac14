"""What happens when the gates cannot run: the agent's other work goes on, and they are tried again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from edge.gate.config import GatehouseSettings
from edge.gate.gate import Gate
from edge.gate.plan import GatePlan
from edge.gate.running import GateHost, Gates
from runtime.config import validate
from runtime.health import Health, Status
from runtime.lifecycle import Backoff


def host_in(folder: Path, health: Health) -> GateHost:
    return GateHost(
        community="sunshine-garden",
        agent="edge-1",
        data=folder / "data",
        path=lambda name: folder / name,
        target=lambda _: None,
        accepts=lambda _: False,
        connected=lambda: True,
        waiting=lambda: 0,
        clock_trusted=lambda: True,
        time_quality=lambda: "good",
        clock_ms=lambda: time.time_ns() // 1_000_000,
        new_id=lambda: "1",
        random=lambda: 0.5,
        health=health,
    )


def gates_in(folder: Path, key_file: str) -> Gates:
    house = validate("test", {"key_file": key_file}, GatehouseSettings)
    backoff = Backoff(random=lambda: 0.0)
    return Gates(GatePlan(house=house), host_in(folder, Health(process="test", version="1")), backoff=backoff)


async def until(gates: Gates, status: Status) -> str:
    async with asyncio.timeout(20):
        while True:
            check = gates.check()
            if check.status is status and check.detail != "not open yet":
                return check.detail
            await asyncio.sleep(0.02)


async def test_a_key_that_lies_with_its_data_is_refused_and_tried_again(tmp_path: Path) -> None:
    gates = gates_in(tmp_path, "data/gates/faces.key")
    task = asyncio.create_task(gates.run())
    try:
        assert "lies in the data folder" in await until(gates, Status.DEGRADED)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_damaged_database_keeps_the_gates_shut_until_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "data" / "gates" / "people.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database" * 1000)
    (tmp_path / "keys").mkdir()
    gates = gates_in(tmp_path, "keys/faces.key")
    task = asyncio.create_task(gates.run())
    try:
        assert await until(gates, Status.DEGRADED)
        file.unlink()
        await until(gates, Status.OK)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_what_nobody_foresaw_ends_no_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = True

    def attach(*_: object) -> None:
        if broken:
            raise ZeroDivisionError("a bug")

    monkeypatch.setattr("edge.gate.running.attach", attach)
    gates = gates_in(tmp_path, "keys/faces.key")
    task = asyncio.create_task(gates.run())
    try:
        assert await until(gates, Status.DEGRADED) == "a bug"
        broken = False
        await until(gates, Status.OK)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_models_that_nobody_foresaw_failing_end_no_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = True

    def load(*_: object) -> dict[str, object]:
        if broken:
            raise ZeroDivisionError("a bug in a model")
        return {}

    monkeypatch.setattr("edge.gate.running.load", load)
    gates = gates_in(tmp_path, "keys/faces.key")
    task = asyncio.create_task(gates.run())
    try:
        assert await until(gates, Status.DEGRADED) == "a bug in a model"
        house = validate("test", {"key_file": "keys/faces.key", "data": "elsewhere"}, GatehouseSettings)
        async with gates.changing(GatePlan(house=house)):
            assert not task.done()
        assert await until(gates, Status.DEGRADED) == "a bug in a model"
        broken = False
        await until(gates, Status.OK)
        assert (tmp_path / "data" / "elsewhere" / "people.sqlite").exists()
        async with gates.changing(GatePlan()):
            pass
        assert await until(gates, Status.OK) == ""
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_change_waits_for_the_opening_in_hand_and_lets_no_other_begin(tmp_path: Path) -> None:
    gates = gates_in(tmp_path, "keys/faces.key")
    held, opened = asyncio.Event(), list[str]()

    class Busy:
        """A gate in the middle of an opening."""

        def __init__(self) -> None:
            self.turn = asyncio.Lock()

        @asynccontextmanager
        async def still(self) -> AsyncIterator[None]:
            async with self.turn:
                yield

        async def open(self, name: str) -> None:
            async with self.turn:
                await held.wait()
                opened.append(name)

    busy = Busy()
    gates._running["north"] = cast("Gate", cast("Any", busy))
    first = asyncio.create_task(busy.open("first"))
    await asyncio.sleep(0)

    async def change() -> None:
        async with gates.changing(GatePlan(time_zone="Asia/Urumqi")):
            assert opened == ["first"]
            later = asyncio.create_task(busy.open("later"))
            await asyncio.sleep(0.05)
            assert opened == ["first"]
        await later

    changing = asyncio.create_task(change())
    await asyncio.sleep(0.05)
    assert not changing.done()
    held.set()
    await asyncio.gather(first, changing)
    assert opened == ["first", "later"]

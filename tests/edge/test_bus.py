"""The bus against real Modbus units: order on the wire, silent neighbours, connections that break."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.api import PointResult
from drivers.modbus.bus import ModbusBus
from drivers.modbus.driver import ModbusDevice
from drivers.profile import load_profile
from edge.bus import BusRunner, Polled
from runtime.health import Status
from runtime.lifecycle import Backoff
from tests.support.modbus_peers import HANG_UP, TcpPeer, tcp_settings
from tests.support.modbus_server import ModbusUnits, modbus_units

PROFILE = load_profile(Path(__file__).parent / "profiles" / "bench-pump.toml")


@dataclass
class Ear:
    """Keeps what a bus tells."""

    read: dict[str, list[tuple[PointResult, ...]]] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)
    polls: list[str] = field(default_factory=list)
    connects: list[bool] = field(default_factory=list)

    def on_read(self, device: str, results: tuple[PointResult, ...]) -> None:
        self.read.setdefault(device, []).append(results)

    def on_up(self, device: str) -> None:
        self.story.append(f"{device} up")

    def on_down(self, device: str, reason: str) -> None:
        assert reason
        self.story.append(f"{device} down")

    def on_poll(self, bus: str, *, seconds: float, result: str) -> None:
        assert bus == "bus-1"
        assert seconds >= 0
        self.polls.append(result)

    def on_reconnect(self, bus: str, *, success: bool) -> None:
        assert bus == "bus-1"
        self.connects.append(success)


@dataclass
class Running:
    """A running bus with the devices d1, d2, … on the units 1, 2, …"""

    bus: ModbusBus
    devices: dict[str, ModbusDevice]
    runner: BusRunner
    ear: Ear


@asynccontextmanager
async def running(port: int, *units: int, period_ms: int = 50) -> AsyncIterator[Running]:
    bus = ModbusBus(tcp_settings(port, timeout="300ms"), name="bus-1")
    devices = {f"d{unit}": ModbusDevice(bus, unit=unit, profile=PROFILE, name=f"d{unit}") for unit in units}
    groups = {timedelta(milliseconds=period_ms): tuple(PROFILE.points)}
    ear = Ear()
    runner = BusRunner(
        name="bus-1",
        bus=bus,
        devices={name: Polled(device=device, groups=groups) for name, device in devices.items()},
        timeout=timedelta(milliseconds=300),
        listener=ear,
        clock=time.monotonic,
        backoff=Backoff(random=lambda: 0.5, first=timedelta(milliseconds=100)),
    )
    task = asyncio.create_task(runner.run(), name="bus")
    try:
        yield Running(bus=bus, devices=devices, runner=runner, ear=ear)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: object, *, within: float = 15.0) -> None:
    assert callable(holds)
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - counts have no event
            await asyncio.sleep(0.01)


@pytest.fixture
async def units() -> AsyncIterator[ModbusUnits]:
    async with modbus_units(1, 2, 3) as units:
        yield units


async def test_a_command_waits_for_the_request_on_the_wire_and_no_longer(units: ModbusUnits) -> None:
    async with running(units.port, 1, 2, 3, period_ms=1) as on:
        await until(lambda: len(on.ear.polls) > 6)
        units.delay_s = 0.05
        for value in range(5):
            before = len(units.requests)
            await on.devices["d2"].write("mode", value)
            # One on the wire when the command came, perhaps one that was already being sent, then the write itself.
            assert len(units.requests[before:]) <= 3
            assert (2, 2, value) in units.writes


async def test_a_silent_unit_goes_down_and_its_neighbours_are_read_on(units: ModbusUnits) -> None:
    async with running(units.port, 1, 2) as on:
        await until(lambda: set(on.ear.read) == {"d1", "d2"})
        units.mute.add(1)
        await until(lambda: on.ear.story == ["d1 down"])
        assert on.runner.check().status is Status.DEGRADED
        read = len(on.ear.read["d2"])
        await until(lambda: len(on.ear.read["d2"]) > read + 20)
        units.mute.clear()
        # On a bus that is polled every 50 ms, a probe of 300 ms costs polls, and comes seldom.
        await until(lambda: on.ear.story == ["d1 down", "d1 up"], within=30)
        assert on.runner.check().status is Status.OK


async def test_a_refused_read_is_an_answer_and_its_points_say_why(units: ModbusUnits) -> None:
    units.refuse_reads = True
    async with running(units.port, 1) as on:
        await until(lambda: len(on.ear.read.get("d1", [])) > 4)
    assert on.ear.story == []
    assert all(result.value is None and "refused" in result.reason for result in on.ear.read["d1"][0])


async def test_a_far_end_that_drops_every_connection_is_not_asked_without_pause() -> None:
    peer = TcpPeer()
    peer.script = lambda _: [(0, HANG_UP)]
    async with await peer.start(), running(peer.port, 1, period_ms=1) as on:
        await until(lambda: on.ear.story == ["d1 down"])
        await asyncio.sleep(1.0)
        assert peer.connections < 12


async def test_a_lost_server_is_found_again(units: ModbusUnits) -> None:
    async with running(units.port, 1, 2) as on:
        await until(lambda: set(on.ear.read) == {"d1", "d2"})
        await units.stop()
        await until(lambda: sorted(on.ear.story) == ["d1 down", "d2 down"])
        assert "Connect call failed" in on.runner.check().detail
        await units.start()
        await until(lambda: sorted(on.ear.story[2:]) == ["d1 up", "d2 up"])
    assert on.ear.connects[0]
    assert on.ear.connects[-1]
    assert False in on.ear.connects

"""Barrier, turnstile and door: orders through the product's own driver, on a real socket, in the machine's own time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from drivers.address import DeviceAddress
from drivers.api import Device, Refused
from drivers.catalog import catalog_profile
from drivers.modbus.config import ModbusTcpSettings
from drivers.registry import open_bus, open_device
from simulators.machines.registry import make_machine
from simulators.modbus.server import serve_tcp
from simulators.modbus.station import Stations
from tests.support.simulated_line import stations_of

BARRIER, TURNSTILE, DOOR = "came-gard-ptx-barrier", "lot-expert-turnstile", "waveshare-relay-d-door"


@asynccontextmanager
async def played(folder: Path, profile: str) -> AsyncIterator[tuple[Device, Stations]]:
    with stations_of(folder, gate_1=(profile, 1)) as stations:
        async with serve_tcp(stations, host="127.0.0.1", port=0) as port:
            bus = open_bus(ModbusTcpSettings(protocol="modbus-tcp", host="127.0.0.1", port=port))
            await bus.connect()
            yield open_device(bus, DeviceAddress(unit=1), catalog_profile(profile), name="gate-1"), stations
            await bus.close()


async def shown(device: Device, stations: Stations, point: str, *, after_s: float) -> object:
    for _ in range(round(after_s / 0.1)):
        stations.tick(0.1)
    return (await device.read([point]))[point].value


async def test_a_boom_rises_on_an_order_and_comes_down_by_itself(tmp_path: Path) -> None:
    async with played(tmp_path, BARRIER) as (barrier, stations):
        assert await shown(barrier, stations, "gate_status", after_s=0.1) == 17
        await barrier.write("open_order", value=True)
        assert await shown(barrier, stations, "gate_status", after_s=1) == 32
        assert await shown(barrier, stations, "gate_status", after_s=3) == 16
        assert await shown(barrier, stations, "gate_status", after_s=9) == 33
        assert await shown(barrier, stations, "gate_status", after_s=3) == 17
        stations.fault("gate-1", "obstacle")
        assert await shown(barrier, stations, "gate_status", after_s=1) == 19


async def test_a_permit_is_used_by_one_person(tmp_path: Path) -> None:
    async with played(tmp_path, TURNSTILE) as (turnstile, stations):
        before = await shown(turnstile, stations, "entries", after_s=0.1)
        await turnstile.write("entry_permits", 1)
        assert await shown(turnstile, stations, "entry_permits", after_s=0.1) == 1
        assert await shown(turnstile, stations, "entry_permits", after_s=4) == 0
        assert await shown(turnstile, stations, "entries", after_s=0.1) == int(str(before)) + 1
        stations.fault("gate-1", "blocked")
        with pytest.raises(Refused):
            await turnstile.write("entry_permits", 1)


async def test_a_lock_lets_go_by_itself_after_its_time(tmp_path: Path) -> None:
    async with played(tmp_path, DOOR) as (door, stations):
        await door.write("unlock_time", 3.0)
        assert await shown(door, stations, "lock_relay", after_s=0.5) is True
        assert await shown(door, stations, "door_closed", after_s=0.1) is False
        assert await shown(door, stations, "lock_relay", after_s=3.5) is False
        assert await shown(door, stations, "door_closed", after_s=4) is True


@pytest.mark.parametrize(
    ("profile", "fault", "expected"),
    [
        (BARRIER, "car-on-loop", {"gate_status": 16}),
        (BARRIER, "lost-travel", {"needs_calibration": True}),
        (BARRIER, "service-due", {}),
        (TURNSTILE, "motor", {"error": 1}),
        (TURNSTILE, "anti-panic", {"mode": 2}),
        (TURNSTILE, "free-entry", {"entry_permits": 65535}),
        (TURNSTILE, "object-in-passage", {"entry_zone": 1}),
        (DOOR, "forced", {"door_closed": False, "lock_relay": False}),
        (DOOR, "fire", {"fire_release": True, "lock_power": False}),
        (DOOR, "release-failed", {"fire_release": True, "lock_power": True}),
        (DOOR, "lock-without-power", {"lock_power": False, "lock_relay": False}),
    ],
)
def test_a_fault_shows_and_goes(profile: str, fault: str, expected: dict[str, object]) -> None:
    machine, random = make_machine(catalog_profile(profile)), Random(1)  # noqa: S311 - noise that repeats
    sound = dict(machine.values())
    machine.fault(fault)
    for _ in range(100):
        machine.step(0.1, random)
    assert {name: machine.values()[name] for name in expected} == expected
    assert machine.active() == (fault,)
    machine.clear(None)
    for _ in range(300):
        machine.step(0.1, random)
    assert {name: machine.values()[name] for name in expected} == {name: sound[name] for name in expected}

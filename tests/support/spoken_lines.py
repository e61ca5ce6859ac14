"""Simulated lines of devices that speak by themselves, in the test's own process, with time that passes by itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

from pydantic import TypeAdapter

from drivers.address import DeviceAddress
from drivers.api import Bus, Device, Unreachable
from drivers.profile import Profile
from drivers.registry import BusSettings, open_bus, open_device
from runtime.lifecycle import every
from simulators.devices import Devices
from simulators.disturbances import Transport
from simulators.line import TICK
from simulators.lines.speaking import speaking_pty, speaking_tcp
from simulators.witness import Witness

NAME = "device-1"


def chance(seed: int) -> Random:
    """Give noise that repeats."""
    return Random(seed)  # noqa: S311 - no secret hangs on it


@asynccontextmanager
async def spoken_line(
    folder: Path, transport: str, station_type: Any, machine: Any, profile: Profile, **more: Any
) -> AsyncIterator[tuple[Devices[Any], dict[str, object]]]:
    """Play a device on a pseudo-terminal (`pty`) or a TCP port; gives its line, and the place for a bus's settings."""
    with Witness(folder, NAME, clock=time.time) as witness:
        station = station_type(name=NAME, profile=profile, machine=machine, witness=witness, random=chance(1))
        serial = transport == "pty"
        devices = Devices([station], transport=Transport.SERIAL if serial else Transport.TCP)
        served = (
            speaking_pty(devices, link=folder / "line", **more)
            if serial
            else speaking_tcp(devices, host="127.0.0.1", port=0, **more)
        )

        async def live() -> None:
            await every(TICK, tick)

        async def tick() -> None:
            devices.tick(TICK.total_seconds())

        async with served as where:
            living = asyncio.create_task(live(), name="live")
            try:
                yield devices, {"port": str(where)} if serial else {"host": "127.0.0.1", "port": where}
            finally:
                living.cancel()
                with suppress(asyncio.CancelledError):
                    await living


async def back(bus: Bus) -> None:
    """Connect again, as an agent does: with pauses, until it works. Five seconds are enough."""
    async with asyncio.timeout(5):
        while not bus.connected:
            try:
                await bus.connect()
            except Unreachable:
                await asyncio.sleep(0.1)


@asynccontextmanager
async def opened(profile: Profile, settings: dict[str, object]) -> AsyncIterator[tuple[Bus, Device]]:
    """Connect the driver by the registry, as an agent does."""
    checked: BusSettings = TypeAdapter(BusSettings).validate_python(settings)
    bus = open_bus(checked)
    device = open_device(bus, DeviceAddress(), profile, name=NAME)
    await bus.connect()
    try:
        yield bus, device
    finally:
        await bus.close()

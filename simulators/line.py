"""The process behind one line: its devices live, its server answers, its socket takes faults."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from runtime.lifecycle import every
from runtime.logs import get_log
from simulators.control import hold_line, serve_control
from simulators.devices import Devices
from simulators.machines.registry import make_machine
from simulators.meter_server import serve_meters_pty, serve_meters_tcp
from simulators.meters import MeterStation, MeterStations
from simulators.modbus_server import serve_rtu, serve_tcp
from simulators.scene import LoadedScene, MeterLine, RtuLine, TcpLine, transport_of
from simulators.station import Station, Stations
from simulators.witness import Witness

TICK = timedelta(milliseconds=100)
_LONGEST_GAP_S = 1.0  # a process that was suspended goes on from where it stood


async def run_line(loaded: LoadedScene, name: str, *, data: Path) -> None:
    """Run a line until cancelled. ConfigError for a line that the scene does not have; LineUnavailable."""
    line = loaded.line(name)
    async with AsyncExitStack() as stack:
        stack.enter_context(hold_line(data, line.name))
        devices: Devices[Any]
        if isinstance(line, MeterLine):
            devices, endpoint = await _meters(loaded, line, stack, data)
        else:
            devices, endpoint = await _modbus(loaded, line, stack, data)
        await stack.enter_async_context(serve_control(devices, data=data, line=line.name, endpoint=endpoint))
        get_log("simulators.line").info("line ready", line=name, endpoint=endpoint, devices=list(devices.by_name))
        await _live(devices)


async def _modbus(
    loaded: LoadedScene, line: TcpLine | RtuLine, stack: AsyncExitStack, data: Path
) -> tuple[Stations, str]:
    stations = Stations(
        [
            Station(
                name=device.name,
                unit=device.unit,
                profile=loaded.profiles[device.name],
                machine=make_machine(loaded.profiles[device.name], time_scale=loaded.scene.time_scale),
                witness=stack.enter_context(Witness(data, device.name, clock=time.time)),
                random=Random(device.seed),  # noqa: S311 - a machine's noise, and repeatable
            )
            for device in line.devices
        ],
        transport=transport_of(line),
    )
    if isinstance(line, RtuLine):
        link = await stack.enter_async_context(serve_rtu(stations, link=data / line.link, baudrate=line.baudrate))
        return stations, str(link)
    port = await stack.enter_async_context(serve_tcp(stations, host=line.host, port=line.port))
    return stations, f"{line.host}:{port}"


async def _meters(loaded: LoadedScene, line: MeterLine, stack: AsyncExitStack, data: Path) -> tuple[MeterStations, str]:
    stations = MeterStations(
        [
            MeterStation(
                name=device.name,
                address=device.address,
                profile=loaded.profiles[device.name],
                machine=make_machine(loaded.profiles[device.name], time_scale=loaded.scene.time_scale),
                witness=stack.enter_context(Witness(data, device.name, clock=time.time)),
                random=Random(device.seed),  # noqa: S311 - a machine's noise, and repeatable
            )
            for device in line.devices
        ],
        transport=transport_of(line),
    )
    if line.link is not None:
        served = serve_meters_pty(stations, line.protocol, link=data / line.link, baudrate=line.baudrate)
        return stations, str(await stack.enter_async_context(served))
    port = await stack.enter_async_context(
        serve_meters_tcp(stations, line.protocol, host=line.host, port=line.port or 0)
    )
    return stations, f"{line.host}:{port}"


async def _live(devices: Devices[Any]) -> None:
    loop = asyncio.get_running_loop()
    last = loop.time()

    async def tick() -> None:
        nonlocal last
        now = loop.time()
        devices.tick(min(now - last, _LONGEST_GAP_S))
        last = now

    await every(TICK, tick)

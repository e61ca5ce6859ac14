"""The process behind one line: its devices live, its server answers, its socket takes faults."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from random import Random

from runtime.lifecycle import every
from runtime.logs import get_log
from simulators.control import hold_line, serve_control
from simulators.machines.registry import make_machine
from simulators.modbus_server import serve_rtu, serve_tcp
from simulators.scene import LoadedScene, RtuLine, transport_of
from simulators.station import Station, Stations
from simulators.witness import Witness

TICK = timedelta(milliseconds=100)
_LONGEST_GAP_S = 1.0  # a process that was suspended goes on from where it stood


async def run_line(loaded: LoadedScene, name: str, *, data: Path) -> None:
    """Run a line until cancelled. ConfigError for a line that the scene does not have; LineUnavailable."""
    line = loaded.line(name)
    async with AsyncExitStack() as stack:
        stack.enter_context(hold_line(data, line.name))
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
            endpoint = str(
                await stack.enter_async_context(serve_rtu(stations, link=data / line.link, baudrate=line.baudrate))
            )
        else:
            port = await stack.enter_async_context(serve_tcp(stations, host=line.host, port=line.port))
            endpoint = f"{line.host}:{port}"
        await stack.enter_async_context(serve_control(stations, data=data, line=line.name, endpoint=endpoint))
        get_log("simulators.line").info("line ready", line=name, endpoint=endpoint, devices=list(stations.by_name))
        await _live(stations)


async def _live(stations: Stations) -> None:
    loop = asyncio.get_running_loop()
    last = loop.time()

    async def tick() -> None:
        nonlocal last
        now = loop.time()
        stations.tick(min(now - last, _LONGEST_GAP_S))
        last = now

    await every(TICK, tick)

"""The process behind one line: its devices live, its server answers, its socket takes faults."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from runtime.lifecycle import every
from runtime.logs import get_log
from simulators.control import hold_line, serve_control
from simulators.devices import Devices
from simulators.lines.base import LineContext
from simulators.lines.registry import STARTS
from simulators.scene import LoadedScene

TICK = timedelta(milliseconds=100)
_LONGEST_GAP_S = 1.0  # a process that was suspended goes on from where it stood


async def run_line(loaded: LoadedScene, name: str, *, data: Path) -> None:
    """Run a line until cancelled. ConfigError for a line that the scene does not have; LineUnavailable."""
    line = loaded.line(name)
    async with AsyncExitStack() as stack:
        stack.enter_context(hold_line(data, line.name))
        context = LineContext(data=data, profiles=loaded.profiles, time_scale=loaded.scene.time_scale, stack=stack)
        devices, endpoint = await STARTS[type(line)](line, context)
        await stack.enter_async_context(serve_control(devices, data=data, line=line.name, endpoint=endpoint))
        get_log("simulators.line").info("line ready", line=name, endpoint=endpoint, devices=list(devices.by_name))
        await _live(devices)


async def _live(devices: Devices[Any]) -> None:
    loop = asyncio.get_running_loop()
    last = loop.time()

    async def tick() -> None:
        nonlocal last
        now = loop.time()
        devices.tick(min(now - last, _LONGEST_GAP_S))
        last = now

    await every(TICK, tick)

"""The process behind one line or several: their devices live, their servers answer, one socket takes faults."""

import asyncio
import resource
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from runtime.lifecycle import every
from runtime.logs import get_log
from simulators.control import PlayedLine, hold_process, serve_control
from simulators.devices import Devices
from simulators.lines.base import LineContext
from simulators.lines.registry import STARTS
from simulators.people.stage import Stages
from simulators.scene import LoadedScene

TICK = timedelta(milliseconds=100)
_LONGEST_GAP_S = 5.0  # a process that was suspended goes on from where it stood
_SHARE = 0.5  # of the time for living; the rest is for answers


async def run_lines(loaded: LoadedScene, process: str, *, data: Path) -> None:
    """Run the lines of a process until cancelled. ConfigError for one that the scene does not have; LineUnavailable."""
    lines = loaded.process(process)
    _allow_files()
    async with AsyncExitStack() as stack:
        stack.enter_context(hold_process(data, process))
        stages = Stages(data, write=lambda stage: loaded.first_of_stage(stage) == process)
        context = LineContext(
            data=data, profiles=loaded.profiles, time_scale=loaded.scene.time_scale, stack=stack, stages=stages
        )
        played = []
        for line in lines:
            devices, endpoint = await STARTS[type(line)](line, replace(context, witnessed=line.witness))
            played.append(PlayedLine(name=line.name, devices=devices, endpoint=endpoint))
        await stack.enter_async_context(serve_control(played, data=data, process=process, stages=stages))
        devices_at = {line.name: len(line.devices.by_name) for line in played}
        get_log("simulators.line").info("lines ready", process=process, devices=devices_at)
        await _live([line.devices for line in played])


def _allow_files() -> None:
    """Use as many open files as the system allows: every line and every witness takes some."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _live(lines: Sequence[Devices[Any]]) -> None:
    """Let time pass for all devices, in turn, so that thousands of them leave time for answers in between."""
    loop = asyncio.get_running_loop()
    devices = [device for line in lines for device in line.by_name.values()]
    last = [loop.time()] * len(devices)
    following = 0

    async def tick() -> None:
        nonlocal following
        begun = loop.time()
        for _ in devices:
            device, now = devices[following], loop.time()
            device.tick(min(now - last[following], _LONGEST_GAP_S))
            last[following] = now
            following = (following + 1) % len(devices)
            if now - begun > _SHARE * TICK.total_seconds():
                break

    await every(TICK, tick)

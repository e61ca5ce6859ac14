"""Running a whole scene: one process for each line, or for several that say so, and the steps played on time."""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from runtime.children import Child, Children
from runtime.lifecycle import until_stopped
from runtime.logs import get_log
from simulators import control
from simulators.control import ControlError
from simulators.scene import LoadedScene, Step

_ROOT = Path(__file__).resolve().parent.parent
_READY_WITHIN = timedelta(seconds=20)


class NotReady(Exception):
    """A line did not come up in time."""


def process_command(loaded: LoadedScene, process: str, *, data: Path) -> list[str]:
    """Give the command that runs one process of a scene."""
    scene = str(loaded.file.resolve())
    return [sys.executable, "-m", "simulators", "process", scene, process, "--data", str(data.resolve())]


def line_environment() -> dict[str, str]:
    """Give what the command needs to find this package from any folder."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))}


async def start_lines(children: Children, loaded: LoadedScene, *, data: Path) -> list[Child]:
    """Start every process and wait until all lines answer; ChildFailed when one ends, NotReady in the end."""
    started = [
        await children.start(
            f"simulator-{process}", process_command(loaded, process, data=data), environment=line_environment()
        )
        for process in loaded.processes
    ]
    missing = {line.name for line in loaded.scene.lines}
    deadline = asyncio.get_running_loop().time() + _READY_WITHIN.total_seconds()
    while missing:
        children.check()
        states = await asyncio.to_thread(control.running, data)
        missing -= {str(state["line"]) for state in states}
        if missing and asyncio.get_running_loop().time() > deadline:
            raise NotReady(f"not ready after {_READY_WITHIN.total_seconds():g} s: {', '.join(sorted(missing))}")
        await asyncio.sleep(0.1)
    return started


async def play(steps: Sequence[Step], *, data: Path) -> None:
    """Do the steps on time, counted from now; a step that fails is reported, and the others are played."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    log = get_log("simulators.scene")
    for step in sorted(steps, key=lambda step: step.at):
        await asyncio.sleep(max(0.0, start + step.at.total_seconds() - loop.time()))
        what = step.model_dump(exclude={"at"}, exclude_defaults=True)
        try:
            if step.do == "stage":
                await asyncio.to_thread(control.stage, data, step.stage, step.act)
            else:
                await asyncio.to_thread(control.tell, data, step.device, step.do, step.fault)
        except ControlError as error:
            log.warning("step failed", why=str(error), **what)
        else:
            log.info("step", **what)


async def run_scene(loaded: LoadedScene, *, data: Path, stop: asyncio.Event) -> None:
    """Run a scene until `stop` is set; ChildFailed when a line ends by itself."""
    async with Children(logs=data / "logs") as children:

        async def act() -> None:
            await start_lines(children, loaded, data=data)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(play(loaded.steps, data=data), name="scene:steps")
                tasks.create_task(children.watch(), name="scene:watch")

        await until_stopped(stop, act(), name="scene")

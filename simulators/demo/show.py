"""The two ways to see the demonstration: with a browser until Ctrl-C, or headless with a report."""

import asyncio
import json
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from simulators.control import ControlError
from simulators.control import tell as tell_simulator
from simulators.demo.api import Api
from simulators.demo.director import DRY_RUN, LIFT, PUMP, TRAPPED, Director, Story
from simulators.demo.layout import LOGIN, Layout, free_ports
from simulators.demo.observer import Observer
from simulators.demo.proof import agent_figures, all_seen, drained, finish, settle
from simulators.demo.stack import Stack, running, until_born

_STEPS = (  # seconds after the births, device, what, fault
    (20, PUMP, "fault", DRY_RUN),
    (35, LIFT, "fault", TRAPPED),
    (300, PUMP, "clear", None),
    (300, LIFT, "clear", None),
)


@dataclass(kw_only=True, slots=True)
class Choice:
    """What the person who started the demonstration asked for, and how it went.

    `complete`: it ran as far as it was meant to; `success`: and everything that was expected was seen.
    """

    layout: Layout
    headless: bool
    seconds: int
    report: Path | None
    port: int | None
    success: bool = False
    complete: bool = False


async def show(choice: Choice, stop: asyncio.Event) -> None:
    """Run the demonstration to its end, or until `stop` is set."""
    ports = free_ports(random=choice.headless and choice.port is None, web=choice.port)
    since_ms = int(time.time() * 1000)
    async with running(choice.layout, ports, tell=_tell) as stack, Api(stack.url) as api:
        await api.login(LOGIN, stack.password)
        devices = await until_born(stack, api)
        if choice.headless:
            await _judge(choice, stack, api, devices, since_ms=since_ms)
        else:
            choice.complete = choice.success = True  # Ctrl-C is how it ends
            _welcome(stack)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(stack.children.watch(), name="demo:watch")
                tasks.create_task(_play(stack), name="demo:scene")
                await stop.wait()


async def _play(stack: Stack) -> None:
    """Bring the faults about, and end them when nobody has."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for at, device, do, fault in _STEPS:
        await asyncio.sleep(max(0.0, start + at - loop.time()))
        try:
            await asyncio.to_thread(tell_simulator, stack.layout.simulators, device, do, fault)
        except ControlError as error:
            _tell(f"{device}: {error}")
        else:
            _tell(f"{device}: {fault}" if do == "fault" else f"{device}: every fault is cleared")


async def _judge(choice: Choice, stack: Stack, api: Api, devices: dict[str, int], *, since_ms: int) -> None:
    """Play, stop the devices, wait for the last acknowledgement, and compare what was said with what is stored."""
    story = Story(since_ms=int(time.time() * 1000))
    director = Director(stack, api, devices, story, _tell)
    observer = Observer(stack.layout.telemetry, since_ms=since_ms)
    observer.start()
    await director.play(until_s=choice.seconds)
    _tell("stopping the devices, and waiting for the last acknowledgement")
    stopped_ms = time.time() * 1000
    for simulator in stack.simulators:
        await stack.children.stop(simulator)
    story.expect("everything journalled was acknowledged", seen=await drained(stack))
    figures = await agent_figures(stack)
    await stack.children.stop(stack.agent)
    seen = await asyncio.to_thread(observer.stop)
    findings = settle(stack, devices, since_ms=since_ms, born_ms=story.since_ms, stopped_ms=stopped_ms, seen=seen)
    report = await finish(stack, director, story, findings, devices=devices, figures=figures, seconds=choice.seconds)
    text = json.dumps(report, ensure_ascii=False, indent=1)
    if choice.report is not None:
        choice.report.write_text(text + "\n", encoding="utf-8")
        for one in report["expected"]:
            _tell(f"{'seen    ' if one['seen'] else 'NOT SEEN'}  {one['what']}")
        _tell(f"the report is {choice.report}")
    else:
        sys.stdout.write(text + "\n")
    choice.complete, choice.success = True, all_seen(report["expected"])


def _welcome(stack: Stack) -> None:
    width = 78
    lines = (
        "Linli 邻里 is running.",
        "",
        f"  Look at      {stack.url}",
        f"  Login        {LOGIN}",
        f"  Password     {stack.password}",
        "",
        "Within a minute pump-1 runs dry and lift-1 traps a passenger. Acknowledge the",
        "alarms, then end the faults from another terminal, and see the orders verified:",
        "",
        f"  .venv/bin/linli simulate clear {PUMP}{_data_option(stack)}",
        f"  .venv/bin/linli simulate clear {LIFT}{_data_option(stack)}",
        "",
        "The technicians `wang` and `li` have work orders too; their passwords are in",
        f"  {stack.layout.secrets}",
        f"Logs: {stack.layout.logs}   REST: {stack.url}/api/openapi.json",
        "Ctrl-C ends everything; the next start goes on with the old data.",
    )
    sys.stdout.write("\n".join(("─" * width, *lines, "─" * width)) + "\n")
    sys.stdout.flush()


def _data_option(stack: Stack) -> str:
    usual = Path(".linli/demo").resolve()
    return "" if stack.layout.data == usual else f" --data {shlex.quote(str(stack.layout.simulators))}"


def _tell(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stderr.flush()

"""The two ways to see the demonstration: with a browser until Ctrl-C, or headless with a report."""

import asyncio
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulators.control import ControlError
from simulators.control import tell as tell_simulator
from simulators.demo.api import Api
from simulators.demo.director import DRY_RUN, LIFT, PUMP, TRAPPED, Director, Story
from simulators.demo.gate import CARD_ONLY, GUARD, HOST, GateStack, start_gate
from simulators.demo.layout import AGENT, GATE_AGENT, LOGIN, Layout, ensure_password, free_ports
from simulators.demo.observer import Observer
from simulators.demo.proof import agent_figures, all_seen, drained, finish, settle
from simulators.demo.stack import Stack, running, until_born
from simulators.demo.visits import Gatekeeper, figures, gate_device

_GATE_WITHIN_S = 120.0
_STEPS = (  # seconds after the births, device, what, fault
    (20, PUMP, "fault", DRY_RUN),
    (35, LIFT, "fault", TRAPPED),
    (300, PUMP, "clear", None),
    (300, LIFT, "clear", None),
)


@dataclass(kw_only=True, slots=True)
class Choice:
    """What the person who started the demonstration asked for, and how it went.

    `camera` is a real one in the place of the gate's simulated ones.

    `complete`: it ran as far as it was meant to; `success`: and everything that was expected was seen.
    """

    layout: Layout
    headless: bool
    seconds: int
    report: Path | None
    port: int | None
    gate: bool = True
    camera: str | None = None
    success: bool = False
    complete: bool = False


async def show(choice: Choice, stop: asyncio.Event) -> None:
    """Run the demonstration to its end, or until `stop` is set."""
    ports = free_ports(random=choice.headless and choice.port is None, web=choice.port)
    since_ms = int(time.time() * 1000)
    nodes = (AGENT, GATE_AGENT) if choice.gate else (AGENT,)
    async with running(choice.layout, ports, tell=_tell, nodes=nodes) as stack, Api(stack.url) as api:
        await api.login(LOGIN, stack.password)
        devices = await until_born(stack, api)
        gate = await _open_gate(choice, stack, api) if choice.gate else None
        if choice.headless:
            await _judge(choice, stack, api, devices, gate, since_ms=since_ms)
        else:
            choice.complete = choice.success = True  # Ctrl-C is how it ends
            if gate is not None:
                await gate.leave_pass()
            _welcome(stack, gate)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(stack.children.watch(), name="demo:watch")
                tasks.create_task(_play(stack), name="demo:scene")
                if gate is not None:
                    tasks.create_task(gate.keep_coming(), name="demo:gate")
                await stop.wait()


async def _open_gate(choice: Choice, stack: Stack, api: Api) -> Gatekeeper:
    """Bring the gate up, and wait until it says how it does."""
    gate = await start_gate(stack.layout, stack.ports, stack.children, api, camera=choice.camera, tell=_tell)
    if gate.why_blind:
        _tell(f"the gate knows no faces, cards and passes only: {gate.why_blind}")
    elif gate.sight.camera is not None:
        _tell(f"the gate sees by the camera {gate.sight.camera}; without a thermal camera liveness is unchecked")
    _tell("waiting for the gate")
    device_id = await gate_device(api, within_s=_GATE_WITHIN_S)
    stack.children.check()
    if device_id is None:
        _tell(f"the gate is not there after {_GATE_WITHIN_S:g} s; see {stack.layout.logs}")
    return Gatekeeper(stack.layout, gate, api, device_id=device_id, tell=_tell)


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


async def _judge(
    choice: Choice, stack: Stack, api: Api, devices: dict[str, int], gate: Gatekeeper | None, *, since_ms: int
) -> None:
    """Play, stop the devices, wait for the last acknowledgement, and compare what was said with what is stored."""
    story = Story(since_ms=int(time.time() * 1000))
    director = Director(stack, api, devices, story, _tell)
    observer = Observer(stack.layout.telemetry, since_ms=since_ms)
    observer.start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(director.play(until_s=choice.seconds), name="demo:director")
        seen_at_gate = None if gate is None else tasks.create_task(gate.one_of_each(), name="demo:gate")
    if gate is not None and seen_at_gate is not None:
        await _note_gate(stack, api, gate, story, seen_at_gate.result())
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


async def _note_gate(stack: Stack, api: Api, gate: Gatekeeper, story: Story, seen: Sequence[tuple[str, bool]]) -> None:
    """Note what came of the visits, and that a fever called somebody."""
    for what, was_seen in seen:
        story.expect(f"gate: {what}", seen=was_seen)
    if gate.stack.sight.simulated:
        order = await gate.order_for_guard(api)
        story.expect("gate: the call of staff became a work order for the guard", seen=order is not None)
        if order is not None:
            async with Api(stack.url) as guard:
                await guard.login(GUARD, ensure_password(stack.layout, GUARD))
                taken = order["state"] != "dispatched" or (
                    await guard.post(f"/work-orders/{order['id']}/actions", {"action": "accept"})
                )
            story.expect("gate: the guard accepted it", seen=bool(taken))
    story.gate = figures(await asyncio.to_thread(gate.decided, story.since_ms))


def _welcome(stack: Stack, gate: Gatekeeper | None) -> None:
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
        *([] if gate is None else _about_gate(stack, gate.stack)),
        "The technicians `wang`, `li` and `zhao` have work orders too; their passwords are in",
        f"  {stack.layout.secrets}",
        f"Logs: {stack.layout.logs}   REST: {stack.url}/api/openapi.json",
        "Ctrl-C ends everything; the next start goes on with the old data.",
    )
    sys.stdout.write("\n".join(("─" * width, *lines, "─" * width)) + "\n")
    sys.stdout.flush()


def _about_gate(stack: Stack, gate: GateStack) -> list[str]:
    """Say what there is to see and to try at the gate."""
    option = _data_option(stack)
    lines = [
        "The north gate decides by itself, by the list that the service keeps (page Gates):",
        "",
        f"  Its page     {gate.kiosk}   (staff there: {GUARD}, with the password of that name)",
    ]
    if gate.sight.simulated:
        lines += [
            f"  A face       .venv/bin/linli simulate stage north resident {HOST.number} for 5s{option}",
            f"  A stranger   .venv/bin/linli simulate stage north stranger 9 for 5s{option}",
            f"  A photo      .venv/bin/linli simulate stage north print resident {HOST.number} for 5s{option}",
        ]
    text = f'"present:$(cat {_short(stack.layout.visitor_pass)})"'
    lines += [
        f"  A card       .venv/bin/linli simulate fault card-1 present:{CARD_ONLY.card}{option}",
        f"  A pass       .venv/bin/linli simulate fault qr-1 {text}{option}",
    ]
    if gate.sight.camera is not None:
        lines += [
            "",
            f"It sees by the camera {gate.sight.camera}, and there is no thermal camera: LIVENESS IS UNCHECKED,",
            "so a photo is taken for its owner here. Enrol yourself at its page (staff, then a person).",
        ]
    elif gate.sight.models is None:
        lines += ["", "It knows no faces, cards and passes only:", f"  {gate.why_blind}"]
    return [*lines, ""]


def _short(file: Path) -> str:
    """Give a path as one would type it here."""
    here = Path.cwd()
    return shlex.quote(str(file.relative_to(here) if file.is_relative_to(here) else file))


def _data_option(stack: Stack) -> str:
    usual = Path(".linli/demo").resolve()
    return "" if stack.layout.data == usual else f" --data {shlex.quote(str(stack.layout.simulators))}"


def _tell(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stderr.flush()

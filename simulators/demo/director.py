"""What the headless demonstration does, as its people would: faults, commands, acknowledgements, work, and the end."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulators.control import tell as tell_simulator
from simulators.demo.api import Api
from simulators.demo.layout import ensure_password
from simulators.demo.stack import Stack

PUMP, LIFT, OTHER_PUMP = "pump-1", "lift-1", "pump-2"
DRY_RUN, TRAPPED = "dry-run", "trapped"
RULES = {PUMP: "dry_run", LIFT: "entrapment"}
WORKERS = {PUMP: "wang", LIFT: "li"}
_LOOK_S = 0.1
_AFTER_BIRTHS_S = 4.0
_UNTIL_CLEAR_S = 12.0
_TOO_HIGH, _SETPOINT = 95.0, 40.0
_UNAUTHORISED, _UNPROCESSABLE = 401, 422


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """Something that a working system does, and whether it was seen."""

    what: str
    seen: bool


@dataclass(kw_only=True, slots=True)
class Story:
    """What happened. Times are Unix milliseconds."""

    since_ms: int
    expected: list[Expectation] = field(default_factory=list)
    faulted_ms: dict[str, float] = field(default_factory=dict)
    order_seen_ms: dict[str, float] = field(default_factory=dict)
    commands: list[dict[str, Any]] = field(default_factory=list)
    gate: dict[str, Any] | None = None
    """What the gate decided; None without a gate."""

    def expect(self, what: str, *, seen: bool) -> None:
        """Note an expectation."""
        self.expected.append(Expectation(what=what, seen=seen))


class Director:
    """Plays the demonstration against a running stack. `tell` hears each step, in words for people."""

    def __init__(
        self, stack: Stack, api: Api, devices: dict[str, int], story: Story, tell: Callable[[str], None]
    ) -> None:
        self._stack = stack
        self._api = api
        self._devices = devices
        self._story = story
        self._tell = tell

    async def play(self, *, until_s: float) -> None:
        """Play everything; returns `until_s` seconds from now, or later when something is still awaited."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        await self._refusals()
        await self._command()
        await asyncio.sleep(max(0.0, start + _AFTER_BIRTHS_S - loop.time()))
        await self._fault(PUMP, DRY_RUN)
        await self._fault(LIFT, TRAPPED)
        deadline = start + until_s
        for device in (PUMP, LIFT):
            await self._respond(device, deadline=deadline)
        cleared_at = max(loop.time(), min(start + _UNTIL_CLEAR_S, deadline))
        await asyncio.sleep(cleared_at - loop.time())
        for device in (PUMP, LIFT):
            self._tell(f"{device}: the fault is gone")
            await asyncio.to_thread(tell_simulator, self._stack.layout.simulators, device, "clear")
        for device in (PUMP, LIFT):
            await self._verify(device, deadline=deadline)
        await asyncio.sleep(max(0.0, deadline - loop.time()))

    async def _refusals(self) -> None:
        wrong = {"login": "demo", "password": "not the password"}
        status = await self._api.status_of("POST", "/login", wrong)
        self._story.expect("a wrong password is refused", seen=status == _UNAUTHORISED)
        body = {"name": "set_pressure", "value": _TOO_HIGH}
        status = await self._api.status_of("POST", f"/devices/{self._devices[OTHER_PUMP]}/commands", body)
        self._story.expect("a setpoint beyond its limits is refused and never sent", seen=status == _UNPROCESSABLE)

    async def _command(self) -> None:
        body = {"name": "set_pressure", "value": _SETPOINT}
        command = await self._api.post(f"/devices/{self._devices[OTHER_PUMP]}/commands", body)
        self._tell(f"{OTHER_PUMP}: set pressure to {_SETPOINT:g} %")
        for _ in range(200):
            command = await self._api.get(f"/commands/{command['id']}")
            if command["ended_ms"] is not None:
                break
            await asyncio.sleep(_LOOK_S)
        self._tell(f"{OTHER_PUMP}: command {command['state']} ({command['detail']})")
        self._story.commands.append(command)
        self._story.expect("a setpoint is written, read back and done", seen=command["state"] == "done")

    async def _fault(self, device: str, fault: str) -> None:
        self._tell(f"{device}: {fault}")
        self._story.faulted_ms[device] = time.time() * 1000
        await asyncio.to_thread(tell_simulator, self._stack.layout.simulators, device, "fault", fault)

    async def _respond(self, device: str, *, deadline: float) -> None:
        """Wait for alarm and order, acknowledge the one, and let the person on shift accept the other."""
        alarm = await self._await_alarm(device, deadline=deadline)
        self._story.expect(f"{device}: the fault became an alarm by its rule", seen=alarm is not None)
        if alarm is None:
            return
        order = await self._order_of(alarm["id"])
        self._story.order_seen_ms[device] = time.time() * 1000
        self._story.expect(f"{device}: the alarm opened a work order", seen=order is not None)
        if order is None:
            return
        self._tell(f"{device}: alarm {alarm['label']['en']!r}, work order {order['number']}, {order['state']}")
        self._story.expect(
            f"{device}: the order is assigned to somebody on shift", seen=order["assignee_id"] is not None
        )
        acknowledged = await self._api.post(f"/alarms/{alarm['id']}/acknowledge")
        self._story.expect(f"{device}: the alarm was acknowledged", seen=bool(acknowledged["acknowledged"]))
        async with Api(self._stack.url) as worker:
            await worker.login(WORKERS[device], ensure_password(self._stack.layout, WORKERS[device]))
            for action in ("accept", "start"):
                order = await worker.post(f"/work-orders/{order['id']}/actions", {"action": action})
        self._tell(f"{device}: {order['number']} is {order['state']}")
        self._story.expect(f"{device}: the assignee accepted and began", seen=order["state"] == "working")

    async def _await_alarm(self, device: str, *, deadline: float) -> dict[str, Any] | None:
        loop = asyncio.get_running_loop()
        while loop.time() < deadline:
            self._stack.children.check()
            for alarm in await self.alarms_of(device):
                if alarm["rule"] == RULES[device]:
                    return alarm
            await asyncio.sleep(_LOOK_S)
        return None

    async def alarms_of(self, device: str) -> list[dict[str, Any]]:
        """Give the alarms of a device that were raised in this demonstration, newest first."""
        page = await self._api.get("/alarms", state="all", device_id=self._devices[device], limit=500)
        return [alarm for alarm in page["items"] if alarm["raised_ms"] >= self._story.since_ms]

    async def orders(self) -> list[dict[str, Any]]:
        """Give the orders that were opened in this demonstration, newest first."""
        page = await self._api.get("/work-orders", state="all", limit=500)
        return [order for order in page["items"] if order["opened_ms"] >= self._story.since_ms]

    async def _order_of(self, alarm_id: int) -> dict[str, Any] | None:
        return next((order for order in await self.orders() if order["alarm_id"] == alarm_id), None)

    async def _verify(self, device: str, *, deadline: float) -> None:
        """Wait until the sensor has verified the order."""
        loop = asyncio.get_running_loop()
        order: dict[str, Any] | None = None
        while loop.time() < deadline:
            order = next((one for one in await self.orders() if one["device_id"] == self._devices[device]), None)
            if order is not None and order["state"] == "verified":
                break
            await asyncio.sleep(_LOOK_S)
        verified = order is not None and order["state"] == "verified" and order["restored_ms"] is not None
        self._story.expect(f"{device}: the sensor verified the order after the clear", seen=verified)
        if verified and order is not None:
            self._tell(f"{device}: {order['number']} is verified by the sensor")

"""Each process dies in turn while the devices go on; the devices' own log then says whether anything was lost."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from cloud.alarms.domain import Rule, rules
from edge.config import load_site
from simulators.control import tell as tell_simulator
from simulators.demo.api import Api
from simulators.demo.director import DRY_RUN, LIFT, RULES, TRAPPED
from simulators.demo.layout import AGENT, LOGIN, Layout, free_ports
from simulators.demo.proof import drained, first_trace, settle
from simulators.demo.stack import DEVICES, Stack, running, until_born, until_healthy

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

T = TypeVar("T")
PATIENCE_S = 60.0
BEFORE_KILL_MS = 1500.0
"""A poll and the writing of its record take no longer; what was answered before is on the agent's disk."""
SHOWN_S = 4.0
"""Longer than the demonstration's on-delay and off-delay of two seconds, and a poll."""


def rule_of(stack: Stack, device: str) -> Rule:
    site = load_site(stack.layout.site)
    settings = site.settings.agents[AGENT].devices[device]
    wanted = RULES[LIFT] if device.startswith("lift") else "dry_run"
    return next(one for one in rules(site.profile_of(settings), settings.alarms) if one.id == wanted)


async def eventually(look: Callable[[], Awaitable[T]], what: str) -> T:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := await look()):
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.1)
    return found


class Town:
    """The running demonstration, its faults, and what the API says of them."""

    def __init__(self, stack: Stack, api: Api, devices: dict[str, int], *, since_ms: int) -> None:
        self.stack = stack
        self.api = api
        self.devices = devices
        self.since_ms = since_ms
        self.absent_ms: list[tuple[float, float]] = []

    async def fault(self, device: str, *, shows: bool = True) -> None:
        since_ms = time.time() * 1000
        name = TRAPPED if device.startswith("lift") else DRY_RUN
        await asyncio.to_thread(tell_simulator, self.stack.layout.simulators, device, "fault", name)

        async def trace() -> bool:
            return first_trace(self.stack, device, rule_of(self.stack, device), after_ms=since_ms) is not None

        if shows:
            await eventually(trace, f"{device}: the registers show the fault")

    async def clear(self, device: str) -> None:
        await asyncio.to_thread(tell_simulator, self.stack.layout.simulators, device, "clear")

    async def alarms(self, device: str) -> list[dict[str, Any]]:
        return list((await self.api.get("/alarms", state="all", device_id=self.devices[device]))["items"])

    async def orders(self, device: str) -> list[dict[str, Any]]:
        found = (await self.api.get("/work-orders", state="all", limit=500))["items"]
        return [order for order in found if order["device_id"] == self.devices[device]]

    async def in_state(self, device: str, state: str) -> bool:
        return [order["state"] for order in await self.orders(device)] == [state]

    @asynccontextmanager
    async def without(self, name: str) -> AsyncIterator[None]:
        """Kill a process without warning, and start it again at the end."""
        child = self.stack.children.named(name)
        killed_ms = time.time() * 1000
        await self.stack.children.kill(child)
        yield
        again_ms = time.time() * 1000
        await self.stack.children.start_again(child)
        if name == "agent":
            self.absent_ms.append((killed_ms - BEFORE_KILL_MS, again_ms))
        if name != "broker":
            await until_healthy(self.stack, name)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    since_ms = int(time.time() * 1000)
    layout = Layout(data=tmp_path / "demo")
    async with running(layout, free_ports(random=True), tell=lambda _: None) as stack, Api(stack.url) as api:
        await api.login(LOGIN, stack.password)
        yield Town(stack, api, await until_born(stack, api), since_ms=since_ms)


async def test_no_outage_loses_or_doubles_a_reading_an_alarm_or_an_order(town: Town) -> None:
    async with town.without("web"):
        pass
    assert (await town.api.get("/me"))["login"] == LOGIN  # the session of before

    async with town.without("ingest"):  # the whole fault passes meanwhile
        await town.fault("pump-2")
        await asyncio.sleep(SHOWN_S)
        await town.clear("pump-2")
        await asyncio.sleep(SHOWN_S)

    async with town.without("broker"):
        shutil.rmtree(town.stack.layout.broker / "data")
        await town.fault("pump-1")
        await asyncio.sleep(1)

    await town.fault("pump-3")
    async with town.without("agent"):
        await asyncio.sleep(SHOWN_S)

    await town.fault("lift-1")
    async with town.without("worker"):  # while the on-delay runs; a car that stands still sends nothing new
        await asyncio.sleep(SHOWN_S)

    faulty = ("pump-1", "pump-2", "pump-3", "lift-1")
    for device in faulty:
        await eventually(partial(town.orders, device), f"{device}: the fault became an order")
    for device in ("pump-1", "pump-3", "lift-1"):
        assert await town.in_state(device, "dispatched")
        await town.clear(device)
    for device in faulty:
        await eventually(partial(town.in_state, device, "verified"), f"{device}: the sensor verified it")

    stopped_ms = time.time() * 1000
    for simulator in town.stack.simulators:
        await town.stack.children.stop(simulator)
    assert await drained(town.stack)
    findings = settle(
        town.stack,
        town.devices,
        since_ms=town.since_ms,
        born_ms=town.since_ms,
        stopped_ms=stopped_ms,
        seen={},
        agent_absent_ms=town.absent_ms,
    )
    assert findings.lost == []
    assert findings.duplicated == []
    assert findings.committed > 1000
    assert findings.not_accepted < 200
    counts = {name: (len(await town.alarms(name)), len(await town.orders(name))) for name in DEVICES}
    assert counts == {name: (1, 1) if name in faulty else (0, 0) for name in DEVICES}
    gaps = [journal["gaps"] for journal in (await town.api.get("/journals"))["items"]]
    assert not any(gaps)
    for name in ("ingest", "worker", "web", "agent"):
        assert "Traceback" not in (town.stack.layout.logs / f"{name}.log").read_text(), name

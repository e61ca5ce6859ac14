"""All processes of the demonstration, started in order and stopped in the reverse order."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx

from cloud.assets.provision import apply, load_provision
from cloud.config import load_config
from cloud.platform.clock import system_clock
from cloud.platform.database import open_engine
from cloud.platform.migrate import upgrade
from cloud.platform.security import Passwords
from runtime.children import Child, Children
from simulators.demo.api import Api
from simulators.demo.files import write_files
from simulators.demo.layout import AGENT, COMMUNITY, LOGIN, Layout, Ports, ensure_password, hold
from simulators.demo.notices import receive_notices
from simulators.runner import start_lines
from simulators.scene import load_scene

_HEALTHY_WITHIN = timedelta(seconds=90)
_BORN_WITHIN = timedelta(seconds=60)
DEVICES = ("pump-1", "pump-2", "pump-3", "pump-4", "lift-1", "lift-2")


class DemoFailed(Exception):
    """The demonstration cannot go on; the text says where to look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A running demonstration."""

    layout: Layout
    ports: Ports
    children: Children
    simulators: list[Child]

    @property
    def agent(self) -> Child:
        """The agent's process."""
        return self.children.named("agent")

    @property
    def url(self) -> str:
        """Where the pages and the API are."""
        return f"http://127.0.0.1:{self.ports.web}"

    @property
    def password(self) -> str:
        """The password of the demonstration's login."""
        return ensure_password(self.layout, LOGIN)


def _linli(*words: str) -> list[str]:
    return [sys.executable, "-m", "linli", *words]


@asynccontextmanager
async def running(
    layout: Layout, ports: Ports, *, tell: Callable[[str], None], nodes: Sequence[str] = (AGENT,)
) -> AsyncIterator[Stack]:
    """Run everything while the context lasts. `tell` hears what happens, in words for people.

    `nodes` are the agents that may log in at the broker; the one of the gate is started by `simulators.demo.gate`.

    InUse when another demonstration has the folder; ChildFailed or DemoFailed when something does not come up.
    """
    with hold(layout), receive_notices(layout.notices) as notices_port:
        write_files(layout, ports, notices_port=notices_port)
        async with Children(logs=layout.logs) as children:
            tell("starting the broker")
            known = [word for node in nodes for word in ("--node", f"{node}={COMMUNITY}/{node}")]
            await children.start(
                "broker",
                _linli("cloud", "broker", "--folder", str(layout.broker), "--port", str(ports.broker), *known),
            )
            tell("preparing the database")
            await _prepare_database(layout)
            config = ["--config", str(layout.cloud)]
            tell("starting simulated devices, the service and the agent")
            simulators = await start_lines(children, load_scene(layout.scene), data=layout.simulators)
            await _listening(ports.broker, children)
            for name in ("ingest", "worker", "web"):
                await children.start(name, _linli("cloud", name, *config))
            await children.start("agent", _linli("edge", "run", str(layout.site), "--agent", AGENT))
            stack = Stack(layout=layout, ports=ports, children=children, simulators=simulators)
            for name in ("web", "ingest", "worker", "agent"):
                await until_healthy(stack, name)
            yield stack


async def _prepare_database(layout: Layout) -> None:
    config = load_config(layout.cloud)
    await upgrade(config.database_url)
    engine = open_engine(config.database_url)
    try:
        plan = load_provision(layout.provision)
        await apply(engine, plan, file=layout.provision, passwords=Passwords(), now_ms=system_clock())
    finally:
        await engine.dispose()


async def _listening(port: int, children: Children) -> None:
    for _ in range(200):
        children.check()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise DemoFailed(f"nothing listens on port {port}")


async def until_healthy(stack: Stack, name: str) -> None:
    """Wait until a process says that it is well: web, ingest, worker or agent; ChildFailed, DemoFailed."""
    port = int(getattr(stack.ports, name))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _HEALTHY_WITHIN.total_seconds()
    last = "it does not answer"
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while loop.time() < deadline:
            stack.children.check()
            try:
                report = (await client.get(f"http://127.0.0.1:{port}/health")).json()
            except (httpx.HTTPError, ValueError):
                report = {"status": "down"}
            if report["status"] == "ok":
                return
            last = str(report.get("checks", last))
            await asyncio.sleep(0.1)
    raise DemoFailed(f"{name} is not healthy after {_HEALTHY_WITHIN.total_seconds():g} s: {last}")


async def until_born(stack: Stack, api: Api) -> dict[str, int]:
    """Wait until every device is online and has values; gives their ids by name."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _BORN_WITHIN.total_seconds()
    while loop.time() < deadline:
        stack.children.check()
        devices = (await api.get("/devices"))["items"]
        ready = {device["name"]: int(device["id"]) for device in devices if device["online"] and device["newest_ms"]}
        if set(DEVICES) <= set(ready):
            return ready
        await asyncio.sleep(0.2)
    raise DemoFailed(f"not all devices were born within {_BORN_WITHIN.total_seconds():g} s; see {stack.layout.logs}")

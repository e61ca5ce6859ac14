"""All processes of a run: each under a clock of its own, joined by relays, and started again when it ends by itself."""

import asyncio
import contextlib
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cloud.assets.provision import apply, load_provision
from cloud.config import load_config
from cloud.platform.clock import system_clock
from cloud.platform.database import open_engine
from cloud.platform.migrate import upgrade
from cloud.platform.security import Passwords
from runtime.children import Child, Children
from simulators.chaos import database
from simulators.chaos.clock import step_clock
from simulators.chaos.files import COMMUNITY, Places, write_configuration, write_plan, write_profile
from simulators.chaos.journal_log import JournalLog
from simulators.chaos.links import Link, linked
from simulators.chaos.schedule import Town
from simulators.control import running as running_lines
from simulators.demo.api import Api
from simulators.demo.layout import Layout
from simulators.runner import line_environment

_UP_WITHIN_S = 90.0
_AGAIN_S = 0.5
"""After so long a process that ended by itself is started again, as a service manager does."""
CLOUD = ("ingest", "worker", "web")


class TownFailed(Exception):
    """A run cannot begin or end; the text says where to look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A process that ended although nobody killed it; Unix milliseconds, and its last words."""

    at_ms: float
    name: str
    status: int | None
    last_words: str


@dataclass(kw_only=True)
class Stack:
    """A running town."""

    layout: Layout
    town: Town
    places: Places
    children: Children
    links: dict[str, Link]
    logs: dict[str, JournalLog]
    ended: list[Ended] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    """What is kept from running now."""

    @property
    def url(self) -> str:
        """Where the REST API is."""
        return f"http://127.0.0.1:{self.places.web}"

    @property
    def processes(self) -> tuple[str, ...]:
        """Everything that can be killed."""
        return (*self.town.agents, "broker", *CLOUD, *(("postgres",) if self.town.postgresql else ()))

    def clock(self, name: str) -> Path:
        """Name the file with the offset of a process's clock."""
        return self.layout.data / "clocks" / name

    def child(self, name: str) -> Child:
        """Give a process that runs."""
        return self.children.named(name)

    async def kill(self, name: str) -> None:
        """End a process without warning; it stays away until `revive`."""
        self.down.add(name)
        with contextlib.suppress(KeyError):
            child = self.child(name)
            self._last[name] = child
            await self.children.kill(child)

    async def revive(self, name: str) -> None:
        """Start a process that was killed."""
        await self.children.start_again(self._last[name])
        self.down.discard(name)

    def __post_init__(self) -> None:
        self._last: dict[str, Child] = {}

    async def supervise(self) -> None:
        """Start again what ends by itself, until cancelled, and note it."""
        while True:
            await asyncio.sleep(_AGAIN_S)
            for name in self.processes:
                if name in self.down:
                    continue
                try:
                    child = self.child(name)
                except KeyError:
                    continue
                if child.running:
                    continue
                words = child.log.read_text(errors="replace").splitlines()[-3:]
                one = Ended(
                    at_ms=system_clock(), name=name, status=child.process.returncode, last_words=" | ".join(words)
                )
                self.ended.append(one)
                await self.children.kill(child)  # forgets it
                await self.children.start_again(child)

    async def healthy(self, name: str) -> dict[str, Any]:
        """Ask a process how it is; {"status": "down"} when it does not answer."""
        ports = {"web": self.places.web, "ingest": self.places.ingest, "worker": self.places.worker}
        port = ports.get(name) or self.places.probes[name]
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            try:
                found: dict[str, Any] = (await client.get(f"http://127.0.0.1:{port}/health")).json()
            except (httpx.HTTPError, ValueError):
                return {"status": "down"}
        return found

    async def until_healthy(self, *, within_s: float = _UP_WITHIN_S) -> None:
        """Wait until every process of the product says that it is well; TownFailed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        for name in (*CLOUD, *self.town.agents):
            while not is_well(report := await self.healthy(name)):
                if loop.time() > deadline:
                    raise TownFailed(f"{name} is not well after {within_s:g} s: {report}; see {self.layout.logs}")
                await asyncio.sleep(0.2)

    async def until_born(self, api: Api) -> dict[str, int]:
        """Wait until every device is online and has values; gives their ids by name. TownFailed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _UP_WITHIN_S
        while loop.time() < deadline:
            devices = (await api.get("/devices", limit=500))["items"]
            ready = {one["name"]: int(one["id"]) for one in devices if one["online"] and one["newest_ms"]}
            if set(self.town.devices) <= set(ready):
                return ready
            await asyncio.sleep(0.2)
        raise TownFailed(f"not all devices were born within {_UP_WITHIN_S:g} s; see {self.layout.logs}")


def is_well(report: Mapping[str, Any]) -> bool:
    """Whether a process is well. That its clock was just stepped, which agents tell for a minute, harms nothing."""
    checks = report.get("checks", {})
    known = [one["status"] for name, one in checks.items() if name != "clock"]
    return report["status"] == "ok" or (bool(known) and set(known) == {"ok"})


@asynccontextmanager
async def running(folder: Path, town: Town, *, codes: int, tell: Callable[[str], None]) -> AsyncIterator[Stack]:
    """Run a town while the context lasts. TownFailed, ChildFailed, NoServer."""
    layout = Layout(data=folder)
    async with AsyncExitStack() as stack:
        taken: set[int] = set()

        def port() -> int:
            return _free_port(taken)

        device_ports = {line: port() for line in town.lines if not line.endswith("-serial")}
        broker_port = port()
        links = {f"{agent}:broker": await stack.enter_async_context(linked(broker_port)) for agent in town.agents}
        links["ingest:broker"] = await stack.enter_async_context(linked(broker_port))
        for line, device_port in device_ports.items():
            links[f"{line}:devices"] = await stack.enter_async_context(linked(device_port))
        url, server = "sqlite+aiosqlite:///linli.db", None
        if town.postgresql:
            tell("preparing PostgreSQL")
            server = await asyncio.to_thread(database.prepare, folder / "postgres")
            links["cloud:postgres"] = await stack.enter_async_context(linked(server.port))
            url = server.url(links["cloud:postgres"].port)
        places = Places(
            web=port(),
            ingest=port(),
            worker=port(),
            probes={agent: port() for agent in town.agents},
            uplinks={agent: links[f"{agent}:broker"].port for agent in town.agents},
            cloud_uplink=links["ingest:broker"].port,
            downlinks={line: links[f"{line}:devices"].port for line in device_ports},
            device_ports=device_ports,
            database=url,
        )
        write_plan(folder, town, device_ports)
        write_profile(folder, codes=codes)
        write_configuration(layout, town, places)
        logs = {agent: JournalLog(agent=agent, folder=folder / agent) for agent in town.agents}
        children = await stack.enter_async_context(Children(logs=layout.logs))
        made = Stack(layout=layout, town=town, places=places, children=children, links=links, logs=logs)
        await _start(made, server, broker_port, tell)
        yield made


async def _start(stack: Stack, server: database.Server | None, broker_port: int, tell: Callable[[str], None]) -> None:
    layout, children, town = stack.layout, stack.children, stack.town
    stack.clock("").mkdir(parents=True, exist_ok=True)
    for name in (*town.agents, *CLOUD):
        step_clock(stack.clock(name), 0.0)
    tell("starting devices, broker, service and agents")
    for line in town.lines:
        words = [sys.executable, "-m", "simulators.chaos.devices", str(layout.data), line]
        await children.start(f"devices-{line}", words, environment=line_environment())
    nodes = [word for agent in town.agents for word in ("--node", f"{agent}={COMMUNITY}/{agent}")]
    broker = ["cloud", "broker", "--folder", str(layout.broker), "--port", str(broker_port), *nodes]
    await children.start("broker", [sys.executable, "-m", "linli", *broker], environment=line_environment())
    if server is not None:
        await children.start("postgres", server.command)
        if not await database.answers(server.port, within_s=60):
            raise TownFailed(f"PostgreSQL does not come up; see {layout.logs}")
    await _prepare(layout)
    if not await database.answers(broker_port, within_s=30):
        raise TownFailed(f"the broker does not come up; see {layout.logs}")
    await _until_lines(stack)
    for name in CLOUD:
        await _start_under_clock(stack, name, ["cloud", name, "--config", str(layout.cloud)])
    for agent in town.agents:
        site = str(layout.data / f"{agent}.toml")
        await _start_under_clock(stack, agent, ["edge", "run", site, "--agent", agent])
        await stack.logs[agent].install()


async def _start_under_clock(stack: Stack, name: str, words: list[str]) -> None:
    command = [sys.executable, "-m", "simulators.chaos.clock", str(stack.clock(name)), *words]
    await stack.children.start(name, command, environment=line_environment())


async def _until_lines(stack: Stack) -> None:
    missing = set(stack.town.lines)
    for _ in range(300):
        stack.children.check()
        missing -= {str(state["line"]) for state in await asyncio.to_thread(running_lines, stack.layout.simulators)}
        if not missing:
            return
        await asyncio.sleep(0.1)
    raise TownFailed(f"no devices on {', '.join(sorted(missing))}; see {stack.layout.logs}")


async def _prepare(layout: Layout) -> None:
    config = load_config(layout.cloud)
    await upgrade(config.database_url)
    engine = open_engine(config.database_url)
    try:
        plan = load_provision(layout.provision)
        await apply(engine, plan, file=layout.provision, passwords=Passwords(), now_ms=system_clock())
    finally:
        await engine.dispose()


_PORTS = range(15_000, 32_000)
"""Below those that systems give to connections: a process that is dead for seconds must find its port free again."""


def _free_port(taken: set[int]) -> int:
    while True:
        found = secrets.choice(_PORTS)
        if found in taken:
            continue
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", found)):
            taken.add(found)
            return found

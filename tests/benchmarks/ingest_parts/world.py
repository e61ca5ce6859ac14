"""Everything that the load needs: Mosquitto, a database, `linli cloud ingest` on one core, and what is seen of it."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from cloud.alarms.tables import alarm
from cloud.assets import organisation
from cloud.platform.database import open_engine, reading, transaction
from cloud.platform.migrate import upgrade
from cloud.work_orders.tables import work_order
from runtime.bench import CannotRun
from tests.benchmarks.bus_parts.agent import free_port
from tests.benchmarks.ingest_parts.stream import GROUP
from tests.support.postgres import postgres
from tests.support.programs import started

_TICKS = os.sysconf("SC_CLK_TCK")
_MOSQUITTO = "/usr/sbin/mosquitto"
_ROOT = Path(__file__).resolve().parents[3]
_LOOK_S = 0.02
_STARTS_WITHIN_S = 30.0
_TELL_S = 15.0


def _cores() -> tuple[set[int], set[int]]:
    """Give the core for ingest, and the cores for all else; CannotRun with one core only."""
    found = sorted(os.sched_getaffinity(0))
    if len(found) < 2:
        raise CannotRun("it takes two cores: one for ingest, and one for the load, the broker and PostgreSQL")
    return {found[0]}, set(found[1:])


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Ingest at one moment: its counters by name without the prefix, processor time, memory; what others have taken.

    `server_cpu_s` is PostgreSQL's with all its processes, 0 without one.
    """

    at: float
    counters: dict[str, float]
    cpu_s: float
    rss_mb: float
    broker_cpu_s: float
    server_cpu_s: float
    load_cpu_s: float

    def since(self, before: "Sample", counter: str) -> float:
        return self.counters.get(counter, 0.0) - before.counters.get(counter, 0.0)

    def rate(self, before: "Sample", counter: str) -> float:
        return self.since(before, counter) / (self.at - before.at)


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Where all of it is, and its processes."""

    folder: Path
    database_url: str
    ingest: int
    broker: int
    http: int
    broker_port: int
    cores: tuple[set[int], set[int]]

    def sample(self, load: "Load | None" = None) -> Sample:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=30) as page:
            found = page.read().decode()
        counters: dict[str, float] = {}
        for name, value in re.findall(r"^linli_ingest_(\w+?)(?:\{[^}]*\})? (\S+)$", found, re.MULTILINE):
            counters[name] = counters.get(name, 0.0) + float(value)
        resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.ingest}/status").read_text())
        assert resident is not None
        return Sample(
            at=time.monotonic(),
            counters=counters,
            cpu_s=cpu_s(self.ingest),
            rss_mb=int(resident[1]) * 1024 / 1e6,
            broker_cpu_s=cpu_s(self.broker),
            server_cpu_s=_server_cpu_s(),
            load_cpu_s=load.cpu_s if load is not None else 0.0,
        )


def cpu_s(pid: int, *, ended: bool = False) -> float:
    """Give the processor time that a process has had, with that of its children that have ended if asked for."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(one) for one in stat[11 : 15 if ended else 13]) / _TICKS


def _server_cpu_s() -> float:
    """Add up PostgreSQL's processes below this one: its main process, and those that it has started."""
    parents, names = dict[int, int](), dict[int, str]()
    for found in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = found.read_text().partition("(")[2].rpartition(")")
            parents[int(found.parent.name)], names[int(found.parent.name)] = int(rest.split()[1]), name
    main = {pid for pid, parent in parents.items() if parent == os.getpid() and names[pid] == "postgres"}
    total = 0.0
    for pid, parent in parents.items():
        if pid in main or parent in main:
            with contextlib.suppress(OSError):
                total += cpu_s(pid, ended=True)
    return total


@contextmanager
def running(database: str) -> Iterator[World]:
    """Run broker and ingest over a new database for the time of the context."""
    all_cores = os.sched_getaffinity(0)
    mine, others = _cores()
    os.sched_setaffinity(0, others)  # what is started from here stays off the core of ingest
    with (
        tempfile.TemporaryDirectory(prefix="linli-bench-", ignore_cleanup_errors=True) as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        url = f"sqlite+aiosqlite:///{folder}/linli.db" if database == "sqlite" else asyncio.run(_new_database())
        asyncio.run(_prepare(url))
        broker_port, http = free_port(), free_port()
        broker = stack.enter_context(_quiet([_MOSQUITTO, "-c", str(_broker_file(folder, broker_port))], others))
        (folder / "password").write_text("none")
        config = folder / "cloud.toml"
        config.write_text(_config(url, folder, broker_port, http), encoding="utf-8")
        log = stack.enter_context((folder / "ingest.log").open("w"))
        ingest = stack.enter_context(_quiet(_ingest_command(folder), mine, log=log))
        world = World(
            folder=folder,
            database_url=url,
            ingest=ingest.pid,
            broker=broker.pid,
            http=http,
            broker_port=broker_port,
            cores=(mine, others),
        )
        _wait_until_connected(world, ingest)
        try:
            yield world
        finally:
            os.sched_setaffinity(0, all_cores)
            said = (folder / "ingest.log").read_text().splitlines()
            if said:
                sys.stderr.write("".join(f"  ingest said: {line}\n" for line in said[-20:]))


@contextmanager
def again(world: World) -> Iterator[World]:
    """Kill ingest and start it again, for the time of the context; it is connected then, and knows of no birth."""
    os.kill(world.ingest, signal.SIGKILL)
    mine, _ = world.cores
    with (
        (world.folder / "ingest.log").open("a") as log,
        _quiet(_ingest_command(world.folder), mine, log=log) as ingest,
    ):
        after = replace(world, ingest=ingest.pid)
        _wait_until_connected(after, ingest)
        yield after


def _ingest_command(folder: Path) -> list[str]:
    config = str(folder / "cloud.toml")
    return [sys.executable, "-m", "linli", "cloud", "ingest", "--config", config, "--log-level", "warning"]


async def _new_database() -> str:
    base = postgres(durable=True)
    name = f"bench_{os.getpid()}_{time.monotonic_ns()}"
    engine = create_async_engine(base, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            async with engine.connect() as conn:
                await conn.execute(text(f'CREATE DATABASE "{name}"'))
            break
        except DBAPIError:  # it listens before it can work
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
    await engine.dispose()
    return f"{base.rsplit('/', 1)[0]}/{name}"


async def _prepare(url: str) -> None:
    await upgrade(url)
    engine = open_engine(url)
    async with transaction(engine) as conn:
        company, _ = await organisation.put_company(conn, "Bench")
        project, _ = await organisation.put_project(conn, company, "Bench")
        await organisation.put_community(
            conn, project, code=GROUP, name_zh="测试", name_en="Bench", time_zone="Asia/Shanghai"
        )
    await engine.dispose()


def _broker_file(folder: Path, port: int) -> Path:
    file = folder / "mosquitto.conf"
    lines = (
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "user root",
        # As `cloud.broker` has it.
        "set_tcp_nodelay true",
        "max_inflight_messages 100",
        "max_queued_messages 20000",
        "max_queued_bytes 67108864",
    )
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _config(url: str, folder: Path, broker_port: int, http: int) -> str:
    lines = (
        "schema = 1",
        f"database = {{ url = {json.dumps(url)} }}",
        f"telemetry = {{ file = {json.dumps(str(folder / 'telemetry.db'))} }}",
        f'broker = {{ host = "127.0.0.1", port = {broker_port}, password_file = "password" }}',
        f'ingest = {{ http = {{ host = "127.0.0.1", port = {http} }} }}',
    )
    return "\n".join(lines) + "\n"


def _quiet(
    command: list[str], on: set[int], *, log: Any = subprocess.DEVNULL
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """Run a program on some cores; it says nothing but to `log`."""
    return started(command, cores=on, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=log)


def _wait_until_connected(world: World, ingest: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        health = f"http://127.0.0.1:{world.http}/health"
        with contextlib.suppress(OSError), urllib.request.urlopen(health, timeout=5) as page:
            if json.loads(page.read())["checks"]["broker"]["status"] == "ok":
                return
        if ingest.poll() is not None or time.monotonic() > deadline:
            raise CannotRun(f"ingest does not come up: {(world.folder / 'ingest.log').read_text()[-500:]}")
        time.sleep(0.1)


class Load:
    """The load's process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._before: dict[str, float] = {}  # while everything was born
        self.trouble: dict[str, float] = {}

    @property
    def cpu_s(self) -> float:
        """The processor time that it has had."""
        return cpu_s(self._process.pid)

    def born(self, say: Callable[[str], None], total: int) -> float:
        """Wait until every device is born and heard of, and tell how far it is; seconds."""
        started = told_at = time.monotonic()
        while "ready" not in (told := self.answer()):
            if time.monotonic() - told_at >= _TELL_S:
                told_at = time.monotonic()
                say(f"  {round(told['born']):,} of {total:,} devices are born after {told_at - started:.0f} s")
        return time.monotonic() - started

    def begin(self, *, rate: float, seconds: float, window: int) -> None:
        """Let it send for a time; it goes on in the background."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"rate": rate, "seconds": seconds, "window": window}) + "\n")
        self._process.stdin.flush()

    def end(self) -> int:
        """Wait until all that it has sent is acknowledged; how many messages."""
        return int(self.answer()["sent"])

    def answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise CannotRun("the load has ended by itself; what it said stands above")
        told: dict[str, float] = json.loads(line)
        if "resent" in told:
            counts = {name: told[name] for name in ("rebirths", "resent")}
            self._before = self._before or counts
            self.trouble = {name: count - self._before[name] for name, count in counts.items()}
        return told


@contextmanager
def loading(
    world: World, say: Callable[[str], None], *, nodes: int, devices: int, per_message: int, tokens: bool = True
) -> Iterator[Load]:
    """Run the load until every device is born and heard of; then it waits to be told how much to send.

    What it costs ingest and the load until then is said.
    """
    wanted = {"nodes": nodes, "devices": devices, "per_message": per_message, "tokens": tokens}
    module = "tests.benchmarks.ingest_parts.load"
    command = [sys.executable, "-m", module, str(world.broker_port), json.dumps(wanted)]
    process = subprocess.Popen(
        command,
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    load = Load(process)
    try:
        before = world.sample()
        seconds = load.born(say, nodes * devices)
        after = world.sample()
        say(
            f"  {nodes * devices:,} devices on {nodes:,} nodes are born and heard of after {seconds:.0f} s; ingest has "
            f"worked for {after.cpu_s - before.cpu_s:.0f} s of it, the load for {load.cpu_s:.0f} s"
        )
        yield load
    finally:
        process.kill()
        process.wait()


async def watch_orders(url: str, *, until: float) -> list[float]:
    """Look for new orders until a monotonic time: seconds from the reading of the fault to when an outsider sees it."""
    engine = open_engine(url)
    newest, found = 0, list[float]()
    query = select(work_order.c.id, alarm.c.raised_ms).join(alarm, alarm.c.id == work_order.c.alarm_id)
    first = True
    try:
        while time.monotonic() < until:
            async with reading(engine) as conn:
                rows = (await conn.execute(query.where(work_order.c.id > newest).order_by(work_order.c.id))).all()
            seen_ms = time.time_ns() / 1e6
            if not first:
                found += [(seen_ms - row.raised_ms) / 1000 for row in rows]
            first = False
            newest = rows[-1].id if rows else newest
            await asyncio.sleep(_LOOK_S)
    finally:
        await engine.dispose()
    return found

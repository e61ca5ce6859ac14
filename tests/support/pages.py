"""A web process with a seeded community behind it, for tests in a browser and for screenshots."""

import asyncio
import contextlib
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.alarms import repository as alarms
from cloud.assets import repository as asset_rows
from cloud.assets.domain import DeviceRow, LastValue
from cloud.config import load_config
from cloud.ingest.tables import quarantine
from cloud.platform.database import open_engine, transaction
from cloud.work_orders.tables import work_order
from tests.support.page_world import HOUR, ROOT, fill, now_ms

T = TypeVar("T")


@dataclass(kw_only=True)
class Site:
    """A folder with configuration and data, and the web process that serves it."""

    folder: Path
    port: int
    devices: dict[str, DeviceRow] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)
    alarms: dict[str, int] = field(default_factory=dict)
    orders: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        return load_config(self.folder / "cloud.toml").database_url

    def run(self, work: Callable[[AsyncConnection], Awaitable[object]]) -> object:
        """Run `await work(conn)` in one transaction on the site's database, from outside of any loop."""

        async def once() -> object:
            engine = open_engine(self.database_url)
            try:
                async with transaction(engine) as conn:
                    return await work(conn)
            finally:
                await engine.dispose()

        return _apart(once())

    def put(self, device: str, point: str, value: float | str | None, *, quality: int = 192) -> None:
        """Write a last value, as ingest does."""
        now = now_ms()
        row = LastValue(
            device_id=self.devices[device].id, point=point, value=value, quality=quality, at_ms=now, received_ms=now
        )
        self.run(lambda conn: asset_rows.put_last_values(conn, [row]))

    def answer_replays(self, answer: str) -> None:
        """Refuse what is to be replayed from quarantine, as ingest does."""
        told = update(quarantine).where(quarantine.c.replay_ms.is_not(None)).values(replay_ms=None, answer=answer)
        self.run(lambda conn: conn.execute(told))

    def beat(self) -> None:
        """Say that a worker's timers run, as the worker does."""
        now = now_ms()
        self.run(lambda conn: alarms.put_heartbeat(conn, process="worker", started_ms=now - HOUR, at_ms=now))

    def restore(self, order: str) -> None:
        """Say that the sensor of an order is back, as the alarm engine does."""

        async def work(conn: AsyncConnection) -> None:
            values = {"state": "verified", "restored_ms": now_ms()}
            await conn.execute(update(work_order).where(work_order.c.id == self.orders[order]).values(**values))

        self.run(work)


def _apart(work: Coroutine[object, object, T]) -> T:
    # In a thread of its own: the browser's driver has a loop in this one.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def serving(folder: Path, *, seed: int = 7) -> Iterator[Site]:
    """Make a site in a folder and serve it by a process of its own."""
    site = Site(folder=folder, port=free_port())
    (folder / "broker-password").write_text("unused\n")
    (folder / "cloud.toml").write_text(
        f'schema = 1\n[broker]\npassword_file = "broker-password"\n[web]\nport = {site.port}\n', encoding="utf-8"
    )
    _apart(fill(site, random.Random(seed)))  # noqa: S311 - plausible data, no secrets
    log = (folder / "web.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "linli", "cloud", "web", "--config", str(folder / "cloud.toml")],
        cwd=ROOT,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, "NICEGUI_STORAGE_PATH": str(folder / "nicegui")},
    )
    try:
        _wait(site, process, folder / "web.log")
        yield site
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait(site: Site, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{site.url}/health", timeout=2) as answer:  # noqa: S310 - our own
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the web process does not answer:\n{log.read_text()[-4000:]}")

"""A reader and a thermal array as an agent has them: scene, line, bus, polls and events together."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.api import Bus, Device, PointResult
from drivers.profile import Profile
from edge.bus import BusRunner, Polled
from runtime.config import ConfigError
from runtime.lifecycle import Backoff, every
from simulators.devices import Devices
from simulators.line import TICK
from simulators.lines.base import LineContext
from simulators.lines.registry import STARTS
from simulators.scene import load_scene
from tests.support.spoken_lines import NAME, chance, opened

SCENE = """
schema = 1
[[lines]]
name = "gate"
protocol = "reader"
port = 0
devices = [{ name = "device-1", profile = "rdm6300-card-reader", seed = 1 }]
[[lines]]
name = "cabinet"
protocol = "thermal-array"
link = "cabinet"
baudrate = 115200
devices = [{ name = "array-1", profile = "gy-mcu90640-thermal-array" }]
[[steps]]
at = "1s"
do = "fault"
device = "device-1"
fault = "present:0008075634"
[[steps]]
at = "2s"
do = "fault"
device = "array-1"
fault = "hot-spot"
"""


class Agent:
    """Notes what a bus tells."""

    def __init__(self) -> None:
        self.news: asyncio.Queue[tuple[str, object]] = asyncio.Queue()
        self.results: asyncio.Queue[str] = asyncio.Queue()

    def on_read(self, device: str, results: tuple[PointResult, ...]) -> None:
        assert device == NAME
        self.news.put_nowait(("read", {result.point: result.value for result in results}))

    def on_up(self, device: str) -> None:
        self.news.put_nowait(("up", device))

    def on_down(self, device: str, reason: str) -> None:
        assert reason
        self.news.put_nowait(("down", device))

    def on_poll(self, bus: str, *, seconds: float, result: str) -> None:
        self.results.put_nowait(f"{bus} {result}" if seconds >= 0 else "time went back")

    def on_reconnect(self, bus: str, *, success: bool) -> None:
        self.results.put_nowait(f"{bus} {success}")

    async def until(self, wanted: object) -> None:
        async with asyncio.timeout(15):
            while await self.news.get() != wanted:
                pass


@asynccontextmanager
async def line_of(folder: Path, name: str) -> AsyncIterator[tuple[Devices[Any], str, Mapping[str, Profile]]]:
    file = folder / "scene.toml"
    file.write_text(SCENE)
    loaded = load_scene(file)
    async with AsyncExitStack() as stack:
        context = LineContext(data=folder, profiles=loaded.profiles, time_scale=1.0, stack=stack)
        line = next(line for line in loaded.scene.lines if line.name == name)
        devices, endpoint = await STARTS[type(line)](line, context)

        async def tick() -> None:
            devices.tick(TICK.total_seconds())

        living = asyncio.create_task(every(TICK, tick), name="live")
        try:
            yield devices, endpoint, loaded.profiles
        finally:
            living.cancel()
            with suppress(asyncio.CancelledError):
                await living


def runner(bus: Bus, device: Device, profile: Profile, agent: Agent) -> BusRunner:
    groups: dict[timedelta, tuple[str, ...]] = {}
    for name, point in profile.points.items():
        if point.polled:
            groups[timedelta(milliseconds=300)] = (*groups.get(timedelta(milliseconds=300), ()), name)
    return BusRunner(
        name="bus",
        bus=bus,
        devices={NAME: Polled(device=device, groups=groups)},
        timeout=bus.settings.timeout,
        listener=agent,
        clock=time.monotonic,
        backoff=Backoff(first=timedelta(milliseconds=100), limit=timedelta(seconds=1), random=chance(1).random),
    )


async def test_a_reader_on_an_agent_is_heard_polled_lost_and_back(tmp_path: Path) -> None:
    async with line_of(tmp_path, "gate") as (devices, endpoint, profiles):
        host, _, port = endpoint.rpartition(":")
        place = {"protocol": "reader", "host": host, "port": int(port), "timeout": "1s"}
        agent, profile = Agent(), profiles[NAME]
        async with opened(profile, place) as (bus, device):
            await bus.close()
            running = asyncio.create_task(runner(bus, device, profile, agent).run(), name="bus")
            try:
                await agent.until(("read", {"reads": 0, "malformed": 0}))
                await asyncio.sleep(0.3)
                devices.fault(NAME, "present:0008075634")
                await agent.until(("read", {"card": "0008075634", "tag": "4B007B3972"}))
                await agent.until(("read", {"reads": 1, "malformed": 0}))
                devices.fault(NAME, "line-dropped")
                await agent.until(("down", NAME))
                devices.clear(NAME, "line-dropped")
                async with asyncio.timeout(5):
                    await agent.until(("up", NAME))
                await asyncio.sleep(0.3)
                devices.fault(NAME, "present:0000000001")
                await agent.until(("read", {"card": "0000000001", "tag": "4B00000001"}))
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running


async def test_an_array_on_an_agent_is_polled_at_the_speed_of_its_wire(tmp_path: Path) -> None:
    async with line_of(tmp_path, "cabinet") as (_, endpoint, profiles):
        place: dict[str, object] = {"protocol": "thermal-array", "port": endpoint}
        async with opened(profiles["array-1"], place) as (_, device):
            read = await device.read(["maximum", "difference"])
    assert all(result.value is not None for result in read.values())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("present:0008075634", "presents:1"), "device-1 has no fault 'presents:1'"),
        (("hot-spot", "cold-spot"), "array-1 has no fault 'cold-spot'"),
        (("port = 0", "port = 0\nlink = 'gate'"), "either `link` or `port`"),
        (('profile = "rdm6300-card-reader"', 'profile = "dlt645-electricity-meter"'), "speaks dlt645"),
        (('link = "cabinet"', 'port = 0\nlink = "cabinet"'), "either `link` or `port`"),
    ],
)
def test_scenes_that_cannot_be_are_refused(change: tuple[str, str], why: str, tmp_path: Path) -> None:
    file = tmp_path / "scene.toml"
    file.write_text(SCENE.replace(*change))
    with pytest.raises(ConfigError, match=why):
        load_scene(file)

"""Cameras as the edge polls them: lost, told, and back, over real sockets."""

import asyncio
import time
from datetime import timedelta

from drivers.address import DeviceAddress
from drivers.api import PointResult, Value
from drivers.catalog import catalog_profile
from drivers.registry import open_bus, open_device
from edge.bus import BusRunner, Polled
from runtime.lifecycle import Backoff
from tests.support.cameras import NAME, THERMAL, VISIBLE, camera_settings, radiometric_settings, thermal, until, visible


class Listener:
    def __init__(self) -> None:
        self.values: dict[str, Value | None] = {}
        self.news: list[str] = []

    def on_read(self, device: str, results: tuple[PointResult, ...]) -> None:
        assert device == NAME
        self.values |= {result.point: result.value for result in results}

    def on_up(self, device: str) -> None:
        self.news.append(f"{device} up")

    def on_down(self, device: str, reason: str) -> None:
        self.news.append(f"{device} down{bool(reason) * ':'}")

    def on_poll(self, bus: str, *, seconds: float, result: str) -> None:
        pass

    def on_reconnect(self, bus: str, *, success: bool) -> None:
        pass


def runner(settings: object, profile_name: str, listener: Listener) -> BusRunner:
    profile = catalog_profile(profile_name)
    bus = open_bus(settings, name="bus")  # type: ignore[arg-type]
    device = open_device(bus, DeviceAddress(), profile, name=NAME)
    groups = {timedelta(milliseconds=200): tuple(profile.points)}
    return BusRunner(
        name="bus",
        bus=bus,
        devices={NAME: Polled(device=device, groups=groups)},
        timeout=timedelta(seconds=1),
        listener=listener,
        clock=time.monotonic,
        backoff=Backoff(random=lambda: 0.5, limit=timedelta(seconds=1)),
    )


async def test_a_lost_camera_is_a_value_and_no_device_that_is_down() -> None:
    listener = Listener()
    async with visible("mjpeg") as simulated, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(runner(camera_settings(simulated.url), VISIBLE, listener).run())
        await until(lambda: listener.values.get("streaming") is True, within=10)
        simulated.fault("line-dropped")
        await until(lambda: listener.values.get("streaming") is False, within=10)
        assert listener.values["rate"] == 0.0
        assert listener.values["frozen"] is None
        simulated.clear()
        await until(lambda: listener.values.get("streaming") is True, within=15)
        assert listener.news == []
        running.cancel()


async def test_a_thermal_camera_that_is_away_is_down_and_comes_up_again() -> None:
    listener = Listener()
    async with thermal() as simulated, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(runner(radiometric_settings(simulated.url), THERMAL, listener).run())
        await until(lambda: listener.values.get("maximum") is not None, within=10)
        simulated.fault("line-dropped")
        await until(lambda: listener.news == [f"{NAME} down:"], within=20)
        simulated.clear()
        await until(lambda: listener.news == [f"{NAME} down:", f"{NAME} up"], within=25)
        running.cancel()

"""Simulated cameras on real sockets, and buses to them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from pydantic import TypeAdapter

from drivers.address import DeviceAddress
from drivers.camera.config import CameraSettings
from drivers.camera.driver import Camera, CameraBus
from drivers.catalog import catalog_profile
from drivers.radiometric.config import RadiometricSettings
from drivers.radiometric.driver import RadiometricBus, RadiometricCamera
from drivers.registry import BusSettings, open_bus, open_device
from simulators.cameras import stamp
from simulators.cameras.challenge import Guard
from simulators.cameras.http import mjpeg_path, radiometric_path, serve_mjpeg, serve_radiometric
from simulators.cameras.rtsp import rtsp_path, serve_rtsp
from simulators.cameras.station import CameraStation, Lens, ThermalStation
from simulators.devices import Devices
from simulators.machines.registry import make_machine

NAME = "gate-camera"
VISIBLE, THERMAL = "hikvision-ip-camera", "hikvision-thermal-camera"
USER, PASSWORD = "linli", "p@ss:w/ord?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulated:
    """A camera that is served: `url` without a login, `devices` take faults."""

    url: str
    devices: Devices[Any]

    def fault(self, name: str) -> None:
        self.devices.fault(NAME, name)

    def clear(self) -> None:
        self.devices.clear(NAME, None)


def guard_for(stream: str, *, scheme: str = "digest") -> Guard:
    return Guard(user=USER, password=PASSWORD, nonce="4e1f", scheme=scheme, qop=stream != "rtsp")


@asynccontextmanager
async def visible(
    stream: str, *, rate: float = 10.0, port: int = 0, guard: Guard | None = None, width: int = 640, height: int = 480
) -> AsyncIterator[Simulated]:
    profile = catalog_profile(VISIBLE)
    station = CameraStation(
        name=NAME,
        profile=profile,
        machine=make_machine(profile),
        random=Random(1),  # noqa: S311 - noise that repeats
        lens=Lens(width=width, height=height, rate=rate),
        monotonic=time.monotonic,
        unix=time.time,
    )
    devices = Devices([station])
    serve = serve_rtsp if stream == "rtsp" else serve_mjpeg
    path, scheme = (rtsp_path(), "rtsp") if stream == "rtsp" else (mjpeg_path(), "http")
    async with serve(devices, host="127.0.0.1", port=port, guard=guard) as real:
        yield Simulated(url=f"{scheme}://127.0.0.1:{real}{path}", devices=devices)


@asynccontextmanager
async def thermal(*, guard: Guard | None = None, word: int = 4, port: int = 0) -> AsyncIterator[Simulated]:
    profile = catalog_profile(THERMAL)
    station = ThermalStation(
        name=NAME,
        profile=profile,
        machine=make_machine(profile),
        random=Random(1),  # noqa: S311 - noise that repeats
        lens=Lens(width=64, height=48, rate=10.0),
        monotonic=time.monotonic,
        unix=time.time,
        word=word,
    )
    devices = Devices([station])
    async with serve_radiometric(devices, host="127.0.0.1", port=port, guard=guard) as real:
        yield Simulated(url=f"http://127.0.0.1:{real}{radiometric_path()}?format=json", devices=devices)


def login_file(folder: Path, *, user: str = USER, password: str = PASSWORD) -> str:
    file = folder / "camera.login"
    file.write_text(f"{user}\n{password}\n", encoding="utf-8")
    return str(file)


def camera_settings(url: str, **more: object) -> CameraSettings:
    data = {"protocol": "camera", "url": url, "timeout": "3s", "silent_after": "1s", "look_every": "50ms", **more}
    settings: BusSettings = TypeAdapter(BusSettings).validate_python(data)
    assert isinstance(settings, CameraSettings)
    return settings


def radiometric_settings(url: str, **more: object) -> RadiometricSettings:
    quick = {"timeout": "1s", "period": "100ms", "valid_for": "1s"}
    settings: BusSettings = TypeAdapter(BusSettings).validate_python(
        {"protocol": "radiometric", "url": url, **quick, **more}
    )
    assert isinstance(settings, RadiometricSettings)
    return settings


@asynccontextmanager
async def watching(url: str, **more: object) -> AsyncIterator[Camera]:
    bus = open_bus(camera_settings(url, **more), name="bus")
    assert isinstance(bus, CameraBus)
    camera = open_device(bus, DeviceAddress(), catalog_profile(VISIBLE), name=NAME)
    assert isinstance(camera, Camera)
    await bus.connect()
    try:
        yield camera
    finally:
        await bus.close()


@asynccontextmanager
async def measuring(url: str, **more: object) -> AsyncIterator[RadiometricCamera]:
    bus = open_bus(radiometric_settings(url, **more), name="bus")
    assert isinstance(bus, RadiometricBus)
    camera = open_device(bus, DeviceAddress(), catalog_profile(THERMAL), name=NAME)
    assert isinstance(camera, RadiometricCamera)
    await bus.connect()
    try:
        yield camera
    finally:
        await bus.close()


def drawn_age_s(image: Any) -> float:
    """How long ago a picture was drawn, by the stamp in it."""
    return time.time() - stamp.read(image) / 1000


async def until(true: Callable[[], bool], *, within: float) -> float:
    """Wait for something; how long it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < within
        await asyncio.sleep(0.02)
    return time.monotonic() - started

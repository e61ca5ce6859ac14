"""A radiometric camera on the network: a JPEG with its temperatures over HTTP."""

import time
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from simulators.devices import Devices
from simulators.lines.base import LineContext
from simulators.lines.camera import NetworkCameraLine

if TYPE_CHECKING:
    from simulators.cameras.station import ThermalStation


class RadiometricLine(NetworkCameraLine):
    """A thermal camera with pictures of `width` x `height`, `rate` of them a second.

    A temperature has a `word` of 4 bytes (floating point) or 2 (scaled kelvin).
    """

    speaks: ClassVar[str] = "radiometric"
    bus: ClassVar[str] = "radiometric"

    protocol: Literal["radiometric"]
    width: int = Field(default=256, ge=32, le=1280)
    height: int = Field(default=192, ge=24, le=1024)
    rate: float = Field(default=8.0, gt=0, le=30)
    word: Literal[2, 4] = 4


async def start(line: RadiometricLine, context: LineContext) -> tuple["Devices[ThermalStation]", str]:
    """Serve a camera; gives it, and its URL. LineUnavailable."""
    from simulators.cameras.http import radiometric_path, serve_radiometric
    from simulators.cameras.station import Lens, ThermalStation

    (device,) = line.devices
    station = ThermalStation(
        name=device.name,
        profile=context.profiles[device.name],
        machine=context.machine(device),
        random=context.random(device),
        lens=Lens(width=line.width, height=line.height, rate=line.rate),
        monotonic=time.monotonic,
        unix=time.time,
        stage=context.stage(line.stage),
        word=line.word,
    )
    devices = Devices([station], transport=line.transport)
    guard = line.guard(context.data, qop=True)
    port = await context.stack.enter_async_context(
        serve_radiometric(devices, host=line.host, port=line.port, guard=guard)
    )
    return devices, f"http://{line.host}:{port}{radiometric_path()}?format=json"

"""A visible camera on the network: Motion JPEG over HTTP, or RTSP."""

import asyncio
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from drivers.profile import Slug
from simulators.devices import Devices
from simulators.lines.base import LineContext, PortLine, SceneDevice

if TYPE_CHECKING:
    from simulators.cameras.challenge import Guard
    from simulators.cameras.station import CameraStation

_BLOCK = 16
"""RFC 2435 and 4:2:0 want whole blocks."""


class NetworkCameraLine(PortLine):
    """One camera on a TCP port.

    With `user` and `password` it asks for a login; `<data>/<line>.login` is the file of credentials for the agent.
    """

    devices: tuple[SceneDevice, ...] = Field(min_length=1, max_length=1)
    user: str | None = Field(default=None, min_length=1)
    password: str | None = Field(default=None, min_length=1)
    stage: Slug | None = Field(default=None, description="cameras with the same word see the same people")

    @property
    def members(self) -> tuple[SceneDevice, ...]:
        """Its device."""
        return self.devices

    @property
    def looks_at(self) -> str | None:
        """Its stage."""
        return self.stage

    def guard(self, folder: Path, *, qop: bool) -> "Guard | None":
        """Make what asks for the login, and write the login down for the agent; None where nobody is asked."""
        from simulators.cameras.challenge import Guard

        if self.user is None or self.password is None:
            return None
        write_login(folder / f"{self.name}.login", self.user, self.password)
        return Guard(user=self.user, password=self.password, nonce=secrets.token_hex(16), qop=qop)

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("a login is a `user` and a `password`")
        return self


class CameraLine(NetworkCameraLine):
    """A visible camera with pictures of `width` x `height`, `rate` of them a second.

    With a `source` it serves real pictures: a webcam's number, a video file's path, or a URL; at most `width` wide.
    """

    speaks: ClassVar[str] = "camera"
    bus: ClassVar[str] = "camera"

    protocol: Literal["camera"]
    stream: Literal["mjpeg", "rtsp"] = "mjpeg"
    width: int = Field(default=640, ge=352, le=1920, multiple_of=_BLOCK)
    height: int = Field(default=480, ge=240, le=1200, multiple_of=_BLOCK)
    rate: float = Field(default=10.0, gt=0, le=30)
    source: str | None = Field(default=None, min_length=1, description="a real camera, over Motion JPEG")

    @model_validator(mode="after")
    def _source_is_real(self) -> Self:
        if self.source is not None and (self.stage is not None or self.stream != "mjpeg"):
            raise ValueError("a camera with a `source` looks at no `stage`, and its stream is `mjpeg`")
        return self


def write_login(file: Path, user: str, password: str) -> None:
    """Write a file of credentials as the drivers read it, for its owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
        written.write(f"{user}\n{password}\n")


async def start(line: CameraLine, context: LineContext) -> tuple["Devices[CameraStation]", str]:
    """Serve a camera; gives it, and its URL. LineUnavailable."""
    from simulators.cameras.http import mjpeg_path, serve_mjpeg
    from simulators.cameras.rtsp import rtsp_path, serve_rtsp
    from simulators.cameras.station import CameraStation, Lens

    if line.source is not None:
        return await _start_real(line, line.source, context)
    (device,) = line.devices
    station = CameraStation(
        name=device.name,
        profile=context.profiles[device.name],
        machine=context.machine(device),
        random=context.random(device),
        lens=Lens(width=line.width, height=line.height, rate=line.rate),
        monotonic=time.monotonic,
        unix=time.time,
        stage=context.stage(line.stage),
    )
    devices = Devices([station], transport=line.transport)
    served: Any
    if line.stream == "rtsp":
        scheme, path, guard = "rtsp", rtsp_path(), line.guard(context.data, qop=False)
        served = serve_rtsp(devices, host=line.host, port=line.port, guard=guard)
    else:
        scheme, path, guard = "http", mjpeg_path(), line.guard(context.data, qop=True)
        served = serve_mjpeg(devices, host=line.host, port=line.port, guard=guard)
    port = await context.stack.enter_async_context(served)
    return devices, f"{scheme}://{line.host}:{port}{path}"


async def _start_real(line: CameraLine, source: str, context: LineContext) -> tuple["Devices[CameraStation]", str]:
    """Serve a real camera. LineUnavailable when it gives no picture."""
    from simulators.cameras.http import mjpeg_path, serve_mjpeg
    from simulators.cameras.station import CameraStation, Lens
    from simulators.cameras.webcam import Webcam, WebcamStation

    (device,) = line.devices
    webcam = Webcam(source, widest=line.width)
    await asyncio.to_thread(webcam.start)
    context.stack.callback(webcam.stop)
    station: CameraStation = WebcamStation(
        name=device.name,
        profile=context.profiles[device.name],
        machine=context.machine(device),
        random=context.random(device),
        lens=Lens(width=line.width, height=line.height, rate=line.rate),
        monotonic=time.monotonic,
        unix=time.time,
        webcam=webcam,
    )
    devices = Devices([station], transport=line.transport)
    guard = line.guard(context.data, qop=True)
    port = await context.stack.enter_async_context(serve_mjpeg(devices, host=line.host, port=line.port, guard=guard))
    return devices, f"http://{line.host}:{port}{mjpeg_path()}"

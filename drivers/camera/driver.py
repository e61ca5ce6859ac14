"""A visible camera as `drivers.api` has it: a bus with one device, whose newest picture is always at hand."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

from drivers.api import BadRequest, Observer, PointResult, Unreachable, Value
from drivers.camera.config import CameraSettings
from drivers.camera.mjpeg import MjpegSource
from drivers.camera.newest import Newest
from drivers.camera.picture import Frame
from drivers.camera.reader import Reader, State
from drivers.camera.rtsp import RtspSource
from drivers.camera.source import StreamLost
from drivers.places.camera import CameraPoint
from drivers.profile import Profile

_END_S = 1.0


class CameraBus:
    """One camera's stream, read by threads of its own for as long as the bus is connected.

    The camera may come and go meanwhile: the threads open the stream anew by themselves, so that the bus is connected
    also while there is no picture; `Camera.read` says so. All errors are DriverError.
    """

    def __init__(self, settings: CameraSettings, *, name: str, observe: Observer | None = None) -> None:
        self.settings = settings
        self.name = name
        self._observe = observe
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: Reader | None = None
        self._newest: Newest[Frame] = Newest()

    @property
    def connected(self) -> bool:
        """Whether the stream is being read, or tried."""
        return self._reader is not None and self._reader.alive

    async def connect(self) -> None:
        """Begin to read, and wait for the first picture or the first failure, at most for `timeout`.

        A camera that is not there is no error here: it is tried again until the bus is closed.
        """
        await self.close()
        self._loop = asyncio.get_running_loop()
        settled = asyncio.Event()
        source = RtspSource(self.settings, name=self.name) if self.settings.is_rtsp else self._mjpeg()
        # Spread only so that the cameras of a switch that restarts are not all asked at once.
        reader = Reader(
            self.settings,
            source,
            name=self.name,
            newest=self._newest,
            told=self._teller(settled),
            random=random.random,
        )
        self._reader = reader
        reader.start()
        try:
            async with asyncio.timeout(self.settings.timeout.total_seconds()):
                await settled.wait()
        except TimeoutError:
            return
        except asyncio.CancelledError:
            reader.stop()
            raise

    async def close(self) -> None:
        """Stop reading; never raises. A stream that is hung inside FFmpeg ends by itself within its time-outs."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()
            await asyncio.to_thread(reader.join, _END_S)

    def latest(self, *, max_age: timedelta | None = None) -> Frame | None:
        """Give the newest picture; None when there is none yet, or none that is young enough. Any thread may ask."""
        frame = self._newest.get()
        if frame is None or max_age is None:
            return frame
        return frame if time.monotonic() - frame.at_s <= max_age.total_seconds() else None

    async def wait_newer(self, than: int = 0) -> Frame:
        """Wait for a picture with a number above `than`, over any number of connections, and give the newest then."""
        return await self._newest.wait_newer(than)

    def state(self) -> State:
        """Say how the stream does; Unreachable on a bus that is not connected."""
        if self._reader is None:
            raise Unreachable(device=self.name, why="the bus is not connected")
        return self._reader.state()

    def _mjpeg(self) -> MjpegSource:
        return MjpegSource(self.settings, name=self.name)

    def _teller(self, settled: asyncio.Event) -> Callable[[float, StreamLost | None], None]:
        """Make what the reading thread calls when a stream was opened or lost."""

        def on_loop(seconds: float, kind: str) -> None:
            settled.set()
            if self._observe is not None:
                self._observe(self.name, seconds, kind)

        def told(seconds: float, lost: StreamLost | None) -> None:
            kind = "ok" if lost is None else "TimedOut" if lost.silent else "Unreachable"
            if self._loop is not None:
                with suppress(RuntimeError):  # the loop was closed, and with it everybody who would hear
                    self._loop.call_soon_threadsafe(on_loop, seconds, kind)

        return told


class Camera:
    """One camera (`drivers.api.Device`), which is only read."""

    def __init__(self, bus: CameraBus, *, profile: Profile, name: str) -> None:
        self.bus = bus
        self.profile = profile
        self.name = name
        figures = {point.at(CameraPoint).figure for point in profile.points.values()}
        self._tells_loss = "streaming" in figures

    def latest(self, *, max_age: timedelta | None = None) -> Frame | None:
        """Give the newest picture, see `CameraBus.latest`."""
        return self.bus.latest(max_age=max_age)

    async def wait_newer(self, than: int = 0) -> Frame:
        """Wait for a newer picture, see `CameraBus.wait_newer`."""
        return await self.bus.wait_newer(than)

    async def read(
        self,
        points: Sequence[str],
        *,
        urgent: bool = False,  # noqa: ARG002 - nothing is asked of the camera: the stream has told it already
    ) -> Mapping[str, PointResult]:
        """Read points by id, from the newest picture and the stream; the answer has every one of them.

        Without pictures `streaming` and the counts can still be told, and the other points say why they cannot. With
        a profile that has no such point, a camera without pictures is Unreachable.
        """
        state = self.bus.state()
        places = {point: self._place(point) for point in points}
        if not state.streaming and not self._tells_loss:
            raise Unreachable(device=self.name, why=state.problem)
        return {point: _result(point, place, state) for point, place in places.items()}

    async def write(self, point: str, value: Value) -> None:  # noqa: ARG002 - every write is refused
        """Refuse: a camera takes no command here."""
        raise BadRequest(device=self.name, why=f"`{point}` cannot be written: a camera is only read")

    def _place(self, point: str) -> CameraPoint:
        if point not in self.profile.points:
            raise BadRequest(device=self.name, why=f"the profile has no point `{point}`")
        return self.profile.points[point].at(CameraPoint)


def _result(point: str, place: CameraPoint, state: State) -> PointResult:
    value = FIGURES[place.figure](state)
    return PointResult(point=point, value=value, reason="" if value is not None else state.problem or _NOT_YET)


_NOT_YET = "no picture was measured yet"
FIGURES: Mapping[str, Callable[[State], Value | None]] = {
    "streaming": lambda state: state.streaming,
    "rate": lambda state: state.rate,
    "age": lambda state: state.age_s,
    "width": lambda state: None if state.figures is None else state.figures.width,
    "height": lambda state: None if state.figures is None else state.figures.height,
    "brightness": lambda state: None if state.figures is None else state.figures.brightness,
    "sharpness": lambda state: None if state.figures is None else state.figures.sharpness,
    "frozen": lambda state: state.frozen if state.figures is not None else None,
    "covered": lambda state: state.covered if state.figures is not None else None,
    "corrupt": lambda state: state.corrupt,
    "losses": lambda state: state.losses,
}
"""A point's `figure` to what the stream's state says of it; None where it says nothing."""

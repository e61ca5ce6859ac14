"""A thermal array on its line: the newest picture, and the figures that points show of it."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drivers.api import BadRequest, Garbled, Observer, PointResult, TimedOut, Value
from drivers.places.thermal import ThermalPoint
from drivers.profile import Profile
from drivers.serial_line.listening import ListeningLine
from drivers.thermal_array import codec
from drivers.thermal_array.config import ThermalArraySettings
from drivers.thermal_picture import NoFigure, Picture, figure
from drivers.vigil import Vigil
from runtime.logs import get_log

_PAUSE_S = 0.1  # between two commands: the module misses what comes while it obeys


@dataclass(frozen=True, kw_only=True, slots=True)
class ThermalPicture:
    """A picture, (24, 32) float32 in °C, not a number where a pixel is defective; nobody may write into it.

    `at_s` is when its last byte came, by the monotonic clock (`time.monotonic`), and `at_ms` the same in Unix time.
    """

    temperatures: Picture
    ambient_c: float
    at_s: float
    at_ms: int


class ThermalArrayBus(ListeningLine):
    """The line of one array. It keeps the newest picture alone, so that what is shown is never late."""

    settings: ThermalArraySettings

    def __init__(
        self,
        settings: ThermalArraySettings,
        *,
        name: str,
        observe: Observer | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(settings, name=name, observe=observe)
        self.damaged = 0
        """How many pictures came and could not be taken."""
        self._monotonic = monotonic
        self._wall = wall
        self._decoder = codec.Decoder()
        self._newest: ThermalPicture | None = None
        self._began_s = 0.0  # when the first byte of a frame came
        self._news = asyncio.Event()
        self._bytes = 0  # that came, ever
        self._vigil = Vigil()
        self._asking = asyncio.Lock()

    async def connect(self) -> None:
        """Open the line and set the module up; Unreachable."""
        await super().connect()
        self._vigil.connected(now=self._monotonic())
        await self._set_up()

    def latest(self) -> ThermalPicture | None:
        """Give the newest picture; None while there is none that is young enough (`stale`)."""
        if self._newest is None or self._monotonic() - self._newest.at_s > self.settings.stale.total_seconds():
            return None
        return self._newest

    async def picture(self) -> ThermalPicture:
        """Give the newest picture, or a fresh one in query mode; DriverError.

        A module that is silent is set up once more, for it may have been without power in between.
        """
        async with self._asking:
            if not self.connected:
                raise self.unreachable()
            if self.settings.mode == "query":
                return await self._next(after=self._monotonic(), ask=codec.QUERY)
            newest = self.latest()
            if newest is not None:
                return newest
            return await self._next(after=self._newest.at_s if self._newest is not None else float("-inf"))

    async def _next(self, *, after: float, ask: bytes = b"") -> ThermalPicture:
        """Wait for a picture that came after that time; ask for it, or set the module up when it stays silent."""
        before = self._bytes
        try:
            async with asyncio.timeout(self.settings.timeout.total_seconds()):
                if ask:
                    self.send(ask)
                else:
                    await self._wake(after)
                return await self._comes(after)
        except TimeoutError as error:
            self._doubt()
            if self._bytes > before:
                raise Garbled(device=self.device, why="bytes came that make no picture") from error
            raise TimedOut(device=self.device, after=self.settings.timeout) from error

    async def _wake(self, after: float) -> None:
        """Set the module up once more when no picture comes by itself in half the time."""
        try:
            async with asyncio.timeout(self.settings.timeout.total_seconds() / 2):
                await self._comes(after)
        except TimeoutError:
            await self._set_up()

    async def _comes(self, after: float) -> ThermalPicture:
        """Wait for a picture that came after that time; Unreachable when the line is lost meanwhile."""
        while self._newest is None or self._newest.at_s <= after:
            if not self.connected:
                raise self.unreachable()
            self._news.clear()
            await self._news.wait()
        return self._newest

    async def _set_up(self) -> None:
        settings = self.settings
        commands = [codec.QUERY] if settings.mode == "query" else []
        if settings.rate is not None:
            commands.append(codec.set_rate(settings.rate))
        if settings.emissivity is not None:
            commands += [codec.set_emissivity(settings.emissivity), codec.ASK_EMISSIVITY]
        if settings.mode == "continuous":
            commands.append(codec.AUTOMATIC)
        for command in commands:
            self.send(command)
            await asyncio.sleep(_PAUSE_S)

    def _doubt(self) -> None:
        """Give up a TCP connection on which nothing comes any more; a serial port has no far end to lose."""
        if self.settings.host is not None and self._vigil.unanswered(self.device, now=self._monotonic()):
            self.give_up("nothing comes on it")

    def _heard(self, data: bytes) -> None:
        now = self._monotonic()
        if not self._decoder.waiting:
            self._began_s = now
        self._bytes += len(data)
        for said in self._decoder.feed(data):
            match said:
                case codec.Frame():
                    self._newest = _picture(said, at_s=now, at_ms=round(self._wall() * 1000))
                    self._vigil.answered(self.device)
                    self.observe(now - self._began_s, "ok")
                    self._began_s = now
                    self._news.set()
                case codec.Damaged():
                    self.damaged += 1
                    self.observe(now - self._began_s, Garbled.__name__)
                case codec.Emissivity(value=value):
                    self._compare(value)

    def _compare(self, told: float) -> None:
        wanted = self.settings.emissivity
        if wanted is not None and round(100 * told) != round(100 * wanted):
            get_log("drivers.thermal_array").warning("emissivity not taken", device=self.device, told=told, set=wanted)

    def _begins(self) -> None:
        self._decoder.clear()

    def _ended(self) -> None:
        self._decoder.clear()
        self._news.set()


class ThermalArray:
    """The array as `drivers.api.Device`."""

    def __init__(self, bus: ThermalArrayBus, *, profile: Profile, name: str) -> None:
        self.bus = bus
        self.profile = profile
        self.name = name
        bus.device = name

    def latest(self) -> ThermalPicture | None:
        """Give the newest picture; None while there is none that is young enough."""
        return self.bus.latest()

    async def read(
        self,
        points: Sequence[str],
        *,
        urgent: bool = False,  # noqa: ARG002 - nothing is ever written, so no read-back is waited for
    ) -> Mapping[str, PointResult]:
        """Read points by id, all of one picture; DriverError when there is none.

        A figure that the picture has not (a region beyond it, a defective pixel) gives its point the reason.
        """
        places = {name: self._place(name) for name in points}
        picture = await self.bus.picture()
        return {name: shown(name, place, picture) for name, place in places.items()}

    async def write(self, point: str, value: Value) -> None:
        """Refuse: a picture is only looked at. BadRequest."""
        raise BadRequest(device=self.name, why=f"`{point}` cannot be set to {value!r}: an array is only read")

    def _place(self, name: str) -> ThermalPoint:
        point = self.profile.points.get(name)
        if point is None:
            raise BadRequest(device=self.name, why=f"`{name}` is no point of the profile `{self.profile.name}`")
        return point.at(ThermalPoint)


def shown(name: str, place: ThermalPoint, picture: ThermalPicture) -> PointResult:
    """Say what a point shows of a picture."""
    try:
        return PointResult(point=name, value=figure(place, picture.temperatures, ambient=picture.ambient_c))
    except NoFigure as error:
        return PointResult(point=name, value=None, reason=str(error))


def _picture(frame: codec.Frame, *, at_s: float, at_ms: int) -> ThermalPicture:
    temperatures = np.frombuffer(frame.pixels, dtype="<i2").astype(np.float32) / np.float32(100)
    temperatures[list(frame.defective)] = np.nan
    temperatures = temperatures.reshape(codec.ROWS, codec.COLUMNS)
    temperatures.setflags(write=False)
    return ThermalPicture(temperatures=temperatures, ambient_c=frame.ambient_c, at_s=at_s, at_ms=at_ms)


def picture_of(frame: codec.Frame) -> ThermalPicture:
    """Give the picture of a frame that stands for itself, at no time: for documents and cases."""
    return _picture(frame, at_s=0.0, at_ms=0)

"""A radiometric camera as `drivers.api` has it: polled at its own period, the newest picture always at hand."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import httpx

from drivers.api import (
    BadRequest,
    DriverError,
    Garbled,
    Observer,
    PointResult,
    Refused,
    TimedOut,
    Unreachable,
    Value,
)
from drivers.camera.auth import AsyncHiddenUrl, CameraAuth, told
from drivers.camera.newest import Newest
from drivers.camera.place import NoLogin, needs_login, read_login
from drivers.places.thermal import ThermalPoint
from drivers.profile import Profile
from drivers.radiometric import codec
from drivers.radiometric.codec import Radiogram, Temperatures
from drivers.radiometric.config import RadiometricSettings
from drivers.thermal_picture import NoFigure, figure
from runtime.cancellation import honour_cancellation
from runtime.lifecycle import Backoff

_OK, _SERVER_ERROR = 200, 500
_REFUSALS = {
    401: "the camera refuses the credentials",
    403: "the camera forbids it",
    404: "the camera has no such path",
}
_STRIKES = 3
FIRST_REFUSED_PAUSE = timedelta(seconds=5)
LONGEST_REFUSED_PAUSE = timedelta(minutes=2)
"""A camera that refuses a login soon locks the whole address out, so it is asked seldom, whoever connects how often."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ThermalFrame:
    """One picture: (rows, columns) float32 in °C. `number` counts from 1; `at_s` is monotonic, `at_ms` Unix time.

    Both times are those of the request that it answers, so that no picture looks younger than it is. Nobody may write
    into the picture: it is shared.
    """

    temperatures: Temperatures = field(repr=False)
    number: int
    at_s: float
    at_ms: int
    is_frozen: bool
    thermal_jpeg: bytes = field(default=b"", repr=False)


class RadiometricBus:
    """One camera. A task asks for a picture every period; after failures the bus counts as lost, and is opened anew."""

    def __init__(self, settings: RadiometricSettings, *, name: str, observe: Observer | None = None) -> None:
        self.settings = settings
        self.name = name
        self._observe = observe
        self._newest: Newest[ThermalFrame] = Newest()
        self._client: httpx.AsyncClient | None = None
        self._auth: CameraAuth | None = None
        self._asking: asyncio.Task[None] | None = None
        self._failure: DriverError | None = None
        # Not spread: nothing but this bus asks the camera.
        self._refusals = Backoff(random=lambda: 0.5, first=FIRST_REFUSED_PAUSE, limit=LONGEST_REFUSED_PAUSE)
        self._not_before_s = 0.0

    @property
    def connected(self) -> bool:
        """Whether pictures are asked for."""
        return self._asking is not None and not self._asking.done()

    async def connect(self) -> None:
        """Get a first picture, and go on asking for more; DriverError when there is none.

        After a refusal the camera is not asked for a while, and the refusal is raised again.
        """
        await self.close()
        if isinstance(self._failure, Refused) and time.monotonic() < self._not_before_s:
            raise self._failure
        settings = self.settings
        try:
            login = await asyncio.to_thread(read_login, settings.credentials_file)
        except NoLogin as error:
            raise Unreachable(device=self.name, why=str(error)) from error
        self._auth = CameraAuth(login) if login is not None and not needs_login(settings.url) else None
        # No proxies and no redirects: both would take the credentials elsewhere.
        self._client = httpx.AsyncClient(
            timeout=settings.timeout.total_seconds(),
            transport=AsyncHiddenUrl(settings.url, login),
            trust_env=False,
            headers={"Accept-Encoding": "identity"},
        )
        try:
            await self._ask()
        except BaseException:
            await self.close()
            raise
        self._asking = asyncio.create_task(self._ask_for_ever(), name=f"{self.name}:pictures")

    async def close(self) -> None:
        """Stop asking; never raises."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({asking})
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def latest(self, *, max_age: timedelta | None = None) -> ThermalFrame | None:
        """Give the newest picture; None when there is none yet, or none that is young enough. Any thread may ask."""
        frame = self._newest.get()
        if frame is None or max_age is None:
            return frame
        return frame if time.monotonic() - frame.at_s <= max_age.total_seconds() else None

    async def wait_newer(self, than: int = 0) -> ThermalFrame:
        """Wait for a picture with a number above `than`, over any number of connections, and give the newest then."""
        return await self._newest.wait_newer(than)

    def current(self, device: str) -> ThermalFrame:
        """Give the newest picture if it is valid still, for a poll; otherwise raise why there is none. DriverError."""
        frame = self.latest(max_age=self.settings.valid_for)
        if frame is not None and self.connected:
            return frame
        if self._failure is not None:
            raise self._failure
        if not self.connected:
            raise Unreachable(device=device, why="the bus is not connected")
        raise TimedOut(device=device, after=self.settings.valid_for)

    async def _ask_for_ever(self) -> None:
        """Ask every period. It ends, and with it the bus is lost, at a refusal, and at the third failure in a row."""
        loop = asyncio.get_running_loop()
        due, strikes = loop.time(), 0
        while strikes < _STRIKES:
            due = max(due + self.settings.period.total_seconds(), loop.time())
            await asyncio.sleep(due - loop.time())
            honour_cancellation()
            try:
                await self._ask()
            except Refused:
                return
            except DriverError:
                strikes += 1
            else:
                strikes = 0

    async def _ask(self) -> None:
        """Ask for one picture; DriverError."""
        started, at_ms = time.monotonic(), time.time_ns() // 1_000_000
        result = "Cancelled"
        try:
            radiogram = await self._answer()
            number = self._newest.number + 1
            frame = ThermalFrame(
                temperatures=radiogram.temperatures,
                number=number,
                at_s=started,
                at_ms=at_ms,
                is_frozen=radiogram.is_frozen,
                thermal_jpeg=radiogram.thermal_jpeg,
            )
            self._newest.put(frame, number)
            self._failure, result = None, "ok"
            self._refusals.reset()
        except DriverError as error:
            self._failure, result = error, type(error).__name__
            if isinstance(error, Refused):
                self._not_before_s = time.monotonic() + self._refusals.next_pause().total_seconds()
            raise
        finally:
            if self._observe is not None:
                self._observe(self.name, time.monotonic() - started, result)

    async def _answer(self) -> Radiogram:
        limit = self.settings.timeout
        try:
            async with asyncio.timeout(limit.total_seconds()):  # httpx counts each read for itself
                content_type, body = await self._get()
        except (TimeoutError, httpx.ReadTimeout) as error:
            raise TimedOut(device=self.name, after=limit) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            # The cause may know a URL with a password in it, and so does its text.
            raise Unreachable(device=self.name, why=told(error, timeout_s=limit.total_seconds())) from None
        try:
            # A matrix of a megabyte takes milliseconds, in which nobody else should have to wait.
            return await asyncio.to_thread(codec.decode, body, codec.boundary_of(content_type))
        except codec.NotUnderstood as error:
            raise Garbled(device=self.name, why=str(error)) from error

    async def _get(self) -> tuple[str, bytes]:
        if self._client is None:
            raise Unreachable(device=self.name, why="the bus is not connected")
        async with self._client.stream("GET", self.settings.url, auth=self._auth) as response:
            if response.status_code >= _SERVER_ERROR:  # it is starting, or has too many clients
                raise Unreachable(device=self.name, why=f"the camera answers {response.status_code}")
            if response.status_code != _OK:
                why = _REFUSALS.get(response.status_code, "the camera refuses")
                raise Refused(device=self.name, code=response.status_code, why=why)
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > codec.MOST_BYTES:
                    raise Garbled(device=self.name, why="the answer has no end")
            return response.headers.get("content-type", ""), bytes(body)


class RadiometricCamera:
    """One camera (`drivers.api.Device`), which is only read."""

    def __init__(self, bus: RadiometricBus, *, profile: Profile, name: str) -> None:
        self.bus = bus
        self.profile = profile
        self.name = name

    def latest(self, *, max_age: timedelta | None = None) -> ThermalFrame | None:
        """Give the newest picture, see `RadiometricBus.latest`."""
        return self.bus.latest(max_age=max_age)

    async def wait_newer(self, than: int = 0) -> ThermalFrame:
        """Wait for a newer picture, see `RadiometricBus.wait_newer`."""
        return await self.bus.wait_newer(than)

    async def read(
        self,
        points: Sequence[str],
        *,
        urgent: bool = False,  # noqa: ARG002 - the newest picture is at hand for everybody
    ) -> Mapping[str, PointResult]:
        """Read points by id from the newest picture; the answer has every one of them. DriverError without a picture.

        A picture that was taken with the shutter closed is the one before: its points say so.
        """
        places = {point: self._place(point) for point in points}
        frame = self.bus.current(self.name)
        return {point: _result(point, place, frame) for point, place in places.items()}

    async def write(self, point: str, value: Value) -> None:  # noqa: ARG002 - every write is refused
        """Refuse: a camera takes no command here."""
        raise BadRequest(device=self.name, why=f"`{point}` cannot be written: a camera is only read")

    def _place(self, point: str) -> ThermalPoint:
        if point not in self.profile.points:
            raise BadRequest(device=self.name, why=f"the profile has no point `{point}`")
        return self.profile.points[point].at(ThermalPoint)


def _result(point: str, place: ThermalPoint, frame: ThermalFrame) -> PointResult:
    if frame.is_frozen:
        return PointResult(point=point, value=None, reason="the camera's shutter is closed: no new temperatures")
    try:
        return PointResult(point=point, value=figure(place, frame.temperatures))
    except NoFigure as error:
        return PointResult(point=point, value=None, reason=str(error))

"""Looks through the gate's cameras for as long as the gate runs, and keeps what was seen last."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from drivers.api import DriverError
from drivers.camera.driver import Camera
from edge.gate.api import Reason
from edge.gate.config import EyesSettings
from edge.gate.eyes.alignment import BadAlignment
from edge.gate.ports import Frame, Glance, Sight, ThermalCamera, ThermalFrame, VisibleCamera
from models.api import ModelError
from runtime.cancellation import honour_cancellation
from runtime.logs import get_log

_LOST_AFTER_S = 2.0
_PATIENCE_S = 0.5
"""The longest wait for a picture before the camera itself is looked up again: a changed site file replaces it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What was seen in one pair of pictures. `at_s` is when the later of the two was complete (monotonic)."""

    frame: Frame
    glance: Glance
    at_s: float
    warm: bool
    """Whether there was a thermal picture of the same moment."""


class Lookout:
    """The eyes of one gate. `visible` and `thermal` give the devices as they are now.

    `on_seen` is told of each look, and may take its time: the next look is at the newest picture then.
    """

    def __init__(
        self,
        settings: EyesSettings,
        *,
        sight: Sight,
        visible: Callable[[], object],
        thermal: Callable[[], object],
        on_seen: Callable[[Seen], Awaitable[None]],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._sight = sight
        self._visible = visible
        self._thermal = thermal
        self._on_seen = on_seen
        self._monotonic = monotonic
        self._seen: Seen | None = None
        self._newer = asyncio.Event()
        self._trouble = ""
        self._log = get_log("edge.gate.lookout")

    @property
    def seen(self) -> Seen | None:
        """What was seen last."""
        return self._seen

    @property
    def trouble(self) -> str:
        """Why pictures could not be looked at; empty while they can."""
        return self._trouble

    @property
    def camera_lost(self) -> bool:
        """Whether there is no living visible picture."""
        camera = _seeing(self._visible())
        frame = None if camera is None else camera.latest()
        if camera is None or frame is None:
            return True
        return self._monotonic() - frame.at_s > _LOST_AFTER_S or _is_dead(camera)

    @property
    def thermal_lost(self) -> bool:
        """Whether a thermal camera is configured and gives no picture."""
        return self._settings.thermal is not None and self._warmth(self._monotonic(), slack_s=_LOST_AFTER_S) is None

    @property
    def misaligned(self) -> bool:
        """Whether what the thermal picture shows is not at the face's place, by the people of late."""
        return self._settings.thermal is not None and self._sight.drift.wrong

    @property
    def thermal_age_s(self) -> float | None:
        """How old the newest thermal picture is; None without any."""
        device = self._thermal()
        frame = device.latest() if isinstance(device, ThermalCamera) else None
        return None if frame is None else self._monotonic() - frame.at_s

    @property
    def blind(self) -> Reason:
        """Why there is no clear face to be had."""
        return Reason.NO_CAMERA if self.camera_lost else Reason.FACE_NOT_CLEAR

    async def see(self, until_s: float) -> Glance | None:
        """Wait for a clear face until a monotonic time; None when nobody shows one."""
        while (left := until_s - self._monotonic()) > 0:
            self._newer.clear()
            try:
                async with asyncio.timeout(left):
                    await self._newer.wait()
            except TimeoutError:
                return None
            if self._seen is not None and self._seen.glance.template is not None:
                return self._seen.glance
        return None

    async def run(self) -> None:
        """Look until cancelled, in a thread of its own: networks leave much memory behind in each that runs them."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="eyes") as thread:
            await self._look_for_ever(thread)

    async def _look_for_ever(self, thread: ThreadPoolExecutor) -> None:
        camera: VisibleCamera | None = None
        number = 0
        while True:
            honour_cancellation()
            present = _seeing(self._visible())
            if present is not camera:
                camera, number = present, 0
            if camera is None:
                await asyncio.sleep(_PATIENCE_S)
                continue
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    frame = await camera.wait_newer(number)
            except TimeoutError:
                continue
            number = frame.number
            await self._look(frame, thread)

    async def _look(self, frame: Frame, thread: ThreadPoolExecutor) -> None:
        warmth = self._warmth(frame.at_s)
        look = partial(
            self._sight.look,
            frame.image,
            None if warmth is None else warmth.temperatures,
            visible_number=frame.number,
            thermal_number=None if warmth is None else round(warmth.at_s * 1000),
            visible_s=frame.at_s,
            thermal_s=None if warmth is None else warmth.at_s,
        )
        try:
            glance = await asyncio.get_running_loop().run_in_executor(thread, look)
        except (ModelError, BadAlignment) as error:
            if str(error) != self._trouble:
                self._log.error("a picture cannot be looked at", reason=str(error))
            self._trouble = str(error)
            await asyncio.sleep(_PATIENCE_S)
            return
        self._trouble = ""
        at_s = frame.at_s if warmth is None else max(frame.at_s, warmth.at_s)
        self._seen = Seen(frame=frame, glance=glance, at_s=at_s, warm=warmth is not None)
        self._newer.set()
        await self._on_seen(self._seen)

    def _warmth(self, at_s: float, *, slack_s: float | None = None) -> ThermalFrame | None:
        """Give the thermal picture that belongs to a visible one of this time."""
        thermal = self._settings.thermal
        device = self._thermal()
        frame = device.latest() if isinstance(device, ThermalCamera) else None
        if thermal is None or frame is None:
            return None
        limit_s = thermal.max_age.total_seconds() if slack_s is None else slack_s
        return frame if abs(at_s - frame.at_s) <= limit_s else None


def _seeing(device: object) -> VisibleCamera | None:
    """Give the device as a camera; None when it is none."""
    return device if isinstance(device, VisibleCamera) else None


def _is_dead(camera: object) -> bool:
    """Whether the pictures that come show nothing: a frozen one is as young as any."""
    if not isinstance(camera, Camera):
        return False
    try:
        state = camera.bus.state()
    except DriverError:
        return True
    return state.frozen or state.covered

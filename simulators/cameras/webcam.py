"""A real camera in the place of a simulated one: what OpenCV can open (a webcam, a video file, a stream), served on.

The pictures are read in a thread of their own, and only the newest is kept. A file is played at its own speed, again
and again; a camera that is lost is opened again.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.profile import Profile
from simulators.cameras.courtyard import Image
from simulators.cameras.station import CameraStation, Lens, Shot
from simulators.machines.api import Machine
from simulators.pseudo_terminal import LineUnavailable

_FIRST_WITHIN_S = 12.0
_LOST_AFTER_S = 2.0
_AGAIN_S = 1.0
_JPEG_QUALITY = 85
_USUAL_RATE = 25.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A picture, and when it was read: monotonic seconds and Unix ms."""

    number: int
    image: Image
    at_s: float
    at_ms: int


class Webcam:
    """Reads `source`: the number of a webcam, the path of a video file, or a URL. `widest` pictures are kept at most.

    `start` waits for the first picture (LineUnavailable without one); `stop` ends the thread.
    """

    def __init__(
        self,
        source: str,
        *,
        widest: int,
        monotonic: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._widest = widest
        self._monotonic = monotonic
        self._unix = unix
        self._newest: Taken | None = None
        self._first = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webcam", daemon=True)

    @property
    def newest(self) -> Taken | None:
        """The newest picture; None when none came lately."""
        taken = self._newest
        return taken if taken is not None and self._monotonic() - taken.at_s < _LOST_AFTER_S else None

    def start(self) -> None:
        """Begin; blocks until there is a picture."""
        self._thread.start()
        if not self._first.wait(_FIRST_WITHIN_S):
            self.stop()
            raise LineUnavailable(
                f"the camera {self._source!r} gives no picture: is it plugged in, free, and readable for this user?"
            )

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(_FIRST_WITHIN_S)

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            capture = cv2.VideoCapture(int(self._source) if self._source.isdecimal() else self._source)
            try:
                number = self._read(capture, number)
            finally:
                capture.release()
            self._stop.wait(0.0 if self._is_file else _AGAIN_S)

    @property
    def _is_file(self) -> bool:
        return not self._source.isdecimal() and Path(self._source).is_file()

    def _read(self, capture: cv2.VideoCapture, number: int) -> int:
        """Read until there is nothing more; gives how many pictures there were in all."""
        rate = capture.get(cv2.CAP_PROP_FPS) or _USUAL_RATE
        pause_s = 1 / min(max(rate, 1.0), 60.0) if self._is_file else 0.0
        begun = number
        while not self._stop.is_set():
            there, image = capture.read()
            if not there:
                if number == begun:
                    self._stop.wait(_AGAIN_S)  # a file without pictures is not read in a circle
                return number
            number += 1
            self._newest = Taken(
                number=number,
                image=_narrowed(np.asarray(image, np.uint8), self._widest),
                at_s=self._monotonic(),
                at_ms=round(self._unix() * 1000),
            )
            self._first.set()
            self._stop.wait(pause_s)
        return number


class WebcamStation(CameraStation):
    """A real camera on a simulated line."""

    def __init__(
        self,
        *,
        name: str,
        profile: Profile,
        machine: Machine,
        random: Random,
        lens: Lens,
        monotonic: Callable[[], float],
        unix: Callable[[], float],
        webcam: Webcam,
    ) -> None:
        super().__init__(
            name=name, profile=profile, machine=machine, random=random, lens=lens, monotonic=monotonic, unix=unix
        )
        self._webcam = webcam

    def _take(self, number: int, before: Shot | None) -> Shot:  # noqa: ARG002 - a real picture replaces the one before
        """Give the newest picture; EOFError, which ends the connection, when the camera is lost."""
        taken = self._webcam.newest
        if taken is None:
            raise EOFError("the camera gives no picture")
        return Shot(number=number, at_ms=taken.at_ms, data=_jpeg(taken.image))


def _narrowed(image: Image, widest: int) -> Image:
    """Make a picture at most so wide."""
    height, width = image.shape[:2]
    if width <= widest:
        return image
    size = (widest, max(1, round(height * widest / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise EOFError("OpenCV cannot encode this picture")
    return bytes(data)

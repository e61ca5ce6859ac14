"""A simulated camera: the newest of its pictures, and what is wrong with them."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

import cv2
import numpy as np

from drivers.api import Value
from drivers.profile import Profile
from simulators import disturbances as disturbing
from simulators.cameras import courtyard, stamp, warmth
from simulators.disturbances import Disturbances, Kind, Transport
from simulators.machines import camera as faults
from simulators.machines.api import Machine
from simulators.people import play, thermal, visible
from simulators.people.stage import Stage

_JPEG_QUALITY = 85
_ONE_IN = 5
_DAMAGE = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One picture as it goes out; `number` counts from the camera's start, `at_ms` is when it was taken."""

    number: int
    at_ms: int
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Lens:
    """The size of the pictures, and how many there are in a second."""

    width: int
    height: int
    rate: float


Content = TypeVar("Content")


class PictureStation(ABC, Generic[Content]):
    """A camera on its line. `monotonic` and `unix` give seconds.

    With a `stage` it looks at the people there instead of its own view.
    """

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
        stage: Stage | None = None,
    ) -> None:
        self.name = name
        self.profile = profile
        self.machine = machine
        self.lens = lens
        self.disturbances = Disturbances(Transport.TCP)
        self.random = random
        self._monotonic = monotonic
        self._unix = unix
        self._seed = random.randrange(1 << 16)
        self._started = monotonic()
        self._newest: Shot | None = None
        self._stage = stage

    @property
    def unit(self) -> str:
        """Its name: it is alone on its line."""
        return self.name

    def tick(self, dt_s: float) -> None:
        """Let time pass."""
        self.machine.step(dt_s, self.random)

    def values(self) -> Mapping[str, Value]:
        """Give what the machine shows now."""
        return self.machine.values()

    def until_next(self) -> float:
        """Give the seconds until the next picture is taken."""
        passed = (self._monotonic() - self._started) * self.lens.rate
        return (math.floor(passed) + 1 - passed) / self.lens.rate

    def shot(self) -> Shot:
        """Give the newest picture; it is drawn when somebody wants it."""
        number = int((self._monotonic() - self._started) * self.lens.rate)
        if self._newest is None or number > self._newest.number:
            self._newest = self._take(number, self._newest)
        return self._newest

    @abstractmethod
    def _take(self, number: int, before: Shot | None) -> Shot:
        """Take a picture."""


class CameraStation(PictureStation[bytes]):
    """A visible camera."""

    def _take(self, number: int, before: Shot | None) -> Shot:
        """Draw a picture; the one before stays where it is frozen."""
        active = self.machine.active()
        if faults.FROZEN in active and before is not None:
            return Shot(number=number, at_ms=before.at_ms, data=before.data)
        at_ms = round(self._unix() * 1000)
        view = courtyard.View(
            at_s=number / self.lens.rate,
            at_ms=at_ms,
            covered=faults.COVERED in active,
            blinded=faults.BLINDED in active,
        )
        if self._stage is not None and not (view.covered or view.blinded):
            moment = play.moment_of(self._stage.visit, at_ms)
            image = visible.see(moment, width=self.lens.width, height=self.lens.height)
            stamp.draw(image, at_ms)
        else:
            image = courtyard.render(view, width=self.lens.width, height=self.lens.height, seed=self._seed)
        return Shot(number=number, at_ms=at_ms, data=_jpeg(image))

    def sent(self, shot: Shot, struck: tuple[disturbing.Disturbance, ...]) -> bytes:
        """Give a picture's bytes as they go out, damaged as they may be."""
        data = shot.data
        if faults.CORRUPT in self.machine.active() and shot.number % _ONE_IN == 0:
            middle = len(data) // 2
            data = data[:middle] + self.random.randbytes(_DAMAGE) + data[middle + _DAMAGE :]
        if any(one.kind is Kind.TRUNCATED for one in struck):
            data = data[: self.random.randrange(len(data) // 4, len(data) - 2)]
        return data


class ThermalStation(PictureStation[bytes]):
    """A radiometric camera. `word` is how many bytes a temperature has: 4 (floating point) or 2 (scaled kelvin)."""

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
        word: int = 4,
        stage: Stage | None = None,
    ) -> None:
        super().__init__(
            name=name,
            profile=profile,
            machine=machine,
            random=random,
            lens=lens,
            monotonic=monotonic,
            unix=unix,
            stage=stage,
        )
        self._word = word

    def _take(self, number: int, before: Shot | None) -> Shot:
        """Draw temperatures, and answer as ISAPI does: description, false colours, matrix."""
        active = self.machine.active()
        if faults.SHUTTER in active and before is not None:
            frozen = before.data.replace(b'"isFreezedata":\t0', b'"isFreezedata":\t1')
            return Shot(number=number, at_ms=before.at_ms, data=frozen)
        at_ms = round(self._unix() * 1000)
        return Shot(number=number, at_ms=at_ms, data=self._answer(self._feel(number, at_ms)))

    def _feel(self, number: int, at_ms: int) -> warmth.Temperatures:
        active = self.machine.active()
        if self._stage is not None and not {faults.FEVER, faults.HOT_SPOT, faults.COVERED} & set(active):
            moment = play.moment_of(self._stage.visit, at_ms)
            return thermal.feel(moment, width=self.lens.width, height=self.lens.height)
        return warmth.render(
            warmth.Warmth(
                at_s=number / self.lens.rate,
                fever=faults.FEVER in active,
                hot_spot=faults.HOT_SPOT in active,
                covered=faults.COVERED in active,
            ),
            width=self.lens.width,
            height=self.lens.height,
            seed=self._seed,
        )

    def _answer(self, seen: warmth.Temperatures) -> bytes:
        grey = cv2.normalize(seen, np.empty(0), 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        picture = _jpeg(np.asarray(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), np.uint8))
        about: dict[str, int] = {
            "channel": 2,
            "jpegPicLen": len(picture),
            "jpegPicWidth": self.lens.width,
            "jpegPicHeight": self.lens.height,
            "p2pDataLen": seen.size * self._word,
            "isFreezedata": 0,
            "temperatureDataLength": self._word,
        }
        matrix = seen.astype("<f4").tobytes()
        if self._word == 2:  # noqa: PLR2004 - bytes
            about |= {"scale": 64, "offset": 0}
            matrix = np.round((seen + 273.15) * 64).astype("<i2").tobytes()
        described = json.dumps({"JpegPictureWithAppendData": about}, indent="\t", separators=(",", ":\t")).encode()
        parts = (
            (b'application/json; charset="UTF-8"', described),
            (b"image/pjpeg", picture),
            (b"application/octet-stream", matrix),
        )
        body = b"".join(
            b"--boundary\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b\r\n" % (kind, len(content), content)
            for kind, content in parts
        )
        return body + b"--boundary--\r\n"


def _jpeg(image: courtyard.Image) -> bytes:
    """Encode with the standard Huffman tables and 4:2:0, which RFC 2435 needs."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 0])
    if not done:
        raise ValueError("OpenCV cannot encode this picture")
    return bytes(data)

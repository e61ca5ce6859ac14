"""Two simulated cameras on real sockets that look at one person, the thermal one through another lens and from beside.

The person steps slowly from side to side, as somebody does who is asked to for an alignment.
"""

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import cv2
import numpy as np

from drivers.catalog import catalog_profile
from simulators.cameras import stamp
from simulators.cameras.http import mjpeg_path, radiometric_path, serve_mjpeg, serve_radiometric
from simulators.cameras.station import CameraStation, Lens, Shot, ThermalStation, _jpeg
from simulators.cameras.warmth import Temperatures
from simulators.devices import Devices
from simulators.machines.registry import make_machine
from simulators.people import thermal, visible
from simulators.people.attempts import Act, Kind
from simulators.people.cast import Role
from simulators.people.moment import Moment
from simulators.people.take import Light, Pose
from tests.support.cameras import THERMAL, VISIBLE

_ACROSS = 0.3
_PERIOD_S = 12.0


def stepping(at_s: float, number: int = 4) -> Moment:
    """Give the person at a time; this one wears no glasses."""
    pose = Pose(x=_ACROSS * math.sin(2 * math.pi * at_s / _PERIOD_S), y=0.42, half=0.15)
    act = Act(kind=Kind.PERSON, role=Role.RESIDENT, number=number, at_once=True)
    return Moment(act=act, pose=pose, light=Light(), visit=number, picture=round(at_s * 1000))


@dataclass(frozen=True, kw_only=True, slots=True)
class Lie:
    """How the thermal picture lies: a similarity of its own pixels about the middle, (scale, degrees, right, down)."""

    scale: float = 1.0
    turn_deg: float = 0.0
    right_px: float = 0.0
    down_px: float = 0.0

    def apply(self, seen: Temperatures) -> Temperatures:
        """Give the picture as the shifted camera has it."""
        rows, columns = seen.shape
        matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), self.turn_deg, self.scale)
        matrix[:, 2] += np.array([self.right_px, self.down_px])
        moved = cv2.warpAffine(seen, matrix, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)


class SteppingCamera(CameraStation):
    """Sees the person who steps from side to side."""

    def _take(self, number: int, before: Shot | None) -> Shot:  # noqa: ARG002 - each picture is drawn anew
        at_s = self._unix()
        image = visible.see(stepping(at_s), width=self.lens.width, height=self.lens.height)
        stamp.draw(image, round(at_s * 1000))
        return Shot(number=number, at_ms=round(at_s * 1000), data=_jpeg(image))


class ShiftedCamera(ThermalStation):
    """Feels the same person, its picture lying elsewhere."""

    lie = Lie()

    def _feel(self, number: int, at_ms: int) -> Temperatures:  # noqa: ARG002 - each picture is drawn anew
        return self.lie.apply(thermal.feel(stepping(at_ms / 1000), width=self.lens.width, height=self.lens.height))


@asynccontextmanager
async def shifted_cameras(lie: Lie, *, rate: float = 8.0) -> AsyncIterator[tuple[str, str]]:
    """Serve both, and give their URLs."""
    seen, felt = catalog_profile(VISIBLE), catalog_profile(THERMAL)
    camera = SteppingCamera(
        name="camera-1",
        profile=seen,
        machine=make_machine(seen),
        random=Random(1),  # noqa: S311 - noise that repeats
        lens=Lens(width=640, height=480, rate=rate),
        monotonic=time.monotonic,
        unix=time.time,
    )
    warm = ShiftedCamera(
        name="thermal-1",
        profile=felt,
        machine=make_machine(felt),
        random=Random(1),  # noqa: S311 - likewise
        lens=Lens(width=160, height=120, rate=rate),
        monotonic=time.monotonic,
        unix=time.time,
    )
    warm.lie = lie
    async with (
        serve_mjpeg(Devices([camera]), host="127.0.0.1", port=0, guard=None) as one,
        serve_radiometric(Devices([warm]), host="127.0.0.1", port=0, guard=None) as other,
    ):
        yield (f"http://127.0.0.1:{one}{mjpeg_path()}", f"http://127.0.0.1:{other}{radiometric_path()}?format=json")

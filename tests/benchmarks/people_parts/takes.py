"""Moments as a gate sees them, drawn by chance: nobody stands twice alike, and no two days have the same air."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.gate.config import EyesSettings, FeverSettings, ThermalSettings
from edge.gate.eyes.look import Eyes
from models.api import Floats, Picture
from models.face.stack import FaceStack
from simulators.people.attempts import Act
from simulators.people.moment import Moment
from simulators.people.portrait import portraits
from simulators.people.take import Light, Pose
from simulators.people.thermal import feel
from simulators.people.visible import see

WIDTH, HEIGHT = 640, 480
THERMAL = (160, 120)
_QUALITY = 85
_SMALLEST = 92


def draw_moment(act: Act, chance: np.random.Generator, *, visit: int, indoors: bool = False) -> Moment:
    """Have somebody stand before the cameras, or hold something up: place, size, turn, expression, light, air."""

    def between(low: float, high: float) -> float:
        return float(chance.uniform(low, high))

    pose = Pose(
        x=between(-0.12, 0.12),
        y=between(0.37, 0.45),
        half=between(0.13, 0.17),
        yaw=between(-0.12, 0.12),
        pitch=between(-0.09, 0.09),
        roll=between(-0.06, 0.06),
        smile=max(0.0, between(-1, 1)),
        brows=max(0.0, between(-1, 1)),
    )
    light = Light(
        across=between(-0.6, 0.6),
        above=between(0.2, 0.7),
        strength=between(0.75, 1.1),
        ambient=between(0.45, 0.65),
        warm=between(-0.5, 0.5),
    )
    air = 22.0 if indoors else between(17.0, 27.0)
    return Moment(act=act, pose=pose, light=light, air=air, breath=between(-1, 1), visit=visit, picture=visit)


def visible_of(moment: Moment) -> Picture:
    """Give the picture as it comes over the network."""
    return through_the_network(see(moment, width=WIDTH, height=HEIGHT))


def through_the_network(picture: Picture) -> Picture:
    """Give what is left of a picture that was sent as a JPEG."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    opened = cv2.imdecode(data, cv2.IMREAD_COLOR) if done else None
    if opened is None:
        raise ValueError("OpenCV cannot encode this picture")
    return np.asarray(opened, np.uint8)


def thermal_of(moment: Moment) -> npt.NDArray[np.float32]:
    """Give the temperatures."""
    return feel(moment, width=THERMAL[0], height=THERMAL[1])


def enrol(stack: FaceStack, act: Act) -> Floats:
    """Give the template of the person whose face is shown, from a picture in good light; ValueError without a face."""
    (picture,) = portraits(act.role, act.number, count=1, width=WIDTH, height=HEIGHT)
    faces = stack.detect(picture)
    if not faces:
        raise ValueError(f"no face is found in the portrait of {act.role.value} {act.number}")
    return stack.describe(stack.chip(picture, stack.landmarks(picture, faces[0])))


class Attempt:
    """One attempt at the gate's eyes: looks at one visit, each a little later."""

    def __init__(self, *, act: Act, chance: np.random.Generator, stack: FaceStack, looks: int) -> None:
        thermal = ThermalSettings(device="thermal")
        settings = EyesSettings(camera="camera", thermal=thermal, smallest_face=_SMALLEST)
        # A pair of eyes of its own: what the eyes saw of others before is none of this attempt's business.
        self._eyes = Eyes(stack=stack, model="benchmark", settings=settings, fever=FeverSettings())
        first = draw_moment(act, chance, visit=int(chance.integers(1 << 31)))
        self._moments = [first]
        for number in range(1, looks):
            later = draw_moment(act, chance, visit=first.visit)
            pose = replace(first.pose, yaw=later.pose.yaw, pitch=later.pose.pitch, x=first.pose.x + 0.01 * number)
            self._moments.append(replace(first, pose=pose, breath=later.breath, picture=first.picture + number))
        self.template: Floats | None = None
        self.figures: Mapping[str, object] = {}

    def standing(self) -> str:
        """Look; the best of what the liveness check said: passed before failed before unchecked."""
        said = set()
        for moment in self._moments:
            glance = self._eyes.look(visible_of(moment), thermal_of(moment))
            said.add(glance.liveness.standing.value)
            self.template = glance.template if glance.template is not None else self.template
            self.figures = {"guidance": glance.guidance.value, **glance.liveness.figures}
        return next(one for one in ("passed", "failed", "unchecked") if one in said)

    def keep(self, folder: Path, name: str) -> None:
        """Write the pictures of the last look for people."""
        folder.mkdir(parents=True, exist_ok=True)
        moment = self._moments[-1]
        warm = np.asarray(np.clip((thermal_of(moment) - 15) / 25, 0, 1) * 255, np.uint8)
        shown = cv2.resize(cv2.applyColorMap(warm, cv2.COLORMAP_INFERNO), (WIDTH, HEIGHT))
        cv2.imwrite(str(folder / f"{name}.png"), np.hstack([visible_of(moment), np.asarray(shown, np.uint8)]))

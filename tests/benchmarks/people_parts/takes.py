"""Moments as a gate sees them, drawn by chance: nobody stands twice alike, and no two days have the same air."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.gate.config import EyesSettings, FeverSettings, ThermalSettings
from edge.gate.eyes.look import Eyes, Glance
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
SMALLEST = 92


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


def look_once(act: Act, chance: np.random.Generator, stack: FaceStack) -> Glance:
    """Look once at somebody who stands still, with eyes that saw nothing before."""
    moment = draw_moment(act, chance, visit=int(chance.integers(1 << 31)))
    return new_eyes(stack).look(visible_of(moment), thermal_of(moment))


def new_eyes(stack: FaceStack) -> Eyes:
    """Give the product's eyes, as a gate with both cameras has them."""
    settings = EyesSettings(camera="camera", thermal=ThermalSettings(device="thermal"), smallest_face=SMALLEST)
    return Eyes(stack=stack, model="benchmark", settings=settings, fever=FeverSettings())


def write_pictures(file: Path, seen: Moment, felt: Moment) -> None:
    """Write what both cameras had, beside each other, for people."""
    file.parent.mkdir(parents=True, exist_ok=True)
    warm = np.asarray(np.clip((thermal_of(felt) - 15) / 25, 0, 1) * 255, np.uint8)
    shown = cv2.resize(cv2.applyColorMap(warm, cv2.COLORMAP_INFERNO), (WIDTH, HEIGHT))
    cv2.imwrite(str(file), np.hstack([visible_of(seen), np.asarray(shown, np.uint8)]))

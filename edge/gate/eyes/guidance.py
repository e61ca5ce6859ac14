"""What somebody before the cameras should do, by what was found. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.gate.api import Guidance
from models.api import Picture
from models.face.frame import FaceFrame
from models.face.geometry import Box, Face
from models.manifest import Stack

BESIDE = 0.6
"""Another face that is at least so large as the nearest one stands beside it; a smaller one waits behind."""
_TURNED = {Stack.DLIB: 0.22, Stack.OPENCV_ZOO: 0.3}
"""How far the nose may lie beside the eyes' middle line, in eye distances; YuNet has its tip, which stands out."""
_TILTED = 0.45
_DARK, _BRIGHT, _CLIPPED = 26.0, 215.0, 0.3
"""Dark skin in good light has a mean of about 40: only what is darker still is the light's fault."""
_WHITE = 250
_BLURRED = 0.01
_SIDE = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How a face's picture is: grey level 0 to 255, the part that is clipped to white, sharpness 0 to about 1."""

    brightness: float
    clipped: float
    sharpness: float


def main_face(faces: Sequence[Face]) -> Face | None:
    """Give the nearest face, which is the largest."""
    return max(faces, key=lambda face: (face.box.width, face.score), default=None)


def look_of(picture: Picture, box: Box) -> Look:
    """Say how a face's picture is."""
    height, width = picture.shape[:2]
    inset_x, inset_y = 0.15 * box.width, 0.15 * box.height
    left, right = max(0, int(box.left + inset_x)), min(width, int(box.right - inset_x) + 1)
    top, bottom = max(0, int(box.top + inset_y)), min(height, int(box.bottom - inset_y) + 1)
    if right <= left or bottom <= top:
        return Look(brightness=0.0, clipped=0.0, sharpness=0.0)
    grey = cv2.cvtColor(np.ascontiguousarray(picture[top:bottom, left:right]), cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    spread = float(small.var())
    fine = float(cv2.Laplacian(small, cv2.CV_32F).var())
    return Look(
        brightness=float(small.mean()),
        clipped=float((small >= _WHITE).mean()),
        sharpness=fine / (spread + 25.0),
    )


def guide(
    faces: Sequence[Face], *, frame: FaceFrame | None, look: Look | None, stack: Stack, smallest: float, warm: bool
) -> Guidance:
    """Say what to do. `warm`: the thermal picture shows somebody, though no face was found."""
    main = main_face(faces)
    if main is None:
        return Guidance.CLOSER if warm else Guidance.NONE
    beside = any(face is not main and face.box.width >= BESIDE * main.box.width for face in faces)
    turned = frame is None or abs(frame.nose_offset) > _TURNED[stack] or abs(frame.roll) > _TILTED
    # The first that holds is said: who stands too far is not asked to hold still.
    told = (
        (beside, Guidance.ONE_PERSON),
        (main.box.width < smallest, Guidance.CLOSER),
        (look is not None and look.brightness < _DARK, Guidance.TOO_DARK),
        (look is not None and (look.brightness > _BRIGHT or look.clipped > _CLIPPED), Guidance.TOO_BRIGHT),
        (turned, Guidance.TURN),
        (look is not None and look.sharpness < _BLURRED, Guidance.HOLD_STILL),
    )
    return next((guidance for holds, guidance in told if holds), Guidance.OK)

"""How good a picture of a face is for enrolment: size, sharpness, pose, light. Pure.

Sharpness, light and contrast are measured on the upright chip, so that they do not depend on the face's size; pose on
five landmarks of either stack.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from models.api import Picture, check_picture
from models.face.geometry import Box, Points
from models.manifest import Stack


class Flaw(StrEnum):
    """Why a picture is no good."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_SMALL = "too_small"
    CUT_OFF = "cut_off"
    BLURRED = "blurred"
    TURNED = "turned"
    TILTED = "tilted"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    FLAT = "flat"
    """Too little contrast."""
    ONE_SIDED = "one_sided"
    """One half of the face is much darker."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """What was measured.

    `turn` is the nose's way from the middle of the eyes, in distances between them, 0 frontal; `tilt_deg` the slope of
    the eyes; `sharpness` the variance of the Laplacian; brightness from 0 to 255.
    """

    face_px: float
    inside: float
    """The part of the box that lies in the picture."""
    sharpness: float
    turn: float
    tilt_deg: float
    brightness: float
    contrast: float
    one_sided: float
    """The difference of the halves' brightness, as a part of the whole's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What is good enough.

    Set by 55 press photographs, small and partly soft, which all pass, and what is left of them when they are blurred
    (sigma 3 pixels: none passes), turned or darkened. Dark skin must pass in ordinary light, so darkness and contrast
    refuse only what no camera should have given.
    """

    face_px: float = 90.0
    inside: float = 0.85
    sharpness: float = 12.0
    turn: float = 0.22
    tilt_deg: float = 20.0
    darkest: float = 25.0
    brightest: float = 215.0
    contrast: float = 8.0
    one_sided: float = 0.7


def measure_quality(picture: Picture, box: Box, landmarks: Points, chip: Picture, stack: Stack) -> Quality:
    """Measure a face: the picture, its box and landmarks, and the chip that the stack cut. BadPicture, ValueError."""
    check_picture(picture)
    frame = Box(left=0, top=0, right=picture.shape[1] - 1, bottom=picture.shape[0] - 1)
    right, left, nose = _features(landmarks, stack)
    across = left - right
    between = float(np.hypot(*across))
    if not between > 0:
        raise ValueError("the eyes coincide")
    grey = _grey(check_picture(chip))
    height, width = grey.shape
    middle = grey[height // 6 : height - height // 6, width // 5 : width - width // 5]
    halves = middle[:, : middle.shape[1] // 2].mean(), middle[:, middle.shape[1] // 2 :].mean()
    return Quality(
        face_px=min(box.width, box.height),
        inside=box.meet(frame).area / box.area if box.area else 0.0,
        sharpness=_sharpness(middle),
        turn=float((nose - (right + left) / 2) @ across / between**2),
        tilt_deg=math.degrees(math.atan2(across[1], across[0])),
        brightness=float(middle.mean()),
        contrast=float(middle.std()),
        one_sided=float(abs(halves[0] - halves[1]) / max(1.0, (halves[0] + halves[1]) / 2)),
    )


def flaws(quality: Quality, limits: Limits) -> tuple[Flaw, ...]:
    """Say what is not good enough; empty for a good picture."""
    found = {
        Flaw.TOO_SMALL: quality.face_px < limits.face_px,
        Flaw.CUT_OFF: quality.inside < limits.inside,
        Flaw.TURNED: abs(quality.turn) > limits.turn,
        Flaw.TILTED: abs(quality.tilt_deg) > limits.tilt_deg,
        Flaw.TOO_DARK: quality.brightness < limits.darkest,
        Flaw.TOO_BRIGHT: quality.brightness > limits.brightest,
        Flaw.FLAT: quality.contrast < limits.contrast,
        Flaw.ONE_SIDED: quality.one_sided > limits.one_sided,
        Flaw.BLURRED: quality.sharpness < limits.sharpness,
    }
    return tuple(flaw for flaw, is_so in found.items() if is_so)


def _features(landmarks: Points, stack: Stack) -> tuple[npt.NDArray[np.float64], ...]:
    """Give the eye on the picture's left, the other one, and the nose; ValueError unless there are five points."""
    if landmarks.shape != (5, 2):
        raise ValueError(f"landmarks of {landmarks.shape}: five points are needed")
    if stack is Stack.DLIB:  # corners of the eyes in pairs, base of the nose
        eyes = sorted(
            ((landmarks[0] + landmarks[1]) / 2, (landmarks[2] + landmarks[3]) / 2), key=lambda eye: float(eye[0])
        )
        nose = landmarks[4]
    else:  # centres of the eyes, tip of the nose, corners of the mouth
        eyes = sorted((landmarks[0], landmarks[1]), key=lambda eye: float(eye[0]))
        nose = landmarks[2]
    return np.asarray(eyes[0], np.float64), np.asarray(eyes[1], np.float64), np.asarray(nose, np.float64)


def _grey(picture: Picture) -> npt.NDArray[np.float32]:
    grey: npt.NDArray[np.float32] = picture.astype(np.float32) @ np.array([0.114, 0.587, 0.299], np.float32)
    return grey


def _sharpness(grey: npt.NDArray[np.float32]) -> float:
    """Give the variance of the Laplacian, after the brightness is brought to one scale."""
    level = grey * np.float32(128.0 / max(16.0, float(grey.mean())))
    laplacian = level[1:-1, :-2] + level[1:-1, 2:] + level[:-2, 1:-1] + level[2:, 1:-1] - 4 * level[1:-1, 1:-1]
    return float(laplacian.var())

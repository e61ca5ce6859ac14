"""The face's own frame: one unit is the distance between the middles of the eyes, whatever stack placed the landmarks.

The origin lies midway between the eyes, x points to the right of the picture, y down the face. In it the middles of
the eyes are (-0.5, 0) and (0.5, 0), the base of the nose (0, 0.77), its tip (0, 0.57), the corners of the mouth
(-0.41, 1.16) and (0.41, 1.16); the chin is near (0, 1.9), the hairline near (0, -1), the temples near x = -1.1 and
1.1. Pure.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.api import ModelError
from models.face.chip import TARGETS as DLIB_TARGETS
from models.face.geometry import Points, Similarity, fit_similarity
from models.face.sface import TARGETS as SFACE_TARGETS
from models.manifest import Stack

Matrix = npt.NDArray[np.float64]
"""An affine map (2, 3), as OpenCV writes it."""

EYE_DISTANCE_MM = 63.0
"""Between an adult's pupils; 52 to 78 among adults (N. A. Dodgson, 2004). The only length that a face is known by."""
INNER_CANTHI = ((-0.297, 0.015), (0.297, 0.015))
"""Where the inner corners of the eyes lie (dlib's mean face)."""
WIDTH = 2.2
"""The face from temple to temple."""


def _own_frame(points: Points, right_eye: complex, left_eye: complex) -> Points:
    """Give points in the frame of the two eyes."""
    values = (points[:, 0] + 1j * points[:, 1] - (right_eye + left_eye) / 2) / (left_eye - right_eye)
    return np.stack([values.real, values.imag], axis=1)


def _middle(points: Points, *rows: int) -> complex:
    x, y = points[list(rows)].mean(axis=0)
    return complex(x, y)


_MEAN_FACE: Mapping[Stack, Points] = {
    Stack.DLIB: _own_frame(DLIB_TARGETS, _middle(DLIB_TARGETS, 2, 3), _middle(DLIB_TARGETS, 0, 1)),
    Stack.OPENCV_ZOO: _own_frame(SFACE_TARGETS, _middle(SFACE_TARGETS, 0), _middle(SFACE_TARGETS, 1)),
}
"""Where each stack's five landmarks lie in a mean face. dlib's person's right is on the left of the picture."""
_NOSE: Mapping[Stack, int] = {Stack.DLIB: 4, Stack.OPENCV_ZOO: 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceFrame:
    """Where a face's own frame lies in a picture."""

    place: Similarity
    """From the face's frame to pixels."""
    nose_offset: float
    """How far the nose lies beside the line that halves the eyes, in eye distances: a face that is turned away."""
    misfit: float
    """How far the landmarks lie from a mean face, root mean square, in eye distances."""

    @property
    def eye_distance(self) -> float:
        """Pixels between the middles of the eyes."""
        return self.place.scale

    @property
    def roll(self) -> float:
        """How far the head is tilted, in radians."""
        return self.place.angle

    def matrix(self) -> Matrix:
        """Give the map from the face's frame to pixels."""
        return self.place.matrix()


def frame_of(stack: Stack, landmarks: Points) -> FaceFrame:
    """Place the frame by a stack's five landmarks; ModelError when they make no face."""
    mean = _MEAN_FACE[stack]
    try:
        place = fit_similarity(mean, landmarks)
    except ValueError as error:
        raise ModelError(f"these landmarks make no face: {error}") from error
    if not place.scale > 0 or not math.isfinite(place.scale):
        raise ModelError("these landmarks make no face: they have no size")
    back = (landmarks[:, 0] + 1j * landmarks[:, 1] - place.shift) / place.turn
    eyes = (slice(2, 4), slice(0, 2)) if stack is Stack.DLIB else (slice(0, 1), slice(1, 2))
    middle = complex(sum(back[rows].mean() for rows in eyes) / 2)
    misfit = math.sqrt(float((np.abs(back - (mean[:, 0] + 1j * mean[:, 1])) ** 2).mean()))
    return FaceFrame(place=place, nose_offset=float((back[_NOSE[stack]] - middle).real), misfit=misfit)


def chain(first: Matrix, then: Matrix) -> Matrix:
    """Give the map that does one after the other."""
    return np.hstack([then[:, :2] @ first[:, :2], then[:, :2] @ first[:, 2:] + then[:, 2:]])


def mapped(matrix: Matrix, points: Points) -> Points:
    """Map points (count, 2)."""
    moved: Points = points @ matrix[:, :2].T + matrix[:, 2]
    return moved

"""Where a living head lies in a thermal picture: for cameras whose alignment is wrong, or not known. Pure.

Its outline says little of how high it is: hair is warm or cool, and a cap hides it. The inner corners of the eyes are
the warmest places of a face and lie at the same spot in everybody, so they are looked for, everywhere; what is found
must be judged living, so that no two lamps are a head. Behind spectacles they do not show: then nothing is found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.api import Floats
from models.face.frame import INNER_CANTHI
from models.presence.warmth import Verdict, judge, look_for_warmth
from models.temperature.view import ThermalFace

SCALES = (0.6, 0.67, 0.75, 0.84, 0.92, 1.0, 1.08, 1.18, 1.3, 1.45, 1.6)
"""How much larger a head may be than the alignment has it, where nobody has aligned the cameras yet."""
_FAR = 9.0
_STEP = 0.1
_CANDIDATES = 8
_APART = 0.5
"""Candidates of one size lie so far apart, in eye distances."""
_JITTER, _FINE = 0.2, 0.05
_WIDE, _HIGH = 1.0, 0.75
_LEAST_K = 0.15
_COARSEST = 8.0
"""As `models.presence.warmth`: with fewer pixels between the eyes nothing is said of a face."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """A living head: how far beside and below its expected place, in eye distances there, and how much larger it is.

    `corners_k` is how much the corners of its eyes stand out, in K.
    """

    x: float
    y: float
    scale: float
    corners_k: float


def find_head(face: ThermalFace, scales: Sequence[float] = (1.0,)) -> Head | None:
    """Find a living head by its eyes, anywhere in the thermal picture; None when there is none.

    Of several places the one is given around which the outline of a head is clearest.
    """
    if face.eye_distance * max(scales) < _COARSEST:
        return None
    found = [one for scale in scales for one in _candidates(face, scale)]
    found.sort(key=lambda one: one.corners_k, reverse=True)
    living: list[tuple[float, Head]] = []
    for one in found[:_CANDIDATES]:
        exact = _refined(face, one)
        there = _scaled(face, exact.scale).shifted(exact.x / exact.scale, exact.y / exact.scale)
        warmth = look_for_warmth(there)
        if warmth is not None and judge(warmth) is Verdict.LIVING:
            living.append((warmth.outline * exact.corners_k, exact))
    return max(living, key=lambda one: one[0])[1] if living else None


def _scaled(face: ThermalFace, scale: float) -> ThermalFace:
    place = face.place.copy()
    place[:, :2] *= scale
    return ThermalFace(picture=face.picture, place=place)


def _candidates(face: ThermalFace, scale: float) -> list[Head]:
    """Give the places of one size where two corners stand out."""
    far = _FAR / scale
    patch = _scaled(face, scale).sampled(-far - _WIDE, -far - _HIGH, far + _WIDE, far + _HIGH, _STEP)
    scores = _corners(np.nan_to_num(patch, nan=-273.0), _STEP)
    found: list[Head] = []
    near = round(_APART / _STEP)
    for _ in range(_CANDIDATES):
        row, column = np.unravel_index(int(scores.argmax()), scores.shape)
        score = float(scores[row, column])
        if score < _LEAST_K:
            break
        x, y = (float(column) * _STEP - far) * scale, (float(row) * _STEP - far) * scale
        found.append(Head(x=x, y=y, scale=scale, corners_k=score))
        scores[max(0, row - near) : row + near + 1, max(0, column - near) : column + near + 1] = -1.0
    return found


def _refined(face: ThermalFace, head: Head) -> Head:
    """Look more finely around a place."""
    there = _scaled(face, head.scale).shifted(head.x / head.scale, head.y / head.scale)
    wide, high = _JITTER + _WIDE, _JITTER + _HIGH
    eyes = there.sampled(-wide, -high, wide, high, _FINE)
    soft = np.asarray(cv2.blur(np.nan_to_num(eyes, nan=-273.0), (3, 3)), dtype=np.float32)
    scores = _corners(soft, _FINE)
    row, column = np.unravel_index(int(scores.argmax()), scores.shape)
    x = (float(column) + _top(scores[row], int(column))) * _FINE - _JITTER
    y = (float(row) + _top(scores[:, column], int(row))) * _FINE - _JITTER
    return Head(
        x=head.x + x * head.scale,
        y=head.y + y * head.scale,
        scale=head.scale,
        corners_k=float(scores[row, column]),
    )


_AROUND = ((0.68, 0.03), (0.3, -0.32), (0.38, 0.45), (0.0, 0.05))
"""What an inner corner of an eye stands out of: the outer corner, the brow, the cheek, the bridge of the nose."""


def _corners(patch: Floats, step: float) -> Floats:
    """Give for each place how much both inner corners stand out, the lesser of both, in K.

    The answer is smaller than the patch by what lies around a place: `_WIDE` and `_HIGH` on each side.
    """
    wide, high = round(_WIDE / step), round(_HIGH / step)
    rows, columns = patch.shape[0] - 2 * high, patch.shape[1] - 2 * wide

    def at(x: float, y: float) -> Floats:
        top, left = high + round(y / step), wide + round(x / step)
        return patch[top : top + rows, left : left + columns]

    found = []
    for corner_x, corner_y in INNER_CANTHI:
        side = 1 if corner_x > 0 else -1
        around = [at(side * x, y) for x, y in _AROUND]
        # Each of them is cooler, or it is no corner; a rim between warm and cold stands out on average only.
        found.append(at(corner_x, corner_y) - np.maximum(np.mean(around, axis=0), np.max(around, axis=0) - 0.15))
    return np.asarray(np.minimum(*found), dtype=np.float32)


def _top(line: Floats, middle: int) -> float:
    """Give where the top of a parabola through a value and its neighbours is, in steps beside the value."""
    if not 0 < middle < len(line) - 1:
        return 0.0
    before, here, after = (float(one) for one in line[middle - 1 : middle + 2])
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else max(-0.5, min(0.5, 0.5 * (before - after) / bend))

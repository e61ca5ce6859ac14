"""How sharply a head's warmth ends: at the crown and beside the eyes. Pure.

Skin ends where hair begins or where the head hides what lies behind it, so its warmth falls within what the lens
blurs, about a tenth of the distance of the eyes. Warmth that a sheet was given by air, a lamp or a hand falls slowly
from its middle: that it does so is an assumption about attackers, and a pattern of wires need not.
"""

import cv2
import numpy as np

from models.api import Floats
from models.temperature.view import ThermalFace

_STEP = 0.05
_OVER = 5
"""Steps over which a fall is taken: a quarter of the distance of the eyes."""
_SOFT = 5
_CROWN = (-0.5, -2.4, 0.5, -0.1)
"""From the eyes to above any hair, in the face's frame: left, top, right, bottom."""
_SIDES = (-1.9, -0.5, 1.9, 0.4)
_CHEEK = 0.65
"""Sides are looked for from here outward: glasses and eyes lie within."""


def crown(face: ThermalFace) -> float:
    """Give the steepest fall of warmth upward, in K: the median over the columns of the forehead."""
    strip = cv2.blur(face.sampled(*_CROWN, _STEP), (_SOFT, 1))
    falls = np.nan_to_num(strip[_OVER:] - strip[:-_OVER])
    return float(np.median(falls.max(axis=0)))


def sides(face: ThermalFace) -> float:
    """Give the steepest fall of warmth outward, in K: the median over the rows of the eyes, of both sides."""
    strip: Floats = np.asarray(cv2.blur(face.sampled(*_SIDES, _STEP), (1, _SOFT)), np.float32)
    middle = strip.shape[1] // 2
    first = middle + round(_CHEEK / _STEP)
    halves = np.concatenate([strip[:, first:], strip[:, ::-1][:, first:]])
    falls = np.nan_to_num(halves[:, :-_OVER] - halves[:, _OVER:])
    return float(np.median(falls.max(axis=1)))

"""Whether the lower face is covered: its colour and texture against the skin around the eyes. Pure."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from models.api import Floats, Picture, check_picture
from models.face.frame import FaceFrame

LEFT, TOP, STEP = -1.2, -0.8, 0.03
COLUMNS, ROWS = 81, 94


@dataclass(frozen=True, kw_only=True, slots=True)
class Cover:
    """`score` is the chance that mouth and nose are covered, 0 to 1, by `figures`."""

    score: float
    figures: dict[str, float]


def upright(picture: Picture, frame: FaceFrame) -> Picture:
    """Give the face from brows to chin upright, (94, 81, 3), 33 pixels from eye to eye."""
    check_picture(picture)
    grid = frame.matrix() @ np.array([[STEP, 0, LEFT], [0, STEP, TOP], [0, 0, 1]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    source, scale = picture, frame.eye_distance * STEP
    if scale > 1:  # one value of the grid covers several pixels
        source = np.asarray(cv2.blur(source, (round(scale) | 1, round(scale) | 1)), dtype=np.uint8)
    return np.asarray(
        cv2.warpAffine(source, grid, (COLUMNS, ROWS), flags=flags, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8
    )


def place(left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    """Give the rows and columns of a place of the face's frame."""
    return (
        slice(max(0, round((top - TOP) / STEP)), round((bottom - TOP) / STEP) + 1),
        slice(max(0, round((left - LEFT) / STEP)), round((right - LEFT) / STEP) + 1),
    )


_SKIN = (place(-0.8, 0.22, -0.3, 0.45), place(0.3, 0.22, 0.8, 0.45), place(-0.14, -0.2, 0.14, 0.2))
_LOWER = (place(-0.7, 0.95, -0.3, 1.5), place(0.3, 0.95, 0.7, 1.5), place(-0.3, 0.95, 0.3, 1.6))
_CHEEKS = (place(-0.75, 0.95, -0.45, 1.35), place(0.45, 0.95, 0.75, 1.35))
_MOUTH, _MOUTH_ROWS, _NOSTRILS = (
    place(-0.35, 0.95, 0.35, 1.35),
    place(-0.3, 0.9, 0.3, 1.45),
    place(-0.3, 0.55, 0.3, 0.95),
)
_UPPER_EDGE = (place(-0.7, 0.1, -0.35, 0.75), place(0.35, 0.1, 0.7, 0.75))
_EDGE_ROWS = 6
_LEAST_CHROMA = 4.0

BIAS = 1.2025
WEIGHTS = {
    "chroma": 0.3361,
    "share": -1.3911,
    "redness": -0.424,
    "line": -1.4908,
    "nostrils": 0.0125,
    "edge": 0.2262,
    "lightness": 0.0394,
}
"""A logistic regression over 1,960 upright faces: 96 faces of photographs, bare and under eleven drawn masks each."""


def figures(face: Picture) -> dict[str, float]:
    """Take the figures of an upright face, in units of CIE Lab.

    `chroma`: how far the lower cheeks' colour is from that of the skin around the eyes; `share`: the part of the lower
    face whose colour is that skin's; `redness`: of the lips beside the cheeks; `line`: the dark line between the lips;
    `nostrils`: how dark they are; `edge`: the strongest step down the cheeks; `lightness`: its difference.
    """
    lab: Floats = np.asarray(cv2.cvtColor(face.astype(np.float32) / 255, cv2.COLOR_BGR2Lab), dtype=np.float32)
    skin, lower, cheeks = (_values(lab, places) for places in (_SKIN, _LOWER, _CHEEKS))
    usual, low = np.median(skin, axis=0), np.median(cheeks, axis=0)
    spread = max(_LEAST_CHROMA, 1.5 * float(np.median(np.hypot(*(skin - usual)[:, 1:].T))))
    rows = lab[_MOUTH_ROWS][..., 0].mean(axis=1)
    dips = np.abs(rows - cv2.blur(rows[:, None], (1, 9))[:, 0])[3:-3]
    nose = lab[_NOSTRILS][..., 0]
    down = np.concatenate([lab[one] for one in _UPPER_EDGE], axis=1).mean(axis=1)
    steps = np.linalg.norm(down[_EDGE_ROWS:] - down[:-_EDGE_ROWS], axis=1)
    return {
        "chroma": float(np.hypot(*(low - usual)[1:])),
        "share": float((np.hypot(*(lower - usual)[:, 1:].T) < 2 * spread).mean()),
        "redness": float(np.percentile(lab[_MOUTH][..., 1], 80) - low[1]),
        "line": float(dips.max()),
        "nostrils": float(np.median(nose) - np.percentile(nose, 4)),
        "edge": float(steps.max()),
        "lightness": float(abs(low[0] - usual[0])),
    }


def look_for_cover(picture: Picture, frame: FaceFrame) -> Cover:
    """Say whether the lower face is covered."""
    taken = figures(upright(picture, frame))
    logit = BIAS + sum(WEIGHTS[name] * value for name, value in taken.items())
    return Cover(score=0.5 * (1 + math.tanh(logit / 2)), figures=taken)


def _values(lab: Floats, places: tuple[tuple[slice, slice], ...]) -> Floats:
    return np.concatenate([lab[one].reshape(-1, 3) for one in places])

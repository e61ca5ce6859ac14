"""Whether the lower face is covered: its colour and texture against the skin around the eyes. Pure."""

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


def figures(face: Picture) -> dict[str, float]:
    """Take the figures of an upright face."""
    lab = cv2.cvtColor(np.asarray(face, dtype=np.float32) / 255, cv2.COLOR_BGR2Lab)
    skin = np.concatenate([lab[one].reshape(-1, 3) for one in _SKIN])
    lower = np.concatenate([lab[one].reshape(-1, 3) for one in _LOWER])
    chroma = float(np.hypot(*(np.median(lower, axis=0) - np.median(skin, axis=0))[1:]))
    lightness = float(np.median(lower[:, 0]) - np.median(skin[:, 0]))
    mouth = lab[place(-0.35, 0.95, 0.35, 1.35)]
    beside = lab[place(-0.75, 0.9, -0.5, 1.3)].reshape(-1, 3), lab[place(0.5, 0.9, 0.75, 1.3)].reshape(-1, 3)
    redness = float(np.percentile(mouth[..., 1], 80) - np.median(np.concatenate(beside)[:, 1]))
    rows: Floats = mouth[..., 0].mean(axis=1)
    line = float(np.abs(rows - cv2.blur(rows[:, None], (1, 9))[:, 0]).max())
    return {"chroma": chroma, "lightness": lightness, "redness": redness, "line": line}


def look_for_cover(picture: Picture, frame: FaceFrame) -> Cover:
    """Say whether the lower face is covered."""
    taken = figures(upright(picture, frame))
    logit = 0.25 * (taken["chroma"] - 12) - 0.3 * (taken["redness"] - 5) - 0.3 * (taken["line"] - 5)
    return Cover(score=float(1 / (1 + np.exp(-logit))), figures=taken)

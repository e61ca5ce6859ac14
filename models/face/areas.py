"""Looking for faces where something is new or warm first, and everywhere when nothing is found there. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from models.api import Picture
from models.face.geometry import Box, Face
from models.face.stack import FaceStack

WHOLE = 0.6
"""An area that covers more of the picture than this saves nothing: everything is searched at once."""
_GRID = 8
"""Columns and rows of a picture are aligned to this, the step of dlib's detector."""
_BLOCK = 16
"""Changes are looked for by the means of blocks of so many pixels."""
_CHANGED = 6.0
"""A block has changed when its mean moved by more grey levels; the noise of a block's mean is far below one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a search found, and where it looked: None for everywhere."""

    faces: tuple[Face, ...]
    area: Box | None


def search(stack: FaceStack, picture: Picture, area: Box | None) -> Found:
    """Search `area` first, and the whole picture when no face is in it; boxes are the picture's."""
    height, width = picture.shape[:2]
    part = None if area is None else _aligned(area, width, height)
    if part is not None and part.area <= WHOLE * width * height:
        left, top = int(part.left), int(part.top)
        cut = np.ascontiguousarray(picture[top : int(part.bottom) + 1, left : int(part.right) + 1])
        faces = tuple(_moved(face, left, top) for face in stack.detect(cut))
        if faces:
            return Found(faces=faces, area=part)
    return Found(faces=stack.detect(picture), area=None)


def around(boxes: Iterable[Box], margin: float) -> Box | None:
    """Give the box around all boxes, each grown by `margin` of its larger side; None without any."""
    found: Box | None = None
    for box in boxes:
        grow = margin * max(box.width, box.height)
        wide = Box(left=box.left - grow, top=box.top - grow, right=box.right + grow, bottom=box.bottom + grow)
        found = wide if found is None else found.span(wide)
    return found


def block_means(picture: Picture) -> npt.NDArray[np.uint8]:
    """Give the grey means of a picture's blocks, which is what changes are found by."""
    rows, columns = max(1, picture.shape[0] // _BLOCK), max(1, picture.shape[1] // _BLOCK)
    small = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def changed_area(before: npt.NDArray[np.uint8], now: npt.NDArray[np.uint8], height: int, width: int) -> Box | None:
    """Give the box around all blocks that changed, in pixels of the picture; None when none did.

    Different sizes count as changed everywhere. A change of all light alike is no change of the scene, so the median
    of all differences is taken off first.
    """
    if before.shape != now.shape:
        return Box(left=0, top=0, right=width - 1, bottom=height - 1)
    difference = now.astype(np.int16) - before
    moved = np.abs(difference - np.median(difference)) > _CHANGED
    rows, columns = np.nonzero(moved.any(axis=1))[0], np.nonzero(moved.any(axis=0))[0]
    if not rows.size:
        return None
    down, across = height / now.shape[0], width / now.shape[1]
    return Box(
        left=float(columns[0] * across),
        top=float(rows[0] * down),
        right=float((columns[-1] + 1) * across - 1),
        bottom=float((rows[-1] + 1) * down - 1),
    )


def _aligned(area: Box, width: int, height: int) -> Box | None:
    left, top = max(0, int(area.left) // _GRID * _GRID), max(0, int(area.top) // _GRID * _GRID)
    right = min(width, -(-int(area.right + 1) // _GRID) * _GRID)
    bottom = min(height, -(-int(area.bottom + 1) // _GRID) * _GRID)
    if right <= left or bottom <= top:
        return None
    return Box(left=left, top=top, right=right - 1, bottom=bottom - 1)


def _moved(face: Face, left: int, top: int) -> Face:
    landmarks = None if face.landmarks is None else face.landmarks + np.array([left, top], dtype=np.float64)
    return replace(face, box=face.box.moved(left, top), landmarks=landmarks)

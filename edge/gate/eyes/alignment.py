"""How the thermal picture lies on the visible one, and whether that still seems right. Pure."""

from collections import deque
from dataclasses import dataclass
from statistics import median

import numpy as np

from models.face.frame import Matrix, mapped
from models.face.geometry import Box, fit_similarity

Align = tuple[tuple[float, float, float, float], tuple[float, float, float, float]]
"""Two points of the visible picture (x, y, x, y), and the two of the thermal picture that show the same, as parts of
each picture's width and height: what `ThermalSettings.align` holds."""


class BadAlignment(ValueError):
    """Two points that say nothing of how the pictures lie on each other."""


def visible_to_thermal(align: Align | None, visible: tuple[int, int], thermal: tuple[int, int]) -> Matrix:
    """Give the map (2, 3) from visible to thermal pixels; sizes are (height, width).

    Two points make scale, turn and shift: the pixels of both cameras are square. Without any, both pictures show the
    same field. BadAlignment when the points coincide.
    """
    (height, width), (rows, columns) = visible, thermal
    if align is None:
        across, down = columns / width, rows / height
        # The middles of the first pixels are half a pixel from the edge, in either picture.
        return np.array([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5]])
    seen = np.array(align[0]).reshape(2, 2) * (width, height) - 0.5
    felt = np.array(align[1]).reshape(2, 2) * (columns, rows) - 0.5
    try:
        similarity = fit_similarity(seen, felt)
    except ValueError as error:
        raise BadAlignment("the two points of an alignment are one") from error
    if not similarity.scale > 0:
        raise BadAlignment("the two points of an alignment are one in the thermal picture")
    return similarity.matrix()


def box_in_visible(matrix: Matrix, box: Box) -> Box:
    """Give where a box of thermal pixels lies in the visible picture."""
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    corners = np.array([(x, y) for x in (box.left - 0.5, box.right + 0.5) for y in (box.top - 0.5, box.bottom + 0.5)])
    points = mapped(back, corners)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return Box(left=float(left), top=float(top), right=float(right), bottom=float(bottom))


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """Where living faces' warmth has lain of late beside where the alignment has it, in eye distances.

    `wrong` says that it lies off consistently, and not by parallax alone: somebody should align the cameras anew.
    """

    faces: int
    beside: float
    wrong: bool


class AlignmentWatch:
    """Sees the shifts of living faces over time. A single shift is parallax or chance; the same one always is not."""

    def __init__(self, *, keep: int = 50, least: int = 10, most: float = 0.25) -> None:
        self._shifts: deque[float] = deque(maxlen=keep)
        self._least, self._most = least, most

    def saw(self, shift: float) -> None:
        """Take note of one face."""
        self._shifts.append(shift)

    @property
    def drift(self) -> Drift:
        """Say how it stands."""
        if not self._shifts:
            return Drift(faces=0, beside=0.0, wrong=False)
        beside = median(self._shifts)
        return Drift(
            faces=len(self._shifts), beside=beside, wrong=abs(beside) > self._most and len(self._shifts) >= self._least
        )

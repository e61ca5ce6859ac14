"""How the thermal picture lies on the visible one, and whether that still seems right. Pure."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from math import hypot
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
    """Where living faces' warmth has lain of late beside and below where the alignment has it, in eye distances.

    `wrong` says that it lies off consistently, and not by parallax alone: somebody should align the cameras anew, and
    what the thermal picture says of a face is said of another place until then. `people` is of how many that is known.
    """

    people: int
    beside: float
    below: float
    wrong: bool


class AlignmentWatch:
    """Sees where people's warmth lies. A single shift is parallax or chance; the same one always is not.

    Each counts once, by the middle of their looks: somebody who stands close for a minute is still one. The newest
    `keep` are remembered, so that cameras that were put right are believed after about half as many.
    """

    def __init__(self, *, keep: int = 9, least: int = 5, most: float = 0.25, looks: int = 30) -> None:
        self._people: deque[tuple[float, float]] = deque(maxlen=keep)
        self._present: list[tuple[float, float]] = []
        self._least, self._most, self._looks = least, most, looks
        self._drift = Drift(people=0, beside=0.0, below=0.0, wrong=False)

    def saw(self, beside: float, below: float = 0.0) -> None:
        """Take note of a living head of whoever is there now."""
        self._present.append((beside, below))
        if len(self._present) >= self._looks:
            self.gone()  # a queue without gaps, or somebody who stays

    def gone(self) -> None:
        """Nobody is there any more: whoever was counts."""
        if self._present:
            self._people.append(_middle(self._present))
            self._present = []
            self._drift = self._judge()

    @property
    def drift(self) -> Drift:
        """Say how it stands."""
        return self._drift

    def _judge(self) -> Drift:
        beside, below = _middle(self._people)
        off = hypot(beside, below)
        alike = sum(hypot(x - beside, y - below) <= _ALIKE + _ALIKE * off for x, y in self._people)
        wrong = off > self._most and len(self._people) >= self._least and 3 * alike >= 2 * len(self._people)
        return Drift(people=len(self._people), beside=beside, below=below, wrong=wrong)


_ALIKE = 0.25
"""Two of three people's shifts lie so near each other, in eye distances and as a part of the shift, or it is chance."""


def _middle(found: Collection[tuple[float, float]]) -> tuple[float, float]:
    return median(x for x, _ in found), median(y for _, y in found)

"""Boxes and similarity transforms, in pixels; pure."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
"""Points, (count, 2): x and y in pixels, whose centres have whole numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A rectangle of pixels; `right` and `bottom` are still inside. One without area is empty."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Columns, at least 0."""
        return max(0.0, self.right - self.left + 1)

    @property
    def height(self) -> float:
        """Rows, at least 0."""
        return max(0.0, self.bottom - self.top + 1)

    @property
    def area(self) -> float:
        """Pixels."""
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        """The middle: x and y."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @classmethod
    def around(cls, x: float, y: float, width: float, height: float) -> Self:
        """Make the box of this size with its centre at x, y."""
        return cls(
            left=x - (width - 1) / 2, top=y - (height - 1) / 2, right=x + (width - 1) / 2, bottom=y + (height - 1) / 2
        )

    def meet(self, other: "Box") -> "Box":
        """Give what both cover."""
        return Box(
            left=max(self.left, other.left),
            top=max(self.top, other.top),
            right=min(self.right, other.right),
            bottom=min(self.bottom, other.bottom),
        )

    def span(self, other: "Box") -> "Box":
        """Give the smallest box that holds both."""
        return Box(
            left=min(self.left, other.left),
            top=min(self.top, other.top),
            right=max(self.right, other.right),
            bottom=max(self.bottom, other.bottom),
        )

    def moved(self, x: float, y: float) -> "Box":
        """Give the box elsewhere."""
        return Box(left=self.left + x, top=self.top + y, right=self.right + x, bottom=self.bottom + y)

    def scaled(self, factor: float) -> "Box":
        """Give the box in a picture that is `factor` times as large."""
        return Box(
            left=self.left * factor, top=self.top * factor, right=self.right * factor, bottom=self.bottom * factor
        )

    def rounded(self) -> "Box":
        """Give the box with whole sides, halves rounded up."""
        return Box(
            left=math.floor(self.left + 0.5),
            top=math.floor(self.top + 0.5),
            right=math.floor(self.right + 0.5),
            bottom=math.floor(self.bottom + 0.5),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Face:
    """A face that was found: its box, the detector's score, and its landmarks (5, 2) where the detector gives them."""

    box: Box
    score: float
    landmarks: Points | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Similarity:
    """Scale, turn and shift: a point z = x + iy goes to `turn` * z + `shift`."""

    turn: complex
    shift: complex

    @property
    def scale(self) -> float:
        """How many times longer everything becomes."""
        return abs(self.turn)

    @property
    def angle(self) -> float:
        """The turn in radians, from x toward y."""
        return math.atan2(self.turn.imag, self.turn.real)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Map one point."""
        mapped = self.turn * complex(x, y) + self.shift
        return mapped.real, mapped.imag

    def matrix(self) -> npt.NDArray[np.float64]:
        """Give it as (2, 3), the way OpenCV writes affine transforms."""
        a, b = self.turn.real, self.turn.imag
        return np.array([[a, -b, self.shift.real], [b, a, self.shift.imag]])


def fit_similarity(source: Points, target: Points) -> Similarity:
    """Give the similarity that takes `source` nearest to `target`, by least squares; never a reflection.

    ValueError unless both are (count, 2) with at least two different points.
    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2:  # noqa: PLR2004 - x and y
        raise ValueError(f"points of {source.shape} cannot go to points of {target.shape}")
    a, b = source[:, 0] + 1j * source[:, 1], target[:, 0] + 1j * target[:, 1]
    middle_a, middle_b = a.mean(), b.mean()
    spread = float((np.abs(a - middle_a) ** 2).sum())
    if not spread > 0 or not math.isfinite(spread):
        raise ValueError("points that all coincide have no scale")
    turn = complex(((a - middle_a).conj() * (b - middle_b)).sum() / spread)
    return Similarity(turn=turn, shift=complex(middle_b - turn * middle_a))

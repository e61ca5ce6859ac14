"""Figures of a picture of temperatures: a (rows, columns) float32 array in °C. Pure, and shared by all who have one.

numpy is not imported here: whoever has a picture has loaded it, and an agent without one never does.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivers.places.thermal import Region, ThermalPoint

Picture: TypeAlias = "NDArray[np.float32]"
"""Rows from above, columns from the left, in °C."""

_DIGITS = 2  # a hundredth of a degree is finer than any of these devices measures


class NoFigure(ValueError):
    """A picture has no such figure; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Figures of a picture or of a region of it, in °C. `hottest` is the maximum's row and column in the picture."""

    minimum: float
    maximum: float
    mean: float
    hottest: tuple[int, int]


def figures(picture: Picture, region: "Region | None" = None) -> Figures:
    """Give the figures of a picture, or of a region: row, column, height, width.

    NoFigure for a region that reaches beyond the picture, and for pixels without a temperature (not finite): the
    hottest place may be just there.
    """
    row, column, height, width = region or (0, 0, *picture.shape)
    if row + height > picture.shape[0] or column + width > picture.shape[1]:
        rows, columns = picture.shape
        raise NoFigure(f"the region {row},{column},{height},{width} reaches beyond the picture of {rows} x {columns}")
    part = picture[row : row + height, column : column + width]
    if not part.size:
        raise NoFigure("the picture is empty")
    mean = float(part.mean(dtype="float64"))
    if not math.isfinite(mean):  # one pixel that is not finite is enough
        raise NoFigure("some pixels have no temperature")
    below, right = divmod(int(part.argmax()), part.shape[1])
    return Figures(
        minimum=_rounded(float(part.min())),
        maximum=_rounded(float(part.max())),
        mean=_rounded(mean),
        hottest=(row + below, column + right),
    )


def figure(place: "ThermalPoint", picture: Picture, *, ambient: float | None = None) -> float:
    """Give the figure that a point asks for, in °C (`rise` and `difference`: K), to a hundredth. NoFigure.

    `ambient` is what the device says of its surroundings, None where it says nothing.
    """
    if place.figure == "difference":
        maxima = [figures(picture, region).maximum for region in place.alike]
        return _rounded(max(maxima) - min(maxima))
    if place.figure not in _NEED_AMBIENT:
        seen = figures(picture, place.region)
        return {"minimum": seen.minimum, "maximum": seen.maximum, "mean": seen.mean}[place.figure]
    if ambient is None:
        raise NoFigure("the device does not tell the temperature around it")
    if place.figure == "ambient":
        return _rounded(ambient)
    return _rounded(figures(picture, place.region).maximum - ambient)


_NEED_AMBIENT: frozenset[str] = frozenset({"ambient", "rise"})


def _rounded(value: float) -> float:
    return round(value, _DIGITS) + 0.0  # no minus zero

"""What a living face looks like in the long infrared: where it is warmer and cooler than around. Pure.

Facts: the inner corners of the eyes are the warmest of a face, about 1 K above the forehead and the cornea and 1.5 K
above the outer corners (Micheletti and others, 2022: 34.3, 33.4, 33.3, 32.8 °C); nose, cheeks and ears follow the
surroundings and are cooler in the cold, the region around the eyes and beside the nose hardly; glass is opaque in the
long infrared, so that spectacles are as cold as the air.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from models.api import Floats

LEFT, TOP, RIGHT, BOTTOM, STEP = -2.2, -2.4, 2.2, 2.8, 0.1
"""The patch of the face's frame that is looked at."""
Map = npt.NDArray[np.float64]


@cache
def grid() -> tuple[Map, Map]:
    """Give x and y in the face's frame of each value of the patch."""
    columns, rows = round((RIGHT - LEFT) / STEP) + 1, round((BOTTOM - TOP) / STEP) + 1
    x, y = np.meshgrid(LEFT + STEP * np.arange(columns), TOP + STEP * np.arange(rows))
    return x, y


def disc(x: float, y: float, radius: float) -> npt.NDArray[np.bool_]:
    """Mark a round place of the patch."""
    across, down = grid()
    return (across - x) ** 2 + (down - y) ** 2 <= radius**2


def oval(half_width: float, half_height: float, middle: float = 0.45) -> npt.NDArray[np.bool_]:
    """Mark an upright oval on the face's middle line."""
    across, down = grid()
    return (across / half_width) ** 2 + ((down - middle) / half_height) ** 2 <= 1


def _spot(x: float, y: float, width: float, height: float | None = None) -> Map:
    across, down = grid()
    tall = width if height is None else height
    return np.exp(-0.5 * (((across - x) / width) ** 2 + ((down - y) / tall) ** 2))


def _pair(x: float, y: float, width: float, height: float | None = None) -> Map:
    return _spot(-x, y, width, height) + _spot(x, y, width, height)


@cache
def warm_corners() -> Map:
    """Give the warmth around the inner corners of the eyes."""
    return _pair(0.27, 0.04, 0.16)


@cache
def cool_glasses() -> Map:
    """Give the cold of spectacles, as a positive map."""
    across, down = grid()
    rim = np.abs(np.abs(across) - 0.52) / 0.36
    return np.asarray(1 / (1 + np.exp(8 * (np.maximum(rim, np.abs(down - 0.08) / 0.3) - 1))), dtype=np.float64)


@cache
def cool_nose() -> Map:
    """Give the cool of the nose and of its wings, as a positive map."""
    return _spot(0.0, 0.55, 0.2, 0.28)


def values_at(patch: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """Give the values of a place that have a temperature."""
    found = patch[where]
    return np.asarray(found[np.isfinite(found)], dtype=np.float32)

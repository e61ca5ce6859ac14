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

LEFT, TOP, RIGHT, BOTTOM, STEP = -3.2, -3.0, 3.2, 2.6, 0.1
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


def values_at(patch: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """Give the values of a place that have a temperature."""
    found = patch[where]
    return np.asarray(found[np.isfinite(found)], dtype=np.float32)

"""What models raise, and the one thing that pre- and post-processing needs of a runtime."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""A picture: BGR, (height, width, 3)."""

Floats = npt.NDArray[np.float32]
"""Single-precision numbers, of any shape."""


class ModelError(Exception):
    """A model cannot be had or used; the text says which, why, and what to do."""


class BadPicture(ModelError):
    """What was given as a picture is none: the text says what it is instead."""


class Network(Protocol):
    """A loaded network: arrays by name in, arrays by name out."""

    @property
    def shapes(self) -> Mapping[str, tuple[int | str | None, ...]]:
        """The inputs by name with their dimensions; one that is no number is free."""
        ...

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Floats]:
        """Compute all outputs; ModelError when the inputs do not fit."""
        ...


def check_picture(picture: Picture) -> Picture:
    """Give the picture back; BadPicture unless it is BGR uint8 of (height, width, 3) with at least one pixel."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:  # noqa: PLR2004 - BGR
        raise BadPicture(f"a picture is uint8 of (height, width, 3), and this is {picture.dtype} of {picture.shape}")
    return picture

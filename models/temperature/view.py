"""A face in a thermal picture: where its own frame lies there, and what is read by that. Pure."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from models.api import BadPicture, Floats
from models.face.frame import EYE_DISTANCE_MM, Matrix, mapped

Mask = npt.NDArray[np.bool_]


def check_thermal(picture: Floats) -> Floats:
    """Give the picture back; BadPicture unless it is float32 °C of (rows, columns) with at least one pixel."""
    if picture.dtype != np.float32 or picture.ndim != 2 or not picture.size:  # noqa: PLR2004 - rows and columns
        raise BadPicture(f"temperatures are float32 of (rows, columns), and this is {picture.dtype} of {picture.shape}")
    return picture


@dataclass(frozen=True, kw_only=True, slots=True)
class ThermalFace:
    """A thermal picture in °C (rows, columns), and the map from the face's frame (`models.face.frame`) to its pixels.

    A pixel without a temperature is not finite.
    """

    picture: Floats
    place: Matrix

    @classmethod
    def of(cls, picture: Floats, place: Matrix) -> Self:
        """Check the picture and put both together; BadPicture."""
        return cls(picture=check_thermal(picture), place=place)

    @property
    def eye_distance(self) -> float:
        """Thermal pixels between the middles of the eyes."""
        return float(np.sqrt(abs(np.linalg.det(self.place[:, :2]))))

    @property
    def mm_per_pixel(self) -> float:
        """What one thermal pixel covers on the face, for eyes that are as far apart as an adult's mean."""
        return EYE_DISTANCE_MM / max(self.eye_distance, 1e-6)

    def shifted(self, x: float, y: float) -> "ThermalFace":
        """Give the view with the face elsewhere, in units of its own frame."""
        place = self.place.copy()
        place[:, 2] = mapped(self.place, np.array([[x, y]]))[0]
        return ThermalFace(picture=self.picture, place=place)

    def frame_places(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Give x and y in the face's frame of every thermal pixel."""
        rows, columns = self.picture.shape
        back = np.linalg.inv(np.vstack([self.place, [0, 0, 1]]))
        x, y = np.arange(columns)[None, :], np.arange(rows)[:, None]
        return (back[0, 0] * x + back[0, 1] * y + back[0, 2], back[1, 0] * x + back[1, 1] * y + back[1, 2])

    def sampled(self, left: float, top: float, right: float, bottom: float, step: float) -> Floats:
        """Read the temperatures bilinearly on a grid in the face's frame; nan outside of the picture."""
        columns, rows = round((right - left) / step) + 1, round((bottom - top) / step) + 1
        grid = self.place @ np.array([[step, 0, left], [0, step, top], [0, 0, 1]])
        read = cv2.warpAffine(
            self.picture,
            grid,
            (columns, rows),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=float("nan"),
        )
        return np.asarray(read, dtype=np.float32)

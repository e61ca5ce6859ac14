"""The highest skin temperature of a face: at the inner corners of the eyes, or of the face below the brows. Pure.

The forehead is never measured: it tells fevers worst. Nothing is ever moved toward what is normal; the only thing that
may be added is what a blackbody of known temperature in the same picture asks for, and the raw value stays beside it.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from models.api import Floats
from models.temperature.view import Mask, ThermalFace

SKIN_EMISSIVITY = 0.98
"""Of human skin in the long infrared. The camera must be set to it: radiometric cameras compute with their own."""
CANTHUS_MM = 1.2
"""The inner canthus is read where a pixel covers at most this much; the standard asks for about 1 mm."""
LEAST_ACROSS = 8.0
"""Below so many thermal pixels from temple to temple a face's maximum is a mixture of face and background."""
HOTTEST_SKIN_C = 42.5
"""Living skin is not hotter: at 43 to 44 °C it hurts, and burns follow."""
_FOREIGN_STEP_K = 2.5
_DEFECT_K = 2.0
"""The lens spreads every spot over its neighbours: a pixel that stands out by more from all eight is defective."""
_MOST_LOST = 0.4
"""A face of which more is hidden by something hot, or has no temperature, is not measured."""
_REFERENCE_SPREAD_K, _REFERENCE_OFF_K = 0.5, 5.0
_LEAST_SEEN = 0.7
_SCREENING_PIXELS = (180, 240)
_FACE = (0.0, 0.62, 0.88, 0.9)
"""Below the brows, above the chin's edge, within the cheeks: an ellipse's middle and half axes, in the face's frame."""
_BROWS = -0.22
_CANTHUS_RADIUS = 0.12
_FACE_WIDTH = 2.2


class Spot(StrEnum):
    """Where a face's temperature was taken."""

    INNER_CANTHUS = "inner canthus"
    FACE_MAXIMUM = "face maximum below the brows"


class How(StrEnum):
    """What was done to the camera's value."""

    RAW = "raw"
    BLACKBODY = "raw and the blackbody's offset"


class Trouble(StrEnum):
    """Why there is no temperature."""

    TOO_SMALL = "the face is too small in thermal pixels"
    OUTSIDE = "the face reaches out of the thermal picture"
    HIDDEN = "something hot is before the face, or pixels have no temperature"
    NO_REFERENCE = "the blackbody is not where it should be"


@dataclass(frozen=True, kw_only=True, slots=True)
class Blackbody:
    """A reference of known temperature, (left, top, width, height) in thermal pixels."""

    left: int
    top: int
    width: int
    height: int
    celsius: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SkinTemperature:
    """What was measured. `compensated_c` is there when a blackbody is; `raw_c` is what the camera says."""

    raw_c: float
    compensated_c: float | None
    spot: Spot
    how: How
    row: int
    column: int
    mm_per_pixel: float
    hidden: float
    """The part of the face that was left out for something hot or without temperature."""

    @property
    def best_c(self) -> float:
        """What a limit is held against."""
        return self.raw_c if self.compensated_c is None else self.compensated_c


def sensor_class(rows: int, columns: int) -> str:
    """Say what a thermal camera of this size is for screening, by its pixels."""
    short, long = sorted((rows, columns))
    if short < _SCREENING_PIXELS[0] or long < _SCREENING_PIXELS[1]:
        return f"research grade: {columns} x {rows} is below 240 x 180, not ISO screening"
    return f"screening size: {columns} x {rows}; whether it is a screening thermograph, its maker must prove"


def measure_skin(face: ThermalFace, blackbody: Blackbody | None = None) -> SkinTemperature | Trouble:
    """Measure, or say why not."""
    if face.eye_distance * _FACE_WIDTH < LEAST_ACROSS:
        return Trouble.TOO_SMALL
    offset = None if blackbody is None else blackbody_offset(face.picture, blackbody)
    if blackbody is not None and offset is None:
        return Trouble.NO_REFERENCE
    found = _find(face)
    if isinstance(found, Trouble):
        return found
    raw = float(face.picture[found.row, found.column])
    return SkinTemperature(
        raw_c=raw,
        compensated_c=None if offset is None else raw + offset,
        spot=found.spot,
        how=How.RAW if offset is None else How.BLACKBODY,
        row=found.row,
        column=found.column,
        mm_per_pixel=face.mm_per_pixel,
        hidden=found.hidden,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    row: int
    column: int
    spot: Spot
    hidden: float


def _find(face: ThermalFace) -> _Place | Trouble:
    """Find the hottest place of a face."""
    x, y = face.frame_places()
    region = (((x - _FACE[0]) / _FACE[2]) ** 2 + ((y - _FACE[1]) / _FACE[3]) ** 2 <= 1) & (y >= _BROWS)
    if _is_cut(face, float(np.count_nonzero(region))):
        return Trouble.OUTSIDE
    usable = region & np.isfinite(face.picture)
    left = usable & ~_foreign(face.picture, usable)
    hidden = 1 - np.count_nonzero(left) / np.count_nonzero(region)
    spot = Spot.FACE_MAXIMUM
    corners = left & (((np.abs(x) - 0.297) ** 2 + (y - 0.015) ** 2) <= _CANTHUS_RADIUS**2)
    if face.mm_per_pixel <= CANTHUS_MM and corners.any():
        left, spot = corners, Spot.INNER_CANTHUS
    found = _hottest(face.picture, left)
    if hidden > _MOST_LOST or found is None:
        return Trouble.HIDDEN
    return _Place(row=found[0], column=found[1], spot=spot, hidden=float(hidden))


def blackbody_offset(picture: Floats, blackbody: Blackbody) -> float | None:
    """Give what the camera's values lack at the blackbody; None when what is there cannot be the blackbody.

    It must lie in the picture whole, be of one temperature, and be near what it should be: else somebody stands before
    it, or it is off.
    """
    rows, columns = picture.shape
    right, bottom = blackbody.left + blackbody.width, blackbody.top + blackbody.height
    if min(blackbody.left, blackbody.top) < 0 or right > columns or bottom > rows:
        return None
    part = picture[blackbody.top : bottom, blackbody.left : right]
    if not part.size or not np.isfinite(part).all():
        return None
    low, middle, high = (float(one) for one in np.percentile(part, (5, 50, 95)))
    offset = blackbody.celsius - middle
    if high - low > 2 * _REFERENCE_SPREAD_K or abs(offset) > _REFERENCE_OFF_K:
        return None
    return offset


def _is_cut(face: ThermalFace, inside: float) -> bool:
    """Say whether much of the face lies outside of the picture."""
    whole = math.pi * _FACE[2] * _FACE[3] * face.eye_distance**2
    return inside < _LEAST_SEEN * whole


def _foreign(picture: Floats, face: Mask) -> Mask:
    """Find what is too hot for skin, with its blurred edge: lamps, cups, hot drinks, a wall in the sun."""
    values = np.nan_to_num(picture, nan=-273.0, posinf=1e3, neginf=-273.0)
    if float(values.max()) <= HOTTEST_SKIN_C or not face.any():
        return np.zeros(picture.shape, dtype=np.bool_)
    level = float(np.median(picture[face]))
    warm = (values > level + _FOREIGN_STEP_K).astype(np.uint8)
    _, parts = cv2.connectedComponents(warm, connectivity=8)
    foreign = np.isin(parts, np.unique(parts[values > HOTTEST_SKIN_C])) & (warm > 0)
    foreign |= values > HOTTEST_SKIN_C
    grown = cv2.dilate(foreign.astype(np.uint8), np.ones((3, 3), dtype=np.uint8))
    return np.asarray(grown > 0, dtype=np.bool_)


def _hottest(picture: Floats, region: Mask) -> tuple[int, int] | None:
    """Give row and column of the hottest pixel that is no defect."""
    values = np.nan_to_num(picture, nan=-273.0, posinf=1e3, neginf=-273.0).astype(np.float32)
    ring = np.ones((3, 3), dtype=np.uint8)
    ring[1, 1] = 0
    neighbours = cv2.dilate(values, ring)
    sound = region & (values - neighbours <= _DEFECT_K)
    if not sound.any():
        return None
    row, column = divmod(int(np.where(sound, values, -np.inf).argmax()), picture.shape[1])
    return row, column

"""Where a face may be: where faces were, where it is warm as skin is, or else where the picture changed.

A hint only makes the search quicker. What a hint leaves out is searched whenever the hinted area holds no face, and
everything is searched anew every few looks, so that a wrong hint costs time and never a face.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from edge.gate.eyes.alignment import box_in_visible
from models.api import Floats, Picture
from models.face.areas import Found, around, block_means, changed_area
from models.face.frame import Matrix
from models.face.geometry import Box, Face

EVERYTHING_EVERY = 10
"""Everything is searched at least in every so-many-th look."""
_AROUND_FACES, _AROUND_WARMTH = 0.3, 0.2
_HEAD = 1.5
_MOST_LARGER = 2.0
_SKIN_C = (28.0, 42.5)
_LEAST_WARM = 0.004
"""A warm place is a person from this part of the thermal picture on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hint:
    """Whether to search, and where first: None for everywhere. `warm`: somebody is there by the thermal picture."""

    search: bool
    area: Box | None
    warm: bool


class Hints:
    """Remembers the last picture that was searched everywhere, and the faces of the last look."""

    def __init__(self) -> None:
        self._reference: npt.NDArray[np.uint8] | None = None
        self._now: npt.NDArray[np.uint8] | None = None
        self._faces: tuple[Face, ...] = ()
        self._area: Box | None = None
        self._looks = 0

    def area(self, visible: Picture, thermal: Floats | None, matrix: Matrix | None) -> Hint:
        """Say where to search in this picture."""
        height, width = visible.shape[:2]
        self._now = block_means(visible)
        warm = [] if thermal is None or matrix is None else warm_places(thermal)
        self._looks += 1
        if self._reference is None or self._looks >= EVERYTHING_EVERY:
            return Hint(search=True, area=None, warm=bool(warm))
        faces = around([face.box for face in self._faces], _AROUND_FACES)
        if matrix is not None and warm:
            # Whoever lives is warm; what else changed is clothes and shadows.
            new = around((box_in_visible(matrix, _top(one)) for one in warm), _AROUND_WARMTH)
        else:
            new = changed_area(self._reference, self._now, height, width)
        known = [one for one in (faces, new) if one is not None]
        # Where nothing changed since everything was searched in vain, and nothing is warm, there is nothing to find.
        self._area = _steady(self._area, around(known, 0.0))
        return Hint(search=bool(known), area=self._area, warm=bool(warm))

    def after(self, found: Found | None) -> tuple[Face, ...]:
        """Take note of what the search found; None when there was none. Gives the faces."""
        if found is None:
            return ()
        self._faces = found.faces
        if found.area is None:
            self._reference, self._looks = self._now, 0
        return found.faces


def _top(place: Box) -> Box:
    """Give the upper end of something warm: a head is above its neck and arms."""
    return replace(place, bottom=min(place.bottom, place.top + _HEAD * place.width))


def _steady(before: Box | None, wished: Box | None) -> Box | None:
    """Keep the area of the look before while it holds the new one and is not much larger.

    dlib places a box by its pyramid's steps, so the same face in another cut-out may get another box.
    """
    if before is None or wished is None or wished.area * _MOST_LARGER < before.area:
        return wished
    return before if before.span(wished) == before else wished


def warm_places(thermal: Floats) -> list[Box]:
    """Give the boxes of what is as warm as skin and stands out of its surroundings, in thermal pixels."""
    finite = np.nan_to_num(thermal, nan=-273.0, posinf=1e3, neginf=-273.0)
    level = max(_SKIN_C[0], float(np.median(finite)) + 2.0)
    skin = ((finite >= level) & (finite <= _SKIN_C[1])).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(skin, connectivity=8)
    least = _LEAST_WARM * thermal.size
    places: list[Box] = []
    for left, top, width, height, pixels in stats[1:count].tolist():
        if pixels >= least:
            places.append(Box(left=left, top=top, right=left + width - 1, bottom=top + height - 1))
    return places

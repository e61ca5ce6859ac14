"""dlib's face chip: the face turned upright and cut out, 150 x 150. Pure.

Source: dlib/image_transforms/interpolation.h. A chip that is much smaller than the face is cut from a picture that was
halved first, as often as needed, with a Gaussian window of five.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.api import Picture, check_picture
from models.face.geometry import Box, Points, fit_similarity

SIDE = 150
_MARGIN = 0.25
_MEAN_SHAPE = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277976316475),
    ]
)
"""Where the five landmarks of the mean face lie, in a box of 1 x 1 around it."""
TARGETS: Points = (_MARGIN + _MEAN_SHAPE) / (2 * _MARGIN + 1) * SIDE
"""Where the five landmarks go in the chip."""
_WINDOW = (1, 4, 6, 4, 1)
_LEAST_SIDE = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where a chip lies in a picture: an upright box, turned around its centre by `angle` radians."""

    box: Box
    angle: float

    def corner(self, x: float, y: float) -> complex:
        """Turn one point of the box."""
        middle = complex(*self.box.centre)
        return middle + (complex(x, y) - middle) * complex(math.cos(self.angle), math.sin(self.angle))

    def hull(self) -> Box:
        """Give the upright box around the turned one."""
        box = self.box
        corners = [self.corner(x, y) for x in (box.left, box.right) for y in (box.top, box.bottom)]
        x, y = [one.real for one in corners], [one.imag for one in corners]
        return Box(left=min(x), top=min(y), right=max(x), bottom=max(y))


def cut_chip(picture: Picture, landmarks: Points) -> Picture:
    """Give the chip (150, 150, 3) for dlib's five landmarks, black where it leaves the picture.

    ValueError when the landmarks coincide.
    """
    check_picture(picture)
    mapping = fit_similarity(TARGETS, landmarks)
    side = SIDE * mapping.scale
    place = _Place(box=Box.around(*mapping.point(SIDE / 2, SIDE / 2), side, side), angle=mapping.angle)
    box, grow = _halved(place.box), 2.0
    while box.area > SIDE * SIDE:
        box, grow = _halved(box), grow * 2 + 2
    hull = place.hull()
    wide = Box(left=hull.left - grow, top=hull.top - grow, right=hull.right + grow, bottom=hull.bottom + grow)
    frame = Box(left=0, top=0, right=picture.shape[1] - 1, bottom=picture.shape[0] - 1)
    area = wide.meet(frame).rounded()
    if area.area == 0:
        return np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    source = picture[int(area.top) : int(area.bottom) + 1, int(area.left) : int(area.right) + 1]
    box = place.box.moved(-area.left, -area.top)
    while _halved(box).area > SIDE * SIDE:
        source, box = halve(source), _halved(box)
    return _sample(source, _Place(box=box, angle=place.angle))


def _halved(box: Box) -> Box:
    """Map a box to the picture of half the size, as dlib places it."""
    return Box(
        left=box.left / 2 - 1.25, top=box.top / 2 - 0.75, right=box.right / 2 - 1.25, bottom=box.bottom / 2 - 0.75
    )


def halve(picture: Picture) -> Picture:
    """Give the picture at half size; an empty one when it is too small."""
    if min(picture.shape[:2]) <= _LEAST_SIDE:
        return np.zeros((0, 0, 3), dtype=np.uint8)
    rows, columns = (picture.shape[0] - 3) // 2, (picture.shape[1] - 3) // 2
    wide = picture.astype(np.uint16)
    across = np.zeros((wide.shape[0], columns, 3), dtype=np.uint16)
    for k, weight in enumerate(_WINDOW):
        across += wide[:, k : k + 2 * columns : 2] * np.uint16(weight)
    down = np.zeros((rows, columns, 3), dtype=np.uint16)
    for k, weight in enumerate(_WINDOW):
        down += across[k : k + 2 * rows : 2] * np.uint16(weight)
    return (down // 256).astype(np.uint8)


def _sample(source: Picture, place: _Place) -> Picture:
    """Read the chip bilinearly; a pixel whose four neighbours are not all in the picture is black."""
    box = place.box
    start = place.corner(box.left, box.top)
    across = (place.corner(box.right, box.top) - start) / (SIDE - 1)
    down = (place.corner(box.left, box.bottom) - start) / (SIDE - 1)
    steps = np.arange(SIDE)
    places = start + across * steps[None, :] + down * steps[:, None]
    left, top = np.floor(places.real).astype(np.int64), np.floor(places.imag).astype(np.int64)
    height, width = source.shape[:2]
    inside = (left >= 0) & (top >= 0) & (left < width - 1) & (top < height - 1)
    if not inside.any():
        return np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    x, y = np.where(inside, left, 0), np.where(inside, top, 0)
    right_part = (places.real - left)[..., None]
    lower_part = (places.imag - top)[..., None]
    values: npt.NDArray[np.float64] = (1 - lower_part) * (
        (1 - right_part) * source[y, x] + right_part * source[y, x + 1]
    ) + lower_part * ((1 - right_part) * source[y + 1, x] + right_part * source[y + 1, x + 1])
    return np.where(inside[..., None], values, 0).astype(np.uint8)

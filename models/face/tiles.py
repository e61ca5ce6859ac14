"""The tiled pyramid: all sizes of a picture in one, so that one run of a network finds faces of every size.

Layout and arithmetic are dlib's (dlib/image_transforms/image_pyramid.h, dlib/dnn/input.h): each level is 5/6 of the one
before, resized bilinearly with the corners aligned; the tiles go down the left side, then up the right side.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from models.api import Floats, Picture
from models.face.geometry import Box

_RATE = 5.0 / 6.0
_LEAST_HEIGHT = 5
_POINT_SHIFT = 0.3
"""What dlib adds to a point when it goes up one level."""
_SCALE = 256.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Where the levels lie: the whole picture's size and one box with whole sides for each level, largest first."""

    height: int
    width: int
    boxes: tuple[Box, ...]


def plan_tiles(height: int, width: int, *, padding: int, outer_padding: int) -> Layout:
    """Lay out the levels of a picture of this size."""
    sizes = [(height, width)]
    while True:
        rows, columns = math.floor(_RATE * sizes[-1][0]), math.floor(_RATE * sizes[-1][1])
        if columns == 0 or rows < _LEAST_HEIGHT:
            break
        sizes.append((rows, columns))
    left = _left_count(sizes, padding)
    inner = sum(rows + padding for rows, _ in sizes[:left]) - padding
    boxes: list[Box] = []
    y = outer_padding
    while y < inner + outer_padding and len(boxes) < len(sizes):
        rows, columns = sizes[len(boxes)]
        boxes.append(Box(left=outer_padding, top=y, right=outer_padding + columns - 1, bottom=y + rows - 1))
        y += rows + padding
    y -= padding
    for rows, columns in sizes[len(boxes) :]:
        right, bottom = outer_padding + width - 1, y - 1
        box = Box(left=right - columns + 1, top=bottom - rows + 1, right=right, bottom=bottom)
        if boxes[0].meet(box).area > 0:
            break
        boxes.append(box)
        y -= rows + padding
    return Layout(height=inner + 2 * outer_padding, width=width + 2 * outer_padding, boxes=tuple(boxes))


def _left_count(sizes: list[tuple[int, int]], padding: int) -> int:
    """Give how many levels go down the left side: until the next fits beside the last, past half of the height."""
    first_rows, first_columns = sizes[0]
    total = sum(rows + padding for rows, _ in sizes) - 2 * padding
    height = previous = 0
    for count, (rows, columns) in enumerate(sizes):
        if columns <= first_columns - previous - padding and (height - first_rows) * 2 >= total - first_rows:
            return count
        height += rows + padding
        previous = columns
    return len(sizes)


def make_tiles(picture: Picture, layout: Layout, means: tuple[float, float, float]) -> Floats:
    """Give the tiles (1, 3, height, width), RGB, (value - mean) / 256, 0 between them."""
    tiles = np.zeros((layout.height, layout.width, 3), dtype=np.float32)
    level = (picture.astype(np.float32) - np.array(means[::-1], dtype=np.float32)) * np.float32(1 / _SCALE)
    for box in layout.boxes:
        rows, columns = int(box.height), int(box.width)
        level = resize(level, rows, columns)
        tiles[int(box.top) : int(box.top) + rows, int(box.left) : int(box.left) + columns] = level
    return np.ascontiguousarray(tiles[:, :, ::-1].transpose(2, 0, 1)[None])


def resize(picture: Floats, rows: int, columns: int) -> Floats:
    """Resize (height, width, 3) bilinearly so that corners stay corners."""
    height, width = picture.shape[:2]
    if (height, width) == (rows, columns):
        return picture
    down, across = (height - 1) / max(rows - 1, 1), (width - 1) / max(columns - 1, 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = np.array([[across, 0, 0], [0, down, 0]])
    resized = cv2.warpAffine(picture, matrix, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(resized, dtype=np.float32)


def to_picture(layout: Layout, box: Box) -> Box:
    """Map a box among the tiles to the picture: by the tile that holds its centre, or else the nearest."""
    x, y = box.centre
    level = min(range(len(layout.boxes)), key=lambda index: _distance(layout.boxes[index], x, y))
    origin = layout.boxes[level]
    corners = [box.left - origin.left, box.top - origin.top, box.right - origin.left, box.bottom - origin.top]
    for _ in range(level):
        corners = [one / _RATE + _POINT_SHIFT for one in corners]
    left, top, right, bottom = corners
    return Box(left=left, top=top, right=right, bottom=bottom)


def _distance(box: Box, x: float, y: float) -> float:
    return math.hypot(max(box.left - x, 0.0, x - box.right), max(box.top - y, 0.0, y - box.bottom))

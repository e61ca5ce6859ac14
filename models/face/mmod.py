"""dlib's face detector (mmod): a network over the tiled pyramid, then the best of what overlaps."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.api import Floats, Network, Picture, check_picture
from models.face.geometry import Box, Face
from models.face.tiles import Layout, make_tiles, plan_tiles, to_picture

WINDOW = 80
"""The side of the window that the network was trained on, in pixels of a tile."""
NMS_OVERLAP = 0.3382761351109955
"""Two boxes are one face where they share more than this of the box around both."""
MEANS = (122.782, 117.001, 104.298)
"""What the network's input subtracts from red, green and blue."""
PADDING, OUTER_PADDING = 10, 11
STEPS = ((5, 2, 0), (5, 2, 0), (5, 2, 0), (5, 1, 2), (5, 1, 2), (5, 1, 2), (9, 1, 4))
"""The network's convolutions: window, step, padding. They say where in the tiles an output value looks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MmodOptions:
    """How to look: `smallest` is the side in pixels of the smallest box that is searched for, at least 80.

    Larger is quicker: the picture is shrunk first, so that this becomes 80. `threshold` is the least score.
    """

    smallest: int = WINDOW
    threshold: float = 0.0


class MmodDetector:
    """Finds faces of 80 pixels and more, counted in the picture that is searched."""

    def __init__(self, network: Network, options: MmodOptions | None = None) -> None:
        self._network = network
        self._options = options if options is not None else MmodOptions()

    def detect(self, picture: Picture) -> tuple[Face, ...]:
        """Find faces, the best first; boxes may reach over the picture's edge. BadPicture for what is no picture."""
        check_picture(picture)
        small, factor = _shrunk(picture, WINDOW / max(WINDOW, self._options.smallest))
        layout = plan_tiles(small.shape[0], small.shape[1], padding=PADDING, outer_padding=OUTER_PADDING)
        tiles = make_tiles(small, layout, MEANS)
        if min(tiles.shape[2:]) < _LEAST_TILES:
            return ()
        scores = self._network.run({"tiles": tiles})["scores"]
        faces = decode(scores[0, 0], layout, self._options.threshold)
        if factor == 1.0:
            return faces
        return tuple(Face(box=face.box.scaled(factor).rounded(), score=face.score) for face in faces)


_LEAST_TILES = 40
"""Below this the three steps of 2 leave no row to look at."""


def _shrunk(picture: Picture, scale: float) -> tuple[Picture, float]:
    """Shrink a picture by the mean of areas; give it with the factor that leads back."""
    rows, columns = round(picture.shape[0] * scale), round(picture.shape[1] * scale)
    if scale >= 1 or not rows or not columns:
        return picture, 1.0
    small = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8), 1 / scale


def decode(scores: Floats, layout: Layout, threshold: float) -> tuple[Face, ...]:
    """Make faces of the network's map of scores (rows, columns), best first, one for each place."""
    rows, columns = np.nonzero(scores > threshold)
    strength = scores[rows, columns]
    kept: list[Face] = []
    for index in np.argsort(-strength, kind="stable"):
        x, y = _input_place(int(columns[index])), _input_place(int(rows[index]))
        box = to_picture(layout, Box.around(x, y, WINDOW, WINDOW)).rounded()
        if not any(_same_place(face.box, box) for face in kept):
            kept.append(Face(box=box, score=float(strength[index])))
    return tuple(kept)


def _input_place(place: int) -> float:
    for window, step, padding in reversed(STEPS):
        place = place * step - padding + window // 2
    return place


def _same_place(one: Box, other: Box) -> bool:
    shared = one.meet(other).area
    return shared > 0 and shared / one.span(other).area > NMS_OVERLAP

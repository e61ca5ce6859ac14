"""YuNet before dlib's recogniser: its faces with the boxes that dlib's detector would give them.

dlib's landmark trees were taught on the boxes of dlib's detector, so YuNet's box is mapped to dlib's convention and the
landmarks stay dlib's. Templates from YuNet's own five points lie five times farther from dlib's: its points mark other
places of a face, and lie less surely (docs/adr/0016).
"""

import math

from models.api import Picture
from models.face.detector import FaceDetector
from models.face.geometry import Box, Face

SIDE = 0.875
"""The side of dlib's square, in parts of the root of the area of YuNet's box."""
RIGHT, DOWN = -0.04, -0.015
"""Where the square's middle lies beside the box's, in the same parts."""
NEAR = 0.5
"""Boxes below this part of the smallest that is searched for are no person before a gate yet."""


def dlib_box(box: Box) -> Box:
    """Give the square that dlib's detector would give a face whose box by YuNet is this, in whole pixels.

    The medians of 573 faces: 55 portraits in six sizes, groups of people enlarged three to four times, 40 drawn people
    in three sizes; each kind's own medians lie within 0.03 of the side and 0.02 of the middle. A median of 0.82 of both
    boxes is shared; 0.81 is what dlib's own share from one size of a picture to the next, because its squares go by
    steps of 5/6 in size and a tenth in place. Standard deviations: 8% of the side in size, 5% across, 5% down.
    """
    across = math.sqrt(box.width * box.height)
    x, y = box.centre
    return Box.around(x + RIGHT * across, y + DOWN * across, SIDE * across, SIDE * across).rounded()


class BoxesAsDlib:
    """Finds faces by YuNet, and gives dlib's boxes without landmarks."""

    def __init__(self, detector: FaceDetector, *, smallest: int) -> None:
        self._detector = detector
        self._least = NEAR * smallest

    def detect(self, picture: Picture) -> tuple[Face, ...]:
        """Find faces, the best first; BadPicture for what is no picture."""
        found = (Face(box=dlib_box(one.box), score=one.score) for one in self._detector.detect(picture))
        return tuple(one for one in found if one.box.width >= self._least)

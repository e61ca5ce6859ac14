"""How a thermal camera lies beside a visible one, measured by somebody who stands before both. Pure.

Each look says where the middle between the eyes is in either picture. Several of them, in different places, make the
map: scale, turn and shift, as `alignment.visible_to_thermal` reads them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from edge.gate.eyes.alignment import Align
from edge.gate.eyes.heads import SCALES, find_head
from models.api import Floats, ModelError, Picture
from models.face.areas import search
from models.face.frame import Matrix, chain, frame_of, mapped
from models.face.geometry import Similarity, fit_similarity
from models.face.stack import FaceStack
from models.temperature.view import ThermalFace

LEAST = 6
"""Looks that a measurement takes at least."""
APART = 0.12
"""How far apart somebody must have stood, as a part of the picture's width, for scale and turn to be measured by it."""
MOST_OFF = 0.2
"""How far, in eye distances, what is measured may lie beside the map; beyond that something is wrong."""
_OUTLIER = 3.0
_ROUNDS = 3


class CannotAlign(ValueError):
    """What was seen makes no alignment; the text says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """Where the middle between somebody's eyes is: in visible and in thermal pixels; the thermal ones between the eyes.

    `scale` is how much larger the head is in the thermal picture than the map that was tried has it.
    """

    seen: tuple[float, float]
    felt: tuple[float, float]
    eyes_px: float
    scale: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Alignment:
    """What was measured. Pixels are thermal ones; `before_px` is how far the alignment in the settings lies off.

    `by_places` says that scale and turn are measured by places far apart, and not by the head's size alone.
    """

    align: Align
    looks: int
    left_out: int
    rms_px: float
    worst_px: float
    before_px: float
    eyes_px: float
    scale: float
    turn_deg: float
    by_places: bool

    @property
    def fits(self) -> bool:
        """Whether the looks agree with each other."""
        return self.rms_px <= MOST_OFF * self.eyes_px


def look(stack: FaceStack, visible: Picture, thermal: Floats, matrix: Matrix) -> Sighting | None:
    """Find one person in both pictures; `matrix` is the map that is believed until now. None: nobody, or several."""
    faces = search(stack, visible, None).faces
    if len(faces) != 1:
        return None
    try:
        frame = frame_of(stack.name, stack.landmarks(visible, faces[0]))
    except ModelError:  # landmarks that coincide
        return None
    face = ThermalFace.of(thermal, chain(frame.matrix(), matrix))
    head = find_head(face, SCALES)
    if head is None:
        return None
    seen, felt = mapped(frame.matrix(), np.zeros((1, 2)))[0], mapped(face.place, np.array([[head.x, head.y]]))[0]
    return Sighting(
        seen=(float(seen[0]), float(seen[1])),
        felt=(float(felt[0]), float(felt[1])),
        eyes_px=face.eye_distance * head.scale,
        scale=head.scale,
    )


def measure(
    found: Sequence[Sighting], believed: Matrix, visible: tuple[int, int], thermal: tuple[int, int]
) -> Alignment:
    """Make the alignment of what was found; sizes are (height, width). CannotAlign."""
    used = list(found)
    if len(used) < LEAST:
        raise CannotAlign(
            f"only {len(used)} looks had one clear face in both pictures, and {LEAST} are needed: stand before the "
            "gate, alone, without glasses, cap or mask, and look at the camera"
        )
    looks = len(used)
    by_places = _apart(used) >= APART * visible[1]
    fitted = _fit(used, believed, by_places=by_places)
    for _ in range(_ROUNDS):
        off = _off(used, fitted)
        limit = max(_OUTLIER * median(off), 0.5)
        kept = [one for one, far in zip(used, off, strict=True) if far <= limit]
        if len(kept) == len(used) or len(kept) < LEAST:
            break
        used, fitted = kept, _fit(kept, believed, by_places=by_places)
    off = _off(used, fitted)
    before = mapped(believed, np.array([one.seen for one in used])) - np.array([one.felt for one in used])
    return Alignment(
        align=align_of(fitted, visible, thermal),
        looks=looks,
        left_out=looks - len(used),
        rms_px=math.sqrt(sum(far**2 for far in off) / len(off)),
        worst_px=max(off),
        before_px=math.sqrt(float((before**2).sum(axis=1).mean())),
        eyes_px=median(one.eyes_px for one in used),
        scale=fitted.scale,
        turn_deg=math.degrees(fitted.angle),
        by_places=by_places,
    )


def align_of(fitted: Similarity, visible: tuple[int, int], thermal: tuple[int, int]) -> Align:
    """Write a map as two points in the middle of the picture's height, a quarter of its width from either side."""
    (height, width), (rows, columns) = visible, thermal
    seen = ((0.25, 0.5), (0.75, 0.5))
    felt = [fitted.point(x * width - 0.5, y * height - 0.5) for x, y in seen]
    told = [(round((x + 0.5) / columns, 4), round((y + 0.5) / rows, 4)) for x, y in felt]
    return (*seen[0], *seen[1]), (*told[0], *told[1])


def _fit(used: Sequence[Sighting], believed: Matrix, *, by_places: bool) -> Similarity:
    seen, felt = np.array([one.seen for one in used]), np.array([one.felt for one in used])
    if by_places:
        return fit_similarity(seen, felt)
    # From one place scale and turn cannot be told: the turn stays, and the scale is that of the head.
    turn = complex(believed[0, 0], believed[1, 0]) * median(one.scale for one in used)
    shift = (felt[:, 0] + 1j * felt[:, 1]) - turn * (seen[:, 0] + 1j * seen[:, 1])
    return Similarity(turn=turn, shift=complex(float(np.median(shift.real)), float(np.median(shift.imag))))


def _off(used: Sequence[Sighting], fitted: Similarity) -> list[float]:
    """Give how far each look lies beside the map, in thermal pixels."""
    return [math.dist(fitted.point(*one.seen), one.felt) for one in used]


def _apart(used: Sequence[Sighting]) -> float:
    return max(math.dist(one.seen, other.seen) for one in used for other in used)

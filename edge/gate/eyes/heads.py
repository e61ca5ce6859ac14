"""Where a living head lies in a thermal picture: for cameras whose alignment is wrong, or not known. Pure.

The outline of a head is looked for first, then the inner corners of the eyes in it, which are the warmest places of a
bare face and lie at the same spot in everybody. What is found must be judged living, so that no lamp is a head.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.api import Floats
from models.face.frame import INNER_CANTHI
from models.presence import anatomy
from models.presence.warmth import Verdict, judge, look_for_warmth
from models.temperature.view import ThermalFace

SCALES = (0.6, 0.68, 0.77, 0.87, 0.93, 1.0, 1.07, 1.15, 1.3, 1.45, 1.6)
"""How much larger a head may be than the alignment has it, where nobody has aligned the cameras yet."""
_FAR = 9.0
_STEP = 0.1
_ACROSS, _UP, _DOWN = 2.1, 2.0, 1.3
_LEAST = 0.5
_CANDIDATES = 3
_JITTER = 0.4
_FINE = 0.05
_WIDE, _HIGH = 1.3, 1.0
_LEAST_K = 0.15


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """A living head: how far beside its expected place (in eye distances there), and how much larger than expected.

    `by_eyes` says that the corners of the eyes were found, which is exact; else the outline alone, which is not.
    """

    x: float
    y: float
    scale: float
    outline: float
    by_eyes: bool


def find_head(face: ThermalFace, scales: Sequence[float] = (1.0,)) -> Head | None:
    """Find the living head that fits best, anywhere in the thermal picture; None when there is none."""
    found = sorted(
        (one for scale in scales for one in _outlines(face, scale)), key=lambda one: one.outline, reverse=True
    )
    for one in found[:_CANDIDATES]:
        there = _scaled(face, one.scale).shifted(one.x / one.scale, one.y / one.scale)
        if judge(look_for_warmth(there)) is Verdict.LIVING:
            return _by_eyes(there, one)
    return None


def _scaled(face: ThermalFace, scale: float) -> ThermalFace:
    place = face.place.copy()
    place[:, :2] *= scale
    return ThermalFace(picture=face.picture, place=place)


def _outlines(face: ThermalFace, scale: float) -> list[Head]:
    """Give the best places of one size by the outline of a head."""
    there, far = _scaled(face, scale), _FAR / scale
    patch = there.sampled(-far - _ACROSS, -far - _UP, far + _ACROSS, far + _DOWN, _STEP)
    finite = np.isfinite(patch)
    if not finite.any():
        return []
    # Where the picture ends there is nothing warm; beyond what skin has, warm is warm.
    filled = np.minimum(np.where(finite, patch, np.percentile(patch[finite], 30)), 42.0).astype(np.float32)
    warm, counted = _template()
    scores = cv2.matchTemplate(filled, warm, cv2.TM_CCOEFF_NORMED, mask=counted)
    scores = np.where(np.isfinite(scores), scores, -1.0)
    found: list[Head] = []
    for _ in range(_CANDIDATES):
        row, column = np.unravel_index(int(scores.argmax()), scores.shape)
        score = float(scores[row, column])
        if score < _LEAST:
            break
        x, y = (column * _STEP - far) * scale, (row * _STEP - far) * scale
        found.append(Head(x=float(x), y=float(y), scale=scale, outline=score, by_eyes=False))
        near = round(1 / _STEP)
        scores[max(0, row - near) : row + near + 1, max(0, column - near) : column + near + 1] = -1.0
    return found


def _template() -> tuple[Floats, Floats]:
    """Give warm (1) and cool (0) of a head around its eyes, and what counts of it: not the rim between them."""
    across, down = anatomy.grid()
    face, head = anatomy.oval(0.95, 1.35, 0.5), anatomy.oval(1.5, 2.1, 0.25)
    outside = ~head & (down < 0.9)  # noqa: PLR2004 - shoulders and neck lie below
    rows = (down[:, 0] > -_UP - _STEP / 2) & (down[:, 0] < _DOWN + _STEP / 2)
    columns = (np.abs(across[0]) < _ACROSS + _STEP / 2).nonzero()[0]
    part = np.ix_(rows, columns)
    return face[part].astype(np.float32), (face | outside)[part].astype(np.float32)


def _by_eyes(there: ThermalFace, head: Head) -> Head:
    """Move a head to where the corners of its eyes are the warmest; as it is where they are not seen."""
    eyes = there.sampled(-_WIDE, -_HIGH, _WIDE, _HIGH, _FINE)
    soft = np.asarray(cv2.blur(eyes, (3, 3)), dtype=np.float32)
    steps = np.arange(-round(_JITTER / _FINE), round(_JITTER / _FINE) + 1) * _FINE
    scores = np.array([[_corners(soft, x, y) for x in steps] for y in steps])
    if not np.isfinite(scores).all():
        return head
    row, column = np.unravel_index(int(scores.argmax()), scores.shape)
    inside = 0 < row < len(steps) - 1 and 0 < column < len(steps) - 1
    if not inside or scores[row, column] < _LEAST_K:
        return head
    x = steps[column] + _FINE * _top(scores[row, column - 1 : column + 2])
    y = steps[row] + _FINE * _top(scores[row - 1 : row + 2, column])
    return Head(
        x=head.x + float(x) * head.scale,
        y=head.y + float(y) * head.scale,
        scale=head.scale,
        outline=head.outline,
        by_eyes=True,
    )


def _corners(soft: Floats, x: float, y: float) -> float:
    """Give how much both inner corners of the eyes stand out of what is around them, the lesser of both, in K."""
    found = []
    for corner_x, corner_y in INNER_CANTHI:
        side = 1 if corner_x > 0 else -1
        around = (side * 0.68, 0.03), (side * 0.3, -0.32), (side * 0.38, 0.45), (0.0, 0.05)
        top = _value(soft, x + corner_x, y + corner_y)
        found.append(top - sum(_value(soft, x + u, y + v) for u, v in around) / len(around))
    return min(found)


def _value(soft: Floats, x: float, y: float) -> float:
    return float(soft[round((y + _HIGH) / _FINE), round((x + _WIDE) / _FINE)])


def _top(three: Floats) -> float:
    """Give where between three values the top of their parabola is, in steps beside the middle one."""
    bend = float(three[0] - 2 * three[1] + three[2])
    return 0.0 if bend >= 0 else max(-0.5, min(0.5, 0.5 * float(three[0] - three[2]) / bend))

"""The self-test of a stack: known answers, one drawn person twice, and a drawn stranger who must not match."""

import itertools

import numpy as np

from models.api import Floats, ModelError, Picture
from models.face.geometry import Box
from models.face.rendered import PERSON, STRANGER, draw_face
from models.face.search import compare
from models.face.stack import FaceStack
from models.manifest import Stack

_TOLERANCE = 1e-4
_MARGIN = 1.5
"""How many times farther the stranger must be than the person is from herself, in distance of vectors."""

KNOWN: dict[Stack, tuple[float, ...]] = {
    Stack.DLIB: (
        -0.089092,
        0.140511,
        0.095884,
        -0.02892,
        -0.087817,
        -0.027758,
        -0.112712,
        0.006097,
        0.10358,
        -0.001626,
        0.220399,
        -0.034276,
        -0.239202,
        0.0366,
        -0.040532,
        0.096354,
    ),
}
"""What the model's own project computes for `pattern`, the first values: here dlib 20.0.1."""


def pattern(side: int) -> Picture:
    """Give a chip of whole-number arithmetic, the same everywhere."""
    row, column, channel = np.mgrid[0:side, 0:side, 0:3]
    chip: Picture = ((7 * row + 13 * column + 29 * channel + row * column // 11) % 256).astype(np.uint8)
    return chip


def self_test(stack: FaceStack, threshold: float | None = None) -> tuple[str, ...]:
    """Give what is wrong, in words; empty when the stack may decide at `threshold` (its authors' when None)."""
    limit = stack.threshold if threshold is None else threshold
    try:
        return tuple(_problems(stack, limit))
    except ModelError as error:
        return (f"it cannot run: {error}",)


def _problems(stack: FaceStack, threshold: float) -> list[str]:
    problems: list[str] = []
    if stack.detect(np.full((240, 320, 3), 128, dtype=np.uint8)):
        problems.append("it finds a face in a plain grey picture")
    known = KNOWN.get(stack.name)
    if known is not None:
        found = stack.describe(pattern(150))[: len(known)]
        difference = float(np.abs(found - np.array(known)).max())
        if not difference <= _TOLERANCE:
            problems.append(f"its values differ by {difference:.2g} from those that are known")
    person, again = _template(stack, draw_face(PERSON)), _template(stack, draw_face(PERSON, x=152, light=0.85))
    stranger = _template(stack, draw_face(STRANGER))
    templates = {"the drawn person": person, "the person in other light": again, "the drawn stranger": stranger}
    missed = [name for name, template in templates.items() if template is None]
    problems += [f"it does not find {name}, alone and where it was drawn" for name in missed]
    if person is None or again is None or stranger is None:
        return problems
    if not stack.metric.accepts(compare(stack.metric, person, again), threshold):
        problems.append("it does not know the drawn person again")
    if any(stack.metric.accepts(compare(stack.metric, one, stranger), threshold) for one in (person, again)):
        problems.append("it takes a drawn stranger for the drawn person")
    apart = [float(np.linalg.norm(a - b)) for a, b in itertools.combinations((person, again, stranger), 2)]
    if not min(apart[1:]) >= _MARGIN * apart[0]:
        problems.append("it does not tell drawn people apart")
    return problems


def _template(stack: FaceStack, picture: Picture) -> Floats | None:
    """Describe the only face of a drawing; None when it is not the one that was drawn."""
    faces = stack.detect(picture)
    if len(faces) != 1 or faces[0].box.meet(_DRAWN).area < 0.5 * _DRAWN.area:
        return None
    return stack.describe(stack.chip(picture, stack.landmarks(picture, faces[0])))


_DRAWN = Box(left=110, top=110, right=210, bottom=215)
"""The middle of every face that is drawn here."""

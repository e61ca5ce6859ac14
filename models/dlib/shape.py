"""dlib's serialised shape predictor as arrays. Source: dlib/image_processing/shape_predictor.h.

An ensemble of regression trees: each cascade reads the picture at points that are tied to the present guess of the
landmarks, lets all its trees vote, and moves the guess by the sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.api import Floats
from models.dlib.serial import Cursor

Indices = npt.NDArray[np.int32]

_MAX_CASCADES, _MAX_TREES, _MAX_LEAVES, _MAX_PIXELS, _MAX_VALUES = 100, 5000, 1024, 5000, 200


@dataclass(frozen=True, kw_only=True, slots=True)
class ShapePredictor:
    """The arrays of a predictor with C cascades of T trees with L leaves, P points to read, N landmarks.

    `initial` (2N,), x and y alternating in a box of 1 x 1; `first` and `second` (C, T, L-1), which two points a node
    compares; `threshold` (C, T, L-1); `leaves` (C, T, L, 2N); `anchor` (C, P), the landmark a point is tied to;
    `delta` (C, P, 2), where it lies from there.
    """

    initial: Floats
    first: Indices
    second: Indices
    threshold: Floats
    leaves: Floats
    anchor: Indices
    delta: Floats


def parse_shape_predictor(data: bytes) -> ShapePredictor:
    """Read a whole file; DlibFormatError on damage, and on trees that differ in size."""
    cursor = Cursor(data)
    cursor.expect((1,), "the predictor's version")
    initial = cursor.column()
    if not 2 <= len(initial) <= _MAX_VALUES or len(initial) % 2:  # noqa: PLR2004 - x and y
        raise cursor.fail(f"a shape of {len(initial)} values")
    forests = [_forest(cursor, len(initial)) for _ in range(_count(cursor, _MAX_CASCADES, "cascades"))]
    anchors = [_anchors(cursor, len(initial) // 2) for _ in range(_same(cursor, len(forests), "cascades"))]
    deltas = [_deltas(cursor, len(anchors[0])) for _ in range(_same(cursor, len(forests), "cascades"))]
    cursor.end()
    trees, leaves = len(forests[0]), len(forests[0][0][1])
    if any(len(forest) != trees for forest in forests) or any(len(row) != len(anchors[0]) for row in anchors):
        raise cursor.fail("cascades that differ in size")
    if any(len(tree[1]) != leaves for forest in forests for tree in forest):
        raise cursor.fail("trees that differ in size")
    splits = np.array([[tree[0] for tree in forest] for forest in forests], dtype=np.float64)
    first, second = splits[..., 0].astype(np.int32), splits[..., 1].astype(np.int32)
    if min(first.min(), second.min()) < 0 or max(first.max(), second.max()) >= len(anchors[0]):
        raise cursor.fail("a node that compares points which do not exist")
    return ShapePredictor(
        initial=np.array(initial, dtype=np.float32),
        first=first,
        second=second,
        threshold=splits[..., 2].astype(np.float32),
        leaves=np.array([[tree[1] for tree in forest] for forest in forests], dtype=np.float32),
        anchor=np.array(anchors, dtype=np.int32),
        delta=np.array(deltas, dtype=np.float32),
    )


_Tree = tuple[list[tuple[int, int, float]], list[list[float]]]


def _forest(cursor: Cursor, values: int) -> list[_Tree]:
    return [_tree(cursor, values) for _ in range(_count(cursor, _MAX_TREES, "trees"))]


def _tree(cursor: Cursor, values: int) -> _Tree:
    nodes = _count(cursor, _MAX_LEAVES, "nodes")
    splits = [(cursor.integer(), cursor.integer(), _number(cursor)) for _ in range(nodes)]
    if any(not 0 <= index < _MAX_PIXELS for split in splits for index in split[:2]):
        raise cursor.fail("a node that compares points which do not exist")
    leaves = [cursor.column() for _ in range(_same(cursor, nodes + 1, "leaves"))]
    if (nodes + 1) & nodes or any(len(leaf) != values for leaf in leaves):
        raise cursor.fail("a tree that is not complete")
    return splits, leaves


def _anchors(cursor: Cursor, landmarks: int) -> list[int]:
    row = cursor.integers(_count(cursor, _MAX_PIXELS, "points"))
    if any(not 0 <= landmark < landmarks for landmark in row):
        raise cursor.fail("a point that is tied to no landmark")
    return row


def _deltas(cursor: Cursor, points: int) -> list[Sequence[float]]:
    return [cursor.reals(2) for _ in range(_same(cursor, points, "points"))]


def _number(cursor: Cursor) -> float:
    value = cursor.real()
    if abs(value) > np.finfo(np.float32).max:
        raise cursor.fail("a number that is no single-precision float")
    return value


def _count(cursor: Cursor, most: int, what: str) -> int:
    count = cursor.count(2)
    if not 1 <= count <= most:
        raise cursor.fail(f"{count} {what}")
    return count


def _same(cursor: Cursor, expected: int, what: str) -> int:
    count = cursor.integer()
    if count != expected:
        raise cursor.fail(f"{count} {what} where {expected} should be")
    return count

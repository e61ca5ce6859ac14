"""Exact search of templates: a matrix product over the whole gallery, then the best few. Pure.

No index approximates: at 100,000 templates the product takes some milliseconds, and nobody is missed.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

import numpy as np

from models.api import Floats

Key = TypeVar("Key", bound=Hashable)

MOST_TEMPLATES = 100_000


class Metric(Enum):
    """How templates of a model are compared; `Match.score` says it in the metric's own terms."""

    DISTANCE = "distance"
    """Euclidean distance: smaller is more alike."""
    COSINE = "cosine"
    """Cosine of vectors of length 1: larger is more alike."""

    def accepts(self, score: float, threshold: float) -> bool:
        """Tell whether a score is a match at a threshold; what is no number is none."""
        return score >= threshold if self is Metric.COSINE else score <= threshold


@dataclass(frozen=True, kw_only=True, slots=True)
class Match(Generic[Key]):
    """One candidate: whose template, and how alike."""

    key: Key
    score: float


class Gallery(Generic[Key]):
    """Templates in memory by key; one key may have several. Not for several threads that change it.

    Room grows by half, so that a hundred thousand enrolments copy little; removal fills the gap with the last one.
    """

    def __init__(self, *, size: int, metric: Metric, most: int = MOST_TEMPLATES) -> None:
        if size < 1:
            raise ValueError(f"templates of {size} values")
        self._metric = metric
        self._most = most
        self._vectors: Floats = np.empty((0, size), dtype=np.float32)
        self._squares: Floats = np.empty(0, dtype=np.float32)
        self._keys: list[Key] = []

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, key: Key, template: Floats) -> None:
        """Take one template; ValueError when it does not fit, is not finite, or the gallery is full."""
        self.add_all([(key, template)])

    def add_all(self, templates: Iterable[tuple[Key, Floats]]) -> None:
        """Take many templates; ValueError as with one, and then none is taken."""
        pairs = [(key, self._checked(template)) for key, template in templates]
        before, count = len(self), len(self) + len(pairs)
        if count > self._most:
            raise ValueError(f"{count} templates, and {self._most} fit")
        if count > len(self._vectors):
            room = min(self._most, max(count, len(self._vectors) * 3 // 2, 16))
            vectors = np.empty((room, self._vectors.shape[1]), dtype=np.float32)
            vectors[:before] = self._vectors[:before]
            squares = np.empty(room, dtype=np.float32)
            squares[:before] = self._squares[:before]
            # No copy of a template outlives its removal.
            self._vectors[:] = 0
            self._vectors, self._squares = vectors, squares
        for row, (key, vector) in enumerate(pairs, start=before):
            self._vectors[row] = vector
            self._squares[row] = np.dot(vector, vector)
            self._keys.append(key)

    def remove(self, key: Key) -> int:
        """Forget all templates of a key, overwriting them; give how many there were."""
        rows = [row for row, one in enumerate(self._keys) if one == key]
        for row in reversed(rows):
            last = len(self._keys) - 1
            self._vectors[row], self._squares[row] = self._vectors[last], self._squares[last]
            self._keys[row] = self._keys[last]
            self._keys.pop()
            self._vectors[last], self._squares[last] = 0, 0
        return len(rows)

    def search(self, template: Floats, top: int = 1) -> tuple[Match[Key], ...]:
        """Give the `top` most alike templates, the best first; ValueError when the template does not fit."""
        vector = self._checked(template)
        count = min(top, len(self))
        if count < 1:
            return ()
        nearness = self._nearness(vector)
        best = np.argpartition(-nearness, count - 1)[:count] if count < len(self) else np.arange(count)
        exact = [(self._score(int(row), vector), int(row)) for row in best]
        exact.sort(key=lambda pair: (-pair[0], pair[1]) if self._metric is Metric.COSINE else pair)
        return tuple(Match(key=self._keys[row], score=score) for score, row in exact)

    def _nearness(self, vector: Floats) -> Floats:
        """Order all templates: larger is more alike."""
        products: Floats = self._vectors[: len(self)] @ vector
        if self._metric is Metric.COSINE:
            return products
        nearness: Floats = products * np.float32(2) - self._squares[: len(self)]
        return nearness

    def _score(self, row: int, vector: Floats) -> float:
        """Compute one score afresh: the order's short cut loses digits where two templates are nearly equal."""
        return compare(self._metric, self._vectors[row], vector)

    def _checked(self, template: Floats) -> Floats:
        vector = np.asarray(template, dtype=np.float32)
        if vector.shape != self._vectors.shape[1:]:
            raise ValueError(f"a template of {vector.shape} where {self._vectors.shape[1:]} are held")
        if not np.isfinite(vector).all():
            raise ValueError("a template with values that are no numbers")
        return vector


def compare(metric: Metric, one: Floats, other: Floats) -> float:
    """Give the score of two templates, 1:1, in the metric's own terms."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    return float(a @ b) if metric is Metric.COSINE else float(np.linalg.norm(a - b))

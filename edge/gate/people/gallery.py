"""Faces in memory, by model, and what a search of them means. Changes come from the database alone."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edge.gate.api import Reason
from edge.gate.people.api import MOST_FACES, Identification
from edge.gate.people.face_store import FaceRecord
from models.api import Floats
from models.face.search import MOST_TEMPLATES, Gallery, Metric, compare

_TOP = 2 * MOST_FACES + 2
"""So many templates hold the best of two people, as each has few."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """Somebody whom a face may be: the score of the best of their templates."""

    person: str
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Face:
    person: str
    expires_ms: int


@dataclass(kw_only=True, slots=True)
class _Held:
    metric: Metric
    size: int
    gallery: Gallery[str]
    faces: dict[str, _Face] = field(default_factory=dict)


class Faces:
    """All templates that are in force. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._models: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def take(self, faces: Iterable[FaceRecord]) -> int:
        """Take faces, those of one model at once; give how many do not fit their model's others."""
        by_model: dict[str, list[FaceRecord]] = {}
        for one in faces:
            by_model.setdefault(one.model, []).append(one)
        refused = 0
        with self._lock:
            for model, records in by_model.items():
                first = records[0]
                held = self._models.get(model) or self._models.setdefault(
                    model, _held(first.metric, first.template.size)
                )
                fit = [
                    one
                    for one in records
                    if one.id not in held.faces
                    and one.template.shape == (held.size,)
                    and np.isfinite(one.template).all()
                ]
                refused += sum(one.id not in held.faces for one in records) - len(fit)
                room = MOST_TEMPLATES - len(held.gallery)
                refused += max(0, len(fit) - room)
                held.gallery.add_all((one.id, one.template) for one in fit[:room])
                held.faces.update({one.id: _Face(person=one.person, expires_ms=one.expires_ms) for one in fit[:room]})
        return refused

    def drop(self, ids: Iterable[str]) -> int:
        """Forget faces, overwriting them; give how many there were."""
        gone = set(ids)
        count = 0
        with self._lock:
            for held in self._models.values():
                for face in gone & held.faces.keys():
                    held.gallery.remove(face)
                    del held.faces[face]
                    count += 1
            self._models = {model: held for model, held in self._models.items() if held.faces}
        return count

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for held in self._models.values():
                for face in list(held.faces):
                    held.gallery.remove(face)
            self._models.clear()

    def search(self, model: str, template: Floats, *, now_ms: int) -> tuple[Candidate, ...]:
        """Give the people who are most alike, at least two where there are two, the best first; ValueError."""
        with self._lock:
            held = self._models.get(model)
            if held is None:
                return ()
            best: dict[str, float] = {}
            for match in held.gallery.search(template, _TOP):
                face = held.faces[match.key]
                if now_ms < face.expires_ms:
                    best.setdefault(face.person, match.score)
        return tuple(Candidate(person=person, score=score) for person, score in best.items())

    def people(self, model: str | None = None) -> int:
        """Count the people with a face, by one model or by any."""
        with self._lock:
            chosen = [held for name, held in self._models.items() if model is None or name == model]
            return len({face.person for held in chosen for face in held.faces.values()})

    def by_model(self) -> Mapping[str, int]:
        """Count templates by model."""
        with self._lock:
            return {model: len(held.faces) for model, held in self._models.items()}

    def metric(self, model: str) -> Metric | None:
        """Say how templates of a model are compared; None when none is held."""
        with self._lock:
            held = self._models.get(model)
            return None if held is None else held.metric


def recognise(candidates: tuple[Candidate, ...], metric: Metric, threshold: float) -> Identification:
    """Decide who it is, by the candidates of a search, the best first. Pure.

    Where a second person is accepted too, the face alone does not say which of the two it is.
    """
    best = candidates[0] if candidates else None
    second = candidates[1].score if len(candidates) > 1 else None
    if best is None or not metric.accepts(best.score, threshold):
        score = None if best is None else best.score
        return Identification(person=None, score=score, second=second, reason=Reason.UNKNOWN_FACE)
    if second is not None and metric.accepts(second, threshold):
        return Identification(person=None, score=best.score, second=second, reason=Reason.SECOND_WAY_NEEDED)
    return Identification(person=best.person, score=best.score, second=second)


def best_score(metric: Metric, faces: Iterable[FaceRecord], template: Floats) -> float | None:
    """Compare with each of some templates, 1:1: the best score, or None without any."""
    scores = [compare(metric, one.template, template) for one in faces]
    if not scores:
        return None
    return max(scores) if metric is Metric.COSINE else min(scores)


def _held(metric: Metric, size: int) -> _Held:
    return _Held(metric=metric, size=size, gallery=Gallery(size=size, metric=metric))

"""From templates to what is kept of them. Pure but for the ids, which are drawn by the caller's source."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge.gate.people.api import MOST_FACES
from edge.gate.people.face_store import FaceRecord
from edge.gate.people.keys import RandomBytes
from models.api import Floats
from models.face.search import Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A template and what made it; `model` is `models.store.identity` of its stack."""

    model: str
    metric: Metric
    values: Floats = field(repr=False)


def records_of(
    person: str,
    templates: Sequence[Template],
    *,
    consent_id: str,
    expires_ms: int,
    now_ms: int,
    origin: str,
    random_bytes: RandomBytes,
) -> list[FaceRecord]:
    """Give each template an id of its own."""
    return [
        FaceRecord(
            id=random_bytes(16).hex(), person=person, model=one.model, metric=one.metric, template=one.values,
            enrolled_ms=now_ms, expires_ms=expires_ms, origin=origin, consent=consent_id,
        )
        for one in templates
    ]  # fmt: skip


def make_room(held: Iterable[FaceRecord], new: Sequence[FaceRecord]) -> list[str]:
    """Give the ids of the oldest that have to go, so that nobody has more than a few by one model."""
    gone: list[str] = []
    for model in {one.model for one in new}:
        coming = sum(one.model == model for one in new)
        there = [one.id for one in held if one.model == model]
        if (over := len(there) + coming - MOST_FACES) > 0:
            gone += there[:over]
    return gone

"""Two detectors before one recogniser: whether boxes, landmarks and templates agree, and whom masks hide from which."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.api import ModelError
from models.face.frame import frame_of
from models.face.geometry import Box
from models.face.search import Metric
from models.face.stack import FaceStack
from runtime.bench import Bench, CannotRun, Result
from tests.benchmarks.faces_parts.roc import cross_pairs
from tests.benchmarks.faces_parts.seen import Seen, tell_rates
from tests.support.drawn_masks import COLOURS, wear

_SAME = 0.3
"""Boxes that share more are one face's."""


def compare(bench: Bench, first: Sequence[Seen | None], second: Sequence[Seen | None]) -> None:
    """Compare what two detectors led to on the same pictures, and mix their galleries."""
    both = [(one, other) for one, other in zip(first, second, strict=True) if one is not None and other is not None]
    if not both:
        raise CannotRun("no picture has a face that both detectors find")
    parts = [shared_part(one.box, other.box) for one, other in both]
    bench.add(Result(name="boxes_share_median", value=float(np.median(parts)), unit="of both"))
    bench.add(Result(name="boxes_share_p5", value=float(np.percentile(parts, 5)), unit="of both"))
    eyes = [float(np.hypot(*(one.points[0] - one.points[2]))) for one, _ in both]
    off = [float(np.abs(one.points - other.points).mean()) / eye for (one, other), eye in zip(both, eyes, strict=True)]
    bench.add(Result(name="landmarks_apart_median", value=100 * float(np.median(off)), unit="% of the eyes' distance"))
    apart = [float(np.linalg.norm(one.template - other.template)) for one, other in both]
    for name, value in (("median", np.median(apart)), ("p95", np.percentile(apart, 95)), ("most", max(apart))):
        bench.add(Result(name=f"templates_of_a_picture_apart_{name}", value=float(value), unit="distance"))
    people = np.unique([one.person for one, _ in both], return_inverse=True)[1].astype(np.int64)
    enrolled, verified = np.stack([one.template for one, _ in both]), np.stack([other.template for _, other in both])
    tell_rates(bench, cross_pairs(enrolled, verified, people), Metric.DISTANCE, prefix="mixed_")


def count_masked(bench: Bench, stacks: Mapping[str, FaceStack], seen: Mapping[str, Sequence[Seen | None]]) -> None:
    """Draw every kind of mask over each face that all detectors find bare, and count who is still found."""
    found = dict.fromkeys(stacks, 0)
    drawn = 0
    for number, looks in enumerate(zip(*seen.values(), strict=True)):
        bare = next((one for one in looks if one is not None), None)
        if bare is None or None in looks:
            continue
        try:
            frame = frame_of(next(iter(stacks.values())).name, bare.points)
        except ModelError:
            continue
        for kind in COLOURS:
            masked = wear(bare.picture, frame, kind, seed=number)
            drawn += 1
            for (name, stack), look in zip(stacks.items(), looks, strict=True):
                assert look is not None  # all of them have seen this face bare
                found[name] += any(shared_part(face.box, look.box) > _SAME for face in stack.detect(masked))
    bench.add(Result(name="drawn_masks", value=drawn, unit="pictures"))
    for name, count in found.items():
        bench.add(Result(name=f"{name}_finds_masked", value=100 * count / max(drawn, 1), unit="%"))


def shared_part(one: Box, other: Box) -> float:
    """Give the part of two boxes that both cover."""
    both = one.meet(other).area
    return both / (one.area + other.area - both)

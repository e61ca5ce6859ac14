"""What the benchmark of faces says about pairs of people is right where it can be counted by hand."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tests.benchmarks.faces_parts.plot import draw_roc
from tests.benchmarks.faces_parts.roc import Pairs, cross_pairs, curve, make_pairs, rate_at


def counted(genuine: list[float], strangers: list[float]) -> Pairs:
    """Give pairs of two people with these likenesses."""
    return Pairs(
        alike=np.array(genuine + strangers),
        one=np.array([k % 2 for k in range(len(genuine))] + [0] * len(strangers)),
        other=np.array([k % 2 for k in range(len(genuine))] + [1] * len(strangers)),
    )


@pytest.mark.parametrize(
    ("far", "rate", "threshold"),
    [(0.0, 0.5, 0.8), (0.25, 0.75, 0.5), (0.5, 0.75, 0.3), (0.75, 1.0, 0.1), (1.0, 1.0, 0.1)],
)
def test_the_rate_is_that_of_the_strictest_threshold_that_is_lax_enough(
    far: float, rate: float, threshold: float
) -> None:
    pairs = counted([0.95, 0.9, 0.7, 0.2], [0.8, 0.5, 0.3, 0.1])
    found = rate_at(pairs, far, rounds=20, generator=np.random.default_rng(1))
    assert (found.rate, found.threshold) == (rate, threshold)
    assert 0 <= found.low <= found.high <= 1


def test_people_who_are_told_apart_are_accepted_always() -> None:
    templates = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)
    people = np.repeat(np.arange(4), 3)
    for cosine in (True, False):
        pairs = make_pairs(templates, people, cosine=cosine)
        found = rate_at(pairs, 0.01, rounds=50, generator=np.random.default_rng(1))
        assert (found.rate, found.low, found.high) == (1.0, 1.0, 1.0)
        assert curve(pairs)[-1] == (1.0, 1.0)


def test_distances_are_those_between_the_templates() -> None:
    templates = np.random.default_rng(2).normal(size=(5, 8)).astype(np.float32)
    pairs = make_pairs(templates, np.arange(5), cosine=False)
    expected = [-np.linalg.norm(templates[i] - templates[j]) for i in range(5) for j in range(i + 1, 5)]
    assert pairs.alike == pytest.approx(np.array(expected), abs=1e-5)


def test_the_plot_is_a_picture_that_can_be_read() -> None:
    root = ET.fromstring(draw_roc([(1e-3, 0.5), (1.0, 1.0)], [(1e-2, 0.8, 0.7, 0.9)], "people <& faces>"))  # noqa: S314 - our own text
    assert root.tag.endswith("svg")
    assert any("people <& faces>" in (one.text or "") for one in root.iter())


def test_pictures_enrolled_one_way_are_compared_with_each_other_picture_seen_the_other_way() -> None:
    enrolled = np.array([[0, 0], [1, 0], [5, 0]], dtype=np.float32)
    verified = np.array([[0, 1], [1, 0], [5, 2]], dtype=np.float32)
    pairs = cross_pairs(enrolled, verified, np.array([0, 0, 1]))
    assert (pairs.one.tolist(), pairs.other.tolist()) == ([0, 0, 0, 0, 1, 1], [0, 1, 0, 1, 0, 0])
    assert -pairs.alike == pytest.approx([1, np.hypot(5, 2), np.hypot(1, 1), np.hypot(4, 2), np.hypot(5, 1), 4])
    assert pairs.genuine.tolist() == [True, False, True, False, False, False]

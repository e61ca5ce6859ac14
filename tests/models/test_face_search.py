"""Search of templates is exact, whatever was added and removed before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.api import Floats
from models.face.search import Gallery, Match, Metric, compare


def vectors(count: int, seed: int = 1, size: int = 8) -> Floats:
    drawn = np.random.default_rng(seed).normal(size=(count, size))
    unit: Floats = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


def slow(held: list[tuple[int, Floats]], template: Floats, metric: Metric, top: int) -> list[Match[int]]:
    scored = [Match(key=key, score=compare(metric, vector, template)) for key, vector in held]
    return sorted(scored, key=lambda match: match.score, reverse=metric is Metric.COSINE)[:top]


@pytest.mark.parametrize("metric", Metric)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60),
    top=st.integers(0, 7),
    seed=st.integers(0, 99),
)
def test_search_finds_what_comparing_with_each_finds(
    metric: Metric, steps: list[tuple[bool, int]], top: int, seed: int
) -> None:
    gallery: Gallery[int] = Gallery(size=8, metric=metric)
    held: list[tuple[int, Floats]] = []
    for (adds, key), vector in zip(steps, vectors(len(steps), seed), strict=True):
        if adds:
            gallery.add(key, vector)
            held.append((key, vector))
        else:
            assert gallery.remove(key) == sum(one == key for one, _ in held)
            held = [pair for pair in held if pair[0] != key]
    (probe,) = vectors(1, seed + 1000)
    found = gallery.search(probe, top)
    expected = slow(held, probe, metric, top)
    assert len(gallery) == len(held)
    assert [match.score for match in found] == pytest.approx([match.score for match in expected], abs=1e-5)
    assert [match.key for match in found] == [match.key for match in expected]


def test_a_template_finds_itself_among_many() -> None:
    everyone = vectors(20_000, size=128)
    gallery: Gallery[int] = Gallery(size=128, metric=Metric.DISTANCE)
    gallery.add_all(enumerate(everyone))
    for key in (0, 777, 19_999):
        (match,) = gallery.search(everyone[key])
        assert match == Match(key=key, score=0.0)


def test_an_empty_gallery_knows_nobody() -> None:
    assert Gallery[str](size=8, metric=Metric.COSINE).search(vectors(1)[0], 5) == ()


def test_what_is_removed_leaves_no_trace() -> None:
    gallery: Gallery[str] = Gallery(size=8, metric=Metric.COSINE)
    for name, vector in zip("abc", vectors(3), strict=True):
        gallery.add(name, vector)
    assert gallery.remove("a") == 1
    assert "a" not in gallery
    assert not (gallery._vectors == vectors(3)[0]).all(axis=1).any()


def test_a_full_gallery_takes_nobody_and_keeps_what_it_has() -> None:
    gallery: Gallery[int] = Gallery(size=8, metric=Metric.COSINE, most=3)
    gallery.add_all(enumerate(vectors(2)))
    with pytest.raises(ValueError, match="4 templates, and 3 fit"):
        gallery.add_all(enumerate(vectors(2)))
    assert len(gallery) == 2


@pytest.mark.parametrize(
    "bad", [np.zeros(7, np.float32), np.full(8, np.nan, np.float32), np.full(8, np.inf, np.float32)]
)
def test_what_is_no_template_is_refused(bad: Floats) -> None:
    gallery: Gallery[int] = Gallery(size=8, metric=Metric.COSINE)
    with pytest.raises(ValueError, match="a template"):
        gallery.add(1, bad)
    with pytest.raises(ValueError, match="a template"):
        gallery.search(bad)


@pytest.mark.parametrize(
    ("metric", "score", "accepted"),
    [
        (Metric.DISTANCE, 0.59, True),
        (Metric.DISTANCE, 0.61, False),
        (Metric.DISTANCE, float("nan"), False),
        (Metric.COSINE, 0.61, True),
        (Metric.COSINE, 0.59, False),
        (Metric.COSINE, float("nan"), False),
    ],
)
def test_a_score_is_accepted_on_the_right_side(metric: Metric, score: float, *, accepted: bool) -> None:
    assert metric.accepts(score, 0.6) is accepted

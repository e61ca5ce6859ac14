"""A calibration keeps its promise: strangers who were never seen pass at most as often as asked, or there is none."""

import numpy as np
import pytest

from models.api import Floats
from models.face.calibrate import (
    Aim,
    Calibrated,
    Scores,
    binomial_lower,
    binomial_upper,
    calibrate,
    grown,
    measure,
)
from models.face.search import Metric

SIZE = 24
AUTHORS = {Metric.COSINE: 0.3, Metric.DISTANCE: 1.2}


def people_of(count: int, generator: np.random.Generator) -> Floats:
    drawn = generator.normal(size=(count, SIZE))
    unit: Floats = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


def noisy(faces: Floats, generator: np.random.Generator, noise: float) -> Floats:
    other = faces + noise * generator.normal(size=faces.shape)
    unit: Floats = (other / np.linalg.norm(other, axis=1, keepdims=True)).astype(np.float32)
    return unit


def calibrated(
    count: int, metric: Metric, *, seed: int, aim: Aim, noise: float = 0.01
) -> tuple[Calibrated, Scores, Floats]:
    generator = np.random.default_rng(seed)
    known = people_of(count, generator)
    templates = np.concatenate([known, noisy(known, generator, noise)])
    scores = measure(templates, np.tile(np.arange(count), 2), metric, generator=generator)
    found = calibrate(scores, metric, aim, people=count, authors=AUTHORS[metric], generator=generator)
    return found, scores, templates


def passed(templates: Floats, metric: Metric, threshold: float, count: int = 20_000) -> float:
    strangers = people_of(count, np.random.default_rng(999))
    best = np.concatenate([(strangers[k : k + 2000] @ templates.T).max(axis=1) for k in range(0, count, 2000)])
    if metric is Metric.DISTANCE:
        return float((np.sqrt(np.maximum(0, 2 - 2 * best)) <= threshold).mean())
    return float((best >= threshold).mean())


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize(("count", "rate"), [(60, 0.01), (400, 0.01), (400, 0.001), (2000, 0.001), (4000, 0.02)])
def test_strangers_pass_no_more_often_than_asked(metric: Metric, count: int, rate: float) -> None:
    seen = []
    for seed in range(2):
        found, _, templates = calibrated(count, metric, seed=seed, aim=Aim(fpir=rate))
        if found.threshold is not None:
            seen.append(passed(templates, metric, found.threshold))
    assert seen, "no calibration at all proves nothing"
    assert max(seen) <= rate
    if count * rate >= 40:
        assert found.method == "counted"
        assert min(seen) >= rate / 10, "nor is it so strict that nobody is known"


def test_what_is_expected_is_what_happens() -> None:
    found, _, templates = calibrated(4000, Metric.COSINE, seed=4, aim=Aim(fpir=0.02))
    assert found.threshold is not None
    assert found.fpir is not None
    assert found.fnir is not None
    happened = passed(templates, Metric.COSINE, found.threshold)
    assert found.fpir.low <= happened <= found.fpir.high
    assert found.fpir.expected <= 0.02
    assert found.fnir.expected == 0.0


def test_people_who_are_not_known_again_are_counted() -> None:
    found, _, _ = calibrated(400, Metric.COSINE, seed=1, aim=Aim(fpir=0.01, most_missed=0.99), noise=0.16)
    assert found.threshold is not None
    assert found.fnir is not None
    assert 0.02 < found.fnir.expected < 0.99
    assert found.fnir.low <= found.fnir.expected <= found.fnir.high


def test_where_too_many_would_be_missed_there_is_no_threshold() -> None:
    found, _, _ = calibrated(400, Metric.COSINE, seed=1, aim=Aim(fpir=0.001), noise=0.25)
    assert found.threshold is None
    assert "not known again" in found.why
    assert found.verify >= AUTHORS[Metric.COSINE]


@pytest.mark.parametrize(("count", "rate", "why"), [(30, 0.01, "50 are needed"), (60, 1e-5, "4000 are needed")])
def test_a_few_people_say_nothing_about_a_rare_event(count: int, rate: float, why: str) -> None:
    found, _, _ = calibrated(count, Metric.COSINE, seed=1, aim=Aim(fpir=rate))
    assert found.threshold is None
    assert why in found.why


def test_nobody_is_a_stranger_where_nobody_is_enrolled() -> None:
    generator = np.random.default_rng(1)
    empty = np.zeros((0, SIZE), np.float32)
    scores = measure(empty, np.zeros(0, np.int64), Metric.COSINE, generator=generator)
    found = calibrate(scores, Metric.COSINE, Aim(), people=0, authors=0.3, generator=generator)
    assert (found.threshold, found.verify) == (None, 0.3)


@pytest.mark.parametrize("metric", Metric)
def test_a_few_enrolled_people_are_calibrated_by_a_folder_of_strangers(metric: Metric) -> None:
    generator = np.random.default_rng(3)
    known, others = people_of(12, generator), people_of(3000, generator)
    scores = measure(known, np.arange(12), metric, generator=generator, strangers=others)
    found = calibrate(
        scores, metric, Aim(fpir=0.01), people=12, authors=AUTHORS[metric], generator=generator, among_themselves=False
    )
    assert found.threshold is not None
    assert found.probes == 3000
    assert passed(known, metric, found.threshold) <= 0.01


@pytest.mark.parametrize("metric", Metric)
def test_a_threshold_is_never_laxer_than_the_authors(metric: Metric) -> None:
    strict = {Metric.COSINE: 0.95, Metric.DISTANCE: 0.3}[metric]
    generator = np.random.default_rng(5)
    known = people_of(200, generator)
    scores = measure(known, np.arange(200), metric, generator=generator)
    found = calibrate(scores, metric, Aim(fpir=0.05), people=200, authors=strict, generator=generator)
    assert found.threshold == pytest.approx(strict)
    assert found.verify == pytest.approx(strict)


def test_two_who_look_alike_are_named() -> None:
    generator = np.random.default_rng(6)
    known = people_of(100, generator)
    known[70] = noisy(known[20:21], generator, 0.02)[0]
    scores = measure(known, np.arange(100), Metric.COSINE, generator=generator)
    assert max(scores.nearest, key=lambda pair: pair[2])[:2] == (20, 70)


def test_a_rate_grows_with_the_gallery() -> None:
    assert grown(0.001, 1000, 1000) == pytest.approx(0.001)
    assert grown(0.001, 1000, 2000) == pytest.approx(0.002, rel=1e-3)
    assert grown(1e-4, 1, 10_000) == pytest.approx(0.632, abs=1e-3), "the trade's own figure"


@pytest.mark.parametrize(("count", "total", "upper"), [(0, 100, 0.029513), (1, 100, 0.046556), (10, 1000, 0.016901)])
def test_intervals_are_those_of_clopper_and_pearson(count: int, total: int, upper: float) -> None:
    assert binomial_upper(count, total, 0.95) == pytest.approx(upper, abs=2e-5)
    assert binomial_lower(total - count, total, 0.95) == pytest.approx(1 - upper, abs=2e-5)
    assert binomial_upper(total, total, 0.95) == 1.0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="for people of"):
        measure(
            np.zeros((3, SIZE), np.float32), np.zeros(2, np.int64), Metric.COSINE, generator=np.random.default_rng(1)
        )

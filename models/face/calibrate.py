"""From a gallery's own scores to the threshold for a stated false positive identification rate. Pure.

Each person in turn is a stranger to all others: their best score among these is what a stranger's best score would be.
Where enough of those were seen the threshold is counted off; beyond that a generalised Pareto tail is fitted to the
largest of them (peaks over threshold), its shape kept between 0 and 0.25, because a bounded tail would promise more
than was seen. The upper end of a bootstrap's interval is used, not its middle. Two neighbours share their best score,
so the bootstrap draws half as many values as there are people.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.api import Floats
from models.face.search import Metric

Values = npt.NDArray[np.float64]

LEAST_PROBES = 50
"""Fewer strangers say nothing about one in a thousand."""
_LEAST_EXPECTED = 0.04
"""How far a tail may reach: so many false positives must be expected among the probes."""
_MOST_PROBES = 4000
_BLOCK = 512
_ROUNDS = 400
_COUNTED = 20
"""With so many false positives expected among the probes, they are counted instead of fitted."""
_VERIFY_MARGIN = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """A rate with its interval (90%: each end has 5% outside)."""

    expected: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Aim:
    """What is asked for.

    `fpir`: how often a stranger may be taken for somebody. `fmr`: how often somebody may pass for the one person whose
    card they hold. `most_missed`: a threshold at which more people than that are not known again is none.
    """

    fpir: float = 0.001
    fmr: float = 0.001
    confidence: float = 0.95
    most_missed: float = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What was measured, in the metric's own terms: each stranger's best score, and people's with themselves."""

    impostor: Values = field(repr=False)
    genuine: Values = field(repr=False)
    genuine_people: int
    pairs: Values = field(repr=False)
    nearest: tuple[tuple[int, int, float], ...] = ()
    """The most alike of different people: indices of both, and the score."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibrated:
    """A calibration. `threshold` is None where 1:N cannot be had, and `why` says why; `verify` is for 1:1."""

    threshold: float | None
    verify: float
    why: str
    method: Literal["counted", "tail", "none"]
    people: int
    probes: int
    fpir: Rate | None
    fnir: Rate | None


def measure(
    templates: Floats,
    people: npt.NDArray[np.int64],
    metric: Metric,
    *,
    generator: np.random.Generator,
    strangers: Floats | None = None,
) -> Scores:
    """Score a gallery, (count, size) with each one's person, against itself, or `strangers`, one template of each.

    ValueError when the shapes do not fit.
    """
    if templates.ndim != 2 or people.shape != templates.shape[:1]:  # noqa: PLR2004 - rows and values
        raise ValueError(f"templates of {templates.shape} for people of {people.shape}")
    _, first = np.unique(people, return_index=True)
    if strangers is None:
        rows = first if len(first) <= _MOST_PROBES else generator.choice(first, _MOST_PROBES, replace=False)
        probes, owners = templates[rows], people[rows]
    else:
        probes, owners = strangers, np.full(len(strangers), -1, dtype=np.int64)
    impostor, partner = _best_others(probes, owners, templates, people, metric)
    order = np.argsort(-impostor)[:50]
    nearest = {
        (min(int(owners[row]), int(partner[row])), max(int(owners[row]), int(partner[row]))): float(impostor[row])
        for row in order
        if owners[row] >= 0 and math.isfinite(impostor[row])
    }
    genuine, with_several = _genuine(templates, people, metric)
    known = impostor[np.isfinite(impostor)]
    return Scores(
        impostor=_own(known, metric),
        genuine=_own(genuine, metric),
        genuine_people=with_several,
        pairs=_own(_pairs(probes, owners, templates[first], people[first], metric=metric, generator=generator), metric),
        nearest=tuple((one, other, float(_own(np.array(score), metric))) for (one, other), score in nearest.items()),
    )


def calibrate(
    scores: Scores,
    metric: Metric,
    aim: Aim,
    *,
    people: int,
    authors: float,
    generator: np.random.Generator,
    among_themselves: bool = True,
) -> Calibrated:
    """Find the thresholds; never laxer than the model's authors' own. `people` is the gallery's size.

    `among_themselves`: the strangers were the gallery's own people, who share their best scores.
    """
    strangers, genuine = _likeness(scores.impostor, metric), _likeness(scores.genuine, metric)
    floor = float(_likeness(np.array(authors), metric))
    verify = max(floor, _verify_threshold(_likeness(scores.pairs, metric), aim.fmr) or floor)
    probes = len(strangers)

    def without(why: str) -> Calibrated:
        return Calibrated(
            threshold=None, verify=float(_own(np.array(verify), metric)), why=why, method="none", people=people,
            probes=probes, fpir=None, fnir=None,
        )  # fmt: skip

    if probes < LEAST_PROBES:
        return without(f"{probes} strangers to judge by, and {LEAST_PROBES} are needed")
    if probes * aim.fpir < _LEAST_EXPECTED:
        least = math.ceil(_LEAST_EXPECTED / aim.fpir)
        return without(f"{probes} strangers say nothing about a rate of {aim.fpir:g}: {least} are needed")
    effective = probes // 2 if among_themselves else probes
    counted = effective * aim.fpir >= _COUNTED
    found = _counted(strangers, aim, effective) if counted else _fitted(strangers, aim, effective, generator)
    threshold = max(found, floor)
    best = 1.0 if metric is Metric.COSINE else 0.0
    missed = _missed(genuine, threshold, scores.genuine_people, aim.confidence)
    if threshold >= best:
        return without(f"no score is strict enough for a rate of {aim.fpir:g} among {people} people")
    if missed is not None and missed.low > aim.most_missed:
        return without(
            f"at a rate of {aim.fpir:g} among {people} people {missed.expected:.0%} of the enrolled are not known again"
        )
    return Calibrated(
        threshold=float(_own(np.array(threshold), metric)),
        verify=float(_own(np.array(verify), metric)),
        why="",
        method="counted" if counted else "tail",
        people=people,
        probes=probes,
        fpir=_passed(strangers, threshold, aim, effective, generator),
        fnir=missed,
    )


def grown(rate: float, before: int, now: int) -> float:
    """Say what a false positive identification rate becomes when a gallery grows."""
    return float(1 - (1 - min(max(rate, 0.0), 1.0)) ** (now / max(before, 1)))


def binomial_upper(count: int, total: int, confidence: float) -> float:
    """Give the upper end of the exact one-sided interval of a rate (Clopper and Pearson)."""
    if count >= total:
        return 1.0
    low, high = count / total if total else 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, total, middle) > 1 - confidence else (low, middle)
    return high


def binomial_lower(count: int, total: int, confidence: float) -> float:
    """Give the lower end of the exact one-sided interval of a rate."""
    return 1 - binomial_upper(total - count, total, confidence)


def _at_most(count: int, total: int, rate: float) -> float:
    """Give the probability of at most `count` of `total`."""
    if rate <= 0:
        return 1.0
    if rate >= 1:
        return float(count >= total)
    k = np.arange(count + 1)
    logs = np.array([math.lgamma(total + 1) - math.lgamma(one + 1) - math.lgamma(total - one + 1) for one in k])
    terms = logs + k * math.log(rate) + (total - k) * math.log1p(-rate)
    return float(min(1.0, np.exp(terms).sum()))


def _likeness(scores: Values, metric: Metric) -> Values:
    """Turn scores so that larger is more alike."""
    return scores if metric is Metric.COSINE else -scores


_own = _likeness
"""The way back is the same."""


def _product(probes: Floats, templates: Floats, metric: Metric) -> Values:
    products = probes.astype(np.float32) @ templates.T.astype(np.float32)
    if metric is Metric.COSINE:
        return np.asarray(products, dtype=np.float64)
    a = np.square(probes, dtype=np.float64).sum(axis=1)[:, None]
    b = np.square(templates, dtype=np.float64).sum(axis=1)[None, :]
    return np.asarray(-np.sqrt(np.maximum(a + b - 2.0 * products, 0.0)), dtype=np.float64)


def _best_others(
    probes: Floats, owners: npt.NDArray[np.int64], templates: Floats, people: npt.NDArray[np.int64], metric: Metric
) -> tuple[Values, npt.NDArray[np.int64]]:
    """Give each probe's best likeness among other people, and whose that is."""
    best = np.full(len(probes), -np.inf)
    partner = np.full(len(probes), -1, dtype=np.int64)
    if not len(templates):
        return best, partner
    for start in range(0, len(probes), _BLOCK):
        part = slice(start, start + _BLOCK)
        alike = _product(probes[part], templates, metric)
        alike[owners[part][:, None] == people[None, :]] = -np.inf
        column = alike.argmax(axis=1)
        best[part] = alike[np.arange(len(column)), column]
        partner[part] = people[column]
    return best, partner


def _genuine(templates: Floats, people: npt.NDArray[np.int64], metric: Metric) -> tuple[Values, int]:
    """Give each template's best likeness with the same person's others, and how many people have several."""
    found: list[float] = []
    order = np.argsort(people, kind="stable")
    edges = np.flatnonzero(np.diff(people[order])) + 1
    groups = [group for group in np.split(order, edges) if len(group) > 1]
    for group in groups:
        alike = _product(templates[group], templates[group], metric)
        np.fill_diagonal(alike, -np.inf)
        found.extend(alike.max(axis=1).tolist())
    return np.array(found, dtype=np.float64), len(groups)


def _pairs(
    probes: Floats,
    owners: npt.NDArray[np.int64],
    templates: Floats,
    people: npt.NDArray[np.int64],
    *,
    metric: Metric,
    generator: np.random.Generator,
) -> Values:
    """Give likenesses of pairs of different people, a sample of all."""
    if len(templates) < 2 or not len(probes):  # noqa: PLR2004 - a pair
        return np.zeros(0)
    chosen = generator.permutation(len(probes))[:1000]
    others = generator.permutation(len(templates))[:1000]
    alike = _product(probes[chosen], templates[others], metric)
    different: Values = alike[owners[chosen][:, None] != people[others][None, :]]
    return different


def _verify_threshold(pairs: Values, fmr: float) -> float | None:
    """Count off the 1:1 threshold, three times stricter than asked: pairs of few people depend on each other."""
    rate = fmr / _VERIFY_MARGIN
    return None if len(pairs) * rate < 1 else float(np.quantile(pairs, 1 - rate, method="higher"))


def _counted(strangers: Values, aim: Aim, effective: int) -> float:
    """Give the least threshold at which even the upper end of the counted rate is what is asked for."""
    allowed = 0
    while binomial_upper(allowed + 1, effective, aim.confidence) <= aim.fpir:
        allowed += 1
    ordered = np.sort(strangers)[::-1]
    index = min(len(ordered) - 1, round(allowed * len(ordered) / effective))
    return float(np.nextafter(ordered[index], np.inf))


def _fitted(strangers: Values, aim: Aim, effective: int, generator: np.random.Generator) -> float:
    """Give the upper end of the thresholds that resampled tails ask for."""
    drawn = generator.choice(strangers, (_ROUNDS, effective))
    return float(np.quantile(_tail_thresholds(drawn, aim.fpir), aim.confidence))


def _tail(drawn: Values) -> tuple[Values, Values, Values, float]:
    """Fit each row's tail by its moments: start, scale, shape, and the share of values in it."""
    count = drawn.shape[1]
    k = max(10, min(count // 2, round(0.15 * count)))
    ordered = np.sort(drawn, axis=1)[:, ::-1]
    start = ordered[:, k]
    excess = ordered[:, :k] - start[:, None]
    mean = np.maximum(excess.mean(axis=1), 1e-12)
    # Probability-weighted moments (Hosking and Wallis, 1987); the largest excess stands first.
    weighted = (excess * ((np.arange(k) + 0.35) / k)).mean(axis=1)
    shape = np.clip(2 - mean / np.maximum(mean - 2 * weighted, 1e-12), 0.0, 0.25)
    return start, mean * (1 - shape), shape, k / count


def _tail_thresholds(drawn: Values, rate: float) -> Values:
    start, scale, shape, share = _tail(drawn)
    if rate >= share:
        return np.asarray(np.quantile(drawn, 1 - rate, axis=1), dtype=np.float64)
    ratio = share / rate
    curved = np.where(shape > 1e-6, shape, 1.0)  # noqa: PLR2004 - as good as none
    return np.asarray(
        start + scale * np.where(shape > 1e-6, (ratio**curved - 1) / curved, math.log(ratio)),  # noqa: PLR2004 - likewise
        dtype=np.float64,
    )


def _tail_rates(drawn: Values, threshold: float) -> Values:
    start, scale, shape, share = _tail(drawn)
    over = np.maximum(threshold - start, 0.0) / scale
    curved = np.where(shape > 1e-6, shape, 1.0)  # noqa: PLR2004 - as good as none
    within = share * np.where(shape > 1e-6, (1 + curved * over) ** (-1 / curved), np.exp(-over))  # noqa: PLR2004
    counted = (drawn >= threshold).mean(axis=1)
    return np.asarray(np.where(threshold > start, within, counted), dtype=np.float64)


def _passed(strangers: Values, threshold: float, aim: Aim, effective: int, generator: np.random.Generator) -> Rate:
    """Say how often strangers pass a threshold."""
    if effective * aim.fpir >= _COUNTED:
        count = int((strangers >= threshold).sum())
        scaled = round(count * effective / len(strangers))
        return Rate(
            expected=count / len(strangers),
            low=binomial_lower(scaled, effective, aim.confidence),
            high=binomial_upper(scaled, effective, aim.confidence),
        )
    rates = _tail_rates(generator.choice(strangers, (_ROUNDS, effective)), threshold)
    return Rate(
        expected=float(_tail_rates(strangers[None, :], threshold)[0]),
        low=float(np.quantile(rates, 1 - aim.confidence)),
        high=float(np.quantile(rates, aim.confidence)),
    )


def _missed(genuine: Values, threshold: float, people: int, confidence: float) -> Rate | None:
    """Say how often enrolled people are not known again; None without repeated templates."""
    if not len(genuine):
        return None
    rate = float((genuine < threshold).mean())
    count = round(rate * people)
    return Rate(
        expected=rate,
        low=min(rate, binomial_lower(count, people, confidence)),
        high=max(rate, binomial_upper(count, people, confidence)),
    )

"""True and false accepts at a threshold that is given, with intervals that come from drawing people anew. Pure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.benchmarks.faces_parts.roc import Pairs

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """A rate with its 95% interval."""

    rate: float
    low: float
    high: float


def accepts(pairs: Pairs, threshold: float, *, rounds: int, generator: np.random.Generator) -> tuple[Share, Share]:
    """Give true and false accepts of pairs whose likeness is above a threshold.

    Pairs of one person, and pairs of the same two people, are not independent: so people are drawn, with all their
    takes.
    """
    count = int(max(pairs.one.max(), pairs.other.max())) + 1
    low, high = np.minimum(pairs.one, pairs.other), np.maximum(pairs.one, pairs.other)
    places = low * count + high
    there = np.bincount(places, minlength=count * count).reshape(count, count).astype(np.float64)
    above = np.bincount(places, weights=pairs.alike > threshold, minlength=count * count)
    taken = np.asarray(above.reshape(count, count), np.float64)
    weighed = [np.ones(count), *(_counts(generator.integers(0, count, count), count) for _ in range(rounds))]
    true = [_of_one_person(taken, there, weights) for weights in weighed]
    false = [_of_strangers(taken, there, weights) for weights in weighed]
    return _share(true), _share(false)


def _counts(drawn: npt.NDArray[np.int64], count: int) -> Matrix:
    return np.asarray(np.bincount(drawn, minlength=count), np.float64)


def _of_one_person(taken: Matrix, there: Matrix, weights: Matrix) -> float:
    total = float(weights @ np.diag(there))
    return float(weights @ np.diag(taken)) / total if total else float("nan")


def _of_strangers(taken: Matrix, there: Matrix, weights: Matrix) -> float:
    both = np.outer(weights, weights)
    np.fill_diagonal(both, 0)
    total = float((both * there).sum())
    return float((both * taken).sum()) / total if total else float("nan")


def _share(rates: list[float]) -> Share:
    spread = np.array(rates[1:] or rates[:1])
    low, high = np.nanpercentile(spread, (2.5, 97.5))
    return Share(rate=rates[0], low=float(low), high=float(high))

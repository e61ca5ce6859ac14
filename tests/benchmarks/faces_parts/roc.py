"""True and false accepts of a recogniser from the scores of all pairs, with intervals. Pure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """All pairs of pictures: how alike (larger is more), and the two people's numbers."""

    alike: Values
    one: Counts
    other: Counts

    @property
    def genuine(self) -> npt.NDArray[np.bool_]:
        """Which pairs show one person."""
        same: npt.NDArray[np.bool_] = self.one == self.other
        return same


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """The true accept rate at a false accept rate: 95% interval, and the threshold on likeness."""

    rate: float
    low: float
    high: float
    threshold: float


def make_pairs(templates: npt.NDArray[np.float32], people: Counts, *, cosine: bool) -> Pairs:
    """Compare all with all: the cosine, or the negative distance."""
    vectors = templates.astype(np.float64)
    products = vectors @ vectors.T
    if cosine:
        alike = products
    else:
        squares = np.diag(products)
        alike = -np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * products, 0))
    rows, columns = np.triu_indices(len(people), 1)
    return Pairs(alike=alike[rows, columns], one=people[rows], other=people[columns])


def cross_pairs(enrolled: npt.NDArray[np.float32], verified: npt.NDArray[np.float32], people: Counts) -> Pairs:
    """Compare by distance each enrolled picture with each other picture as it was verified: rows are pictures in both.

    A picture is not compared with itself.
    """
    one, other = enrolled.astype(np.float64), verified.astype(np.float64)
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
    rows, columns = np.nonzero(~np.eye(len(people), dtype=bool))
    return Pairs(alike=-np.sqrt(np.maximum(squares, 0))[rows, columns], one=people[rows], other=people[columns])


def rate_at(pairs: Pairs, far: float, *, rounds: int, generator: np.random.Generator) -> Rate:
    """Give the true accept rate where at most `far` of the pairs of strangers pass.

    The interval comes from drawing people anew, with all their pictures: pairs of one person are not independent.
    """
    count = int(max(pairs.one.max(), pairs.other.max())) + 1
    order = np.argsort(-pairs.alike, kind="stable")
    alike, one, other = pairs.alike[order], pairs.one[order], pairs.other[order]
    rate, threshold = _weighted(alike, one, other, np.ones(count, dtype=np.int64), far)
    drawn: list[float] = []
    for _ in range(rounds):
        weights = np.bincount(generator.integers(0, count, count), minlength=count)
        if np.count_nonzero(weights) > 1:  # one person alone has no strangers
            drawn.append(_weighted(alike, one, other, weights, far)[0])
    low, high = np.percentile(drawn, (2.5, 97.5)) if drawn else (0.0, 1.0)
    return Rate(rate=rate, low=float(low), high=float(high), threshold=threshold)


def _weighted(alike: Values, one: Counts, other: Counts, people: Counts, far: float) -> tuple[float, float]:
    """Give rate and threshold when each person counts as often as `people` says; `alike` falls."""
    same = one == other
    strangers = np.where(same, 0, people[one] * people[other])
    friends = np.where(same, people[one], 0)
    passed = np.cumsum(strangers)
    allowed = far * passed[-1]
    # The threshold stands just above the first pair of strangers that is one too many.
    first = int(np.searchsorted(passed, allowed, side="right"))
    total = int(friends.sum())
    kept = alike > alike[first] if first < len(alike) else np.ones(len(alike), dtype=bool)
    rate = float(friends[kept].sum() / total) if total else 0.0
    return rate, float(alike[first] if first < len(alike) else alike[-1])


def curve(pairs: Pairs, points: int = 200) -> list[tuple[float, float]]:
    """Give the ROC: false accept rate and true accept rate, from strict to lax."""
    genuine, strangers = np.sort(pairs.alike[pairs.genuine]), np.sort(pairs.alike[~pairs.genuine])
    limits = np.quantile(pairs.alike, 1 - np.geomspace(1 / max(len(pairs.alike), 2), 1, points))
    far = 1 - np.searchsorted(strangers, limits, side="left") / len(strangers)
    tar = 1 - np.searchsorted(genuine, limits, side="left") / len(genuine)
    return list(zip(far.tolist(), tar.tolist(), strict=True))

"""What was made of one picture, and what its pairs say."""

from dataclasses import dataclass

import numpy as np

from models.api import Floats, Picture
from models.face.geometry import Box, Points
from models.face.search import Metric
from runtime.bench import Bench, Result
from tests.benchmarks.faces_parts.roc import Pairs, rate_at

_RATES = (1e-2, 1e-3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One picture with a face: whose, and what was made of it."""

    picture: Picture
    person: int
    box: Box
    points: Points
    chip: Picture
    template: Floats


def tell_rates(bench: Bench, pairs: Pairs, metric: Metric, *, prefix: str) -> list[tuple[float, float, float, float]]:
    """Tell true accepts at the false accept rates that so many pairs can show; gives (FAR, TAR, low, high)."""
    strangers = int((~pairs.genuine).sum())
    bench.add(Result(name=f"{prefix}pairs_of_one_person", value=int(pairs.genuine.sum()), unit="pairs"))
    bench.add(Result(name=f"{prefix}pairs_of_strangers", value=strangers, unit="pairs"))
    marks: list[tuple[float, float, float, float]] = []
    rounds, generator = int(bench.options.get("rounds", "1000")), np.random.default_rng(20_000)
    sign = 1.0 if metric is Metric.COSINE else -1.0
    for far in _RATES:
        if strangers * far < 1:
            bench.say(f"FAR {far:g} is finer than {strangers} pairs of strangers can show")
            continue
        found = rate_at(pairs, far, rounds=rounds, generator=generator)
        name = f"{prefix}tar_at_far_{far:g}"
        bench.add(Result(name=name, value=found.rate, unit=""))
        bench.add(Result(name=f"{name}_low", value=found.low, unit=""))
        bench.add(Result(name=f"{name}_high", value=found.high, unit=""))
        bench.add(Result(name=f"{name}_threshold", value=sign * found.threshold, unit=metric.value))
        marks.append((far, found.rate, found.low, found.high))
    of_one, of_strangers = pairs.alike[pairs.genuine], pairs.alike[~pairs.genuine]
    for name, value in (
        ("one_person_median", np.median(of_one)),
        ("one_person_least_alike", of_one.min()),
        ("strangers_most_alike", of_strangers.max()),
    ):
        bench.add(Result(name=f"{prefix}{name}", value=sign * float(value), unit=metric.value))
    return marks

"""Rates of counted events, with Wilson's 95% interval. Pure."""

import math

from runtime.bench import Bench, Result

_Z = 1.959964


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Give the interval of a rate."""
    if not of:
        return 0.0, 1.0
    rate, z2 = hits / of, _Z * _Z
    middle = (rate + z2 / (2 * of)) / (1 + z2 / of)
    reach = _Z * math.sqrt(rate * (1 - rate) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def add_rate(bench: Bench, name: str, hits: int, of: int, *, goal: str | None = None, at_most: float = 1.0) -> None:
    """Report a rate with its interval."""
    rate = hits / of if of else 0.0
    low, high = wilson(hits, of)
    bench.add(Result(name=name, value=rate, unit="", goal=goal, met=None if goal is None else rate <= at_most))
    bench.add(Result(name=f"{name}_low", value=low, unit=""))
    bench.add(Result(name=f"{name}_high", value=high, unit=""))

"""What a store of time series must answer, computed the plain way from all samples."""

import math
from collections.abc import Iterable
from itertools import groupby

from cloud.telemetry.api import Bucket, Sample
from cloud.telemetry.domain import Grid, grid

GOOD = 192


def expected(
    samples: Iterable[Sample], *, device_id: int, point: str, from_ms: int, to_ms: int, max_points: int
) -> tuple[Bucket, ...]:
    """Give the buckets of one series; of two samples with one time the first counts."""
    asked = grid(from_ms, to_ms, max_points)
    rows: dict[int, Sample] = {}
    for one in samples:
        if (one.device_id, one.point) == (device_id, point) and asked.first_ms <= one.at_ms < asked.end_ms:
            rows.setdefault(one.at_ms, one)
    ordered = [rows[at_ms] for at_ms in sorted(rows)]
    grouped = groupby(ordered, key=lambda one: (one.at_ms - asked.first_ms) // asked.width_ms)
    return tuple(_bucket(asked, number, list(found)) for number, found in grouped)


def _bucket(asked: Grid, number: int, found: list[Sample]) -> Bucket:
    numbers = [float(one.value) for one in found if one.quality == GOOD and isinstance(one.value, int | float)]
    newest = found[-1]
    return Bucket(
        at_ms=asked.first_ms + number * asked.width_ms,
        count=len(found),
        low=min(numbers, default=None),
        high=max(numbers, default=None),
        mean=math.fsum(numbers) / len(numbers) if numbers else None,
        last=newest.value,
        last_ms=newest.at_ms,
        last_quality=newest.quality,
    )


def same(found: Iterable[Bucket], wanted: Iterable[Bucket]) -> bool:
    """Whether two answers are the same; means may differ in their last digits, because sums are rounded."""
    found, wanted = list(found), list(wanted)
    return len(found) == len(wanted) and all(
        _plain(a) == _plain(b) and _close(a, b) for a, b in zip(found, wanted, strict=True)
    )


def _plain(one: Bucket) -> tuple[object, ...]:
    return (one.at_ms, one.count, one.low, one.high, one.last, one.last_ms, one.last_quality)


def _close(a: Bucket, b: Bucket) -> bool:
    if a.mean is None or b.mean is None or b.low is None or b.high is None:
        return a.mean is b.mean
    # Of large numbers that cancel out, rounding leaves an error of the size of the largest.
    return math.isclose(a.mean, b.mean, rel_tol=1e-9, abs_tol=1e-9 * max(abs(b.low), abs(b.high)))

"""Samples as InfluxDB's line protocol, and questions as InfluxQL. Pure.

A sample is a line of its own: tags `device` (our number) and `point`, the fields `value` (numbers and booleans as
float) or `text`, `quality`, and `at` once more the time in ms, because InfluxQL gives a newest value's fields and not
its time. The same sample is the same line, and writing it again changes nothing.

Source of the rules: "Line protocol" and "InfluxQL reference" of InfluxDB's documentation.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloud.telemetry.api import Bucket, Sample
from cloud.telemetry.domain import LATEST_MS, Grid

GOOD = 192
"""Sparkplug's number of a good value."""

LONGEST_TEXT = 15_000
"""Characters of a text that are stored: a field holds 64 KiB, and a line that is refused would hold up all others."""

# What a tag cannot hold or quoting would have to treat, in line protocol or in InfluxQL, becomes %XX; the percent sign
# itself too, so that no two names become one.
_AWKWARD = re.compile(r"[\x00-\x1f\x7f-\x9f\\'\"%]")
_ESCAPED = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_QUOTED = str.maketrans({"\\": r"\\", '"': r"\""})
_NO_NAME = "%"


def tag(point: str) -> str:
    """Give a point's name as the tag's value. No two names give the same, and ordinary names stay as they are."""
    return _AWKWARD.sub(lambda found: f"%{ord(found[0]):02X}", point) or _NO_NAME


def lines(measurement: str, samples: Sequence[Sample]) -> Iterator[bytes]:
    """Write samples as lines without their ends, timestamps in ms; of two with the same series and time, the first."""
    seen: set[tuple[int, str, int]] = set()
    tags: dict[str, str] = {}
    for one in samples:
        key = (one.device_id, one.point, one.at_ms)
        if key in seen:
            continue
        seen.add(key)
        if one.point not in tags:
            tags[one.point] = tag(one.point).translate(_ESCAPED)
        yield (
            f"{measurement},device={one.device_id},point={tags[one.point]} "
            f"{_value(one.value)}quality={one.quality}i,at={one.at_ms}i {one.at_ms}"
        ).encode()


def _value(value: float | str | None) -> str:
    if isinstance(value, str):
        return f'text="{value[:LONGEST_TEXT].translate(_QUOTED)}",'
    if value is None or not math.isfinite(value):
        return ""
    return f"value={float(value)!r},"


def questions(measurement: str, *, device_id: int, point: str, asked: Grid) -> tuple[str, str, str]:
    """Ask, for each stretch that holds anything: how many samples, the figures of good numbers, the newest sample."""
    where = (
        f"FROM {measurement} WHERE device = '{device_id}' AND point = '{tag(point)}' "
        f"AND time >= {asked.first_ms}ms AND time < {min(asked.end_ms, LATEST_MS + 1)}ms"
    )
    width_ms = min(asked.width_ms, LATEST_MS)
    group = f"GROUP BY time({width_ms}ms, {asked.first_ms % width_ms}ms) fill(none)"
    return (
        f"SELECT count(quality) {where} {group}",
        f"SELECT min(value), max(value), mean(value) {where} AND quality = {GOOD} {group}",
        f'SELECT last("at"), value, "text", quality {where} {group}',
    )


def rows(answer: Mapping[str, Any]) -> list[list[Any]]:
    """Give the rows of the one series that an answer holds; ValueError with the store's words when it is an error."""
    result = answer["results"][0] if answer.get("results") else answer
    if "error" in result:
        raise ValueError(str(result["error"]))
    series = result.get("series") or [{"values": []}]
    found: list[list[Any]] = series[0].get("values") or []
    return found


def buckets(asked: Grid, answers: Sequence[list[list[Any]]]) -> tuple[Bucket, ...]:
    """Join the answers to the three questions, in order of time."""
    counts, figures, newest = ({row[0]: row[1:] for row in answer if row[1] is not None} for answer in answers)
    return tuple(
        Bucket(
            at_ms=at_ms,
            count=int(count),
            low=_float(low),
            high=_float(high),
            mean=_float(_within(mean, low, high)),
            last=text if value is None else float(value),
            last_ms=int(last_ms),
            last_quality=int(quality),
        )
        for at_ms, (count,) in sorted(counts.items())
        if at_ms in newest and asked.first_ms <= at_ms < asked.end_ms
        for low, high, mean in [figures.get(at_ms, (None, None, None))]
        for last_ms, value, text, quality in [newest[at_ms]]
    )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _within(mean: float | None, low: float | None, high: float | None) -> float | None:
    # Rounding must not take the mean of equal numbers out of their bounds.
    return mean if mean is None or low is None or high is None else min(max(mean, low), high)

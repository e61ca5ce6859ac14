"""What ingest decides without looking anywhere: the journal's order, what a metric says, how much quarantine keeps."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

from cloud.telemetry.api import Sample
from drivers.profile import Label, Profile
from wire.contract import (
    ALARM_OVERRIDES,
    DEVICE_LABEL,
    DEVICE_PLACE,
    JOURNAL_GAP_TO,
    JOURNAL_ID,
    JOURNAL_OFFSET,
    PROFILE_HASH,
    is_control,
)
from wire.payload import NO_PROPERTIES, Metric, MetricValue, Quality, Template

MAX_POINT_NAME = 64


class Verdict(StrEnum):
    """What to do with a journal's record."""

    NEXT = "next"
    REPEAT = "repeat"
    HOLE = "hole"


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a payload stands in its journal; `last` is beyond `offset` only for a tombstone."""

    journal_id: str
    offset: int
    last: int
    is_gap: bool


def position(metrics: Iterable[Metric], birth_journal: str | None) -> Position | None:
    """Find a payload's place in its journal; None when it is state and no record."""
    named = {metric.name: metric.value for metric in metrics if metric.name in _JOURNAL}
    offset = named.get(JOURNAL_OFFSET)
    journal_id = named.get(JOURNAL_ID) or birth_journal
    if not isinstance(offset, int) or not isinstance(journal_id, str):
        return None
    last = named.get(JOURNAL_GAP_TO)
    if isinstance(last, int) and last >= offset:
        return Position(journal_id=journal_id, offset=offset, last=last, is_gap=True)
    return Position(journal_id=journal_id, offset=offset, last=offset, is_gap=False)


_JOURNAL = frozenset({JOURNAL_ID, JOURNAL_OFFSET, JOURNAL_GAP_TO})


def verdict(watermark: int, place: Position) -> Verdict:
    """Apply the rule of docs/CONTRACT.md: in order, once. A tombstone may begin below the watermark."""
    if place.last <= watermark:
        return Verdict.REPEAT
    return Verdict.NEXT if place.offset <= watermark + 1 else Verdict.HOLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """A metric that cannot be a reading, and why."""

    metric: str
    reason: str


@dataclass(kw_only=True, slots=True)
class Readings:
    """What a payload says of points: numbers and booleans as float, times as the edge tells them.

    `own` are the values of the contract's metrics beside the points. What is transient is shown, and not in `kept`.
    """

    measured: list[Sample] = field(default_factory=list)
    transient: set[str] = field(default_factory=set)
    rejected: list[Rejected] = field(default_factory=list)
    own: dict[str, MetricValue | None] = field(default_factory=dict)
    out_of_range: int = 0
    historical: bool = False

    @property
    def kept(self) -> list[Sample]:
        """What telemetry keeps."""
        return [one for one in self.measured if one.point not in self.transient] if self.transient else self.measured


class Shape(NamedTuple):
    """How a point's numbers are read: at once when it is `plain`, and GOOD from `low` to `high`.

    `name` is the point's, one text for all devices that have it: a hundred thousand readings have fifty names.
    """

    name: str
    plain: bool
    low: float = -math.inf
    high: float = math.inf


class Shapes(dict[str, Shape | None]):
    """The shapes of a device's points by name, found when they are first needed; None for the contract's metrics."""

    def __init__(self, profile: Profile | None) -> None:
        super().__init__()
        self.points = profile.points if profile is not None else {}
        self._shared = _shared(tuple(self.points))

    def __missing__(self, name: str) -> Shape | None:
        """Find out about a name; what is plain is most of what is ever read."""
        shape: Shape | None = None
        if not is_control(name):
            point = self.points.get(name)
            bounds = (point.range.low, point.range.high) if point is not None and point.range is not None else ()
            plain = len(name) <= MAX_POINT_NAME and (point is None or point.value_type is not str)
            shape = Shape(self._shared.get(name, name), plain, *bounds)
        if len(self) < _MAX_SHAPES:
            self[name] = shape
        return shape


@lru_cache(maxsize=256)
def _shared(names: tuple[str, ...]) -> dict[str, str]:
    """Give one text for each name, the same for all devices of a profile."""
    return {name: name for name in names}


_MAX_SHAPES = 10_000
_NUMBERS = frozenset({float, int, bool})
_GOOD = int(Quality.GOOD)
_BAD = int(Quality.BAD)


def readings(device_id: int, metrics: Iterable[Metric], shapes: Shapes, received_ms: int) -> Readings:
    """Translate metrics into readings; a value outside its profile's range keeps its value and becomes BAD."""
    found = Readings()
    _read_into(found, device_id, metrics, shapes, received_ms)
    return found


def _read_into(found: Readings, device_id: int, metrics: Iterable[Metric], shapes: Shapes, received_ms: int) -> None:
    # Ingest's hot path: what can be said of a point once is in its shape, and a reading is one tuple.
    take = found.measured.append
    for metric in metrics:
        name = metric.name or ""
        value = metric.value
        if metric.is_historical:
            found.historical = True
        shape = shapes[name]
        if shape is None:
            found.own[name] = value
            continue
        point, plain, low, high = shape
        if not plain or type(value) not in _NUMBERS:
            _read_other(found, device_id, metric, shapes, received_ms)
            continue
        number: float = float(value)  # type: ignore[arg-type] # one of _NUMBERS
        quality = _GOOD if metric.properties is NO_PROPERTIES else int(metric.quality)
        finite = isfinite(number)
        if not finite:
            quality = _BAD
        elif quality == _GOOD and not low <= number <= high:
            quality = _BAD
            found.out_of_range += 1
        if metric.is_transient:
            found.transient.add(name)
        take(Sample(device_id, point, metric.timestamp_ms or received_ms, number if finite else None, quality))


def _read_other(found: Readings, device_id: int, metric: Metric, shapes: Shapes, received_ms: int) -> None:
    """Read what is no number: a text, nothing at all, a Template; or something that cannot be a reading."""
    name, value = metric.name or "", metric.value
    if value is not None and not isinstance(value, bool | int | float | str):
        if isinstance(value, Template) and not value.is_definition:
            _read_into(found, device_id, _members(metric, value), shapes, received_ms)
        else:
            found.rejected.append(Rejected(metric=name, reason=f"{type(value).__name__} is no reading"))
        return
    if len(name) > MAX_POINT_NAME:
        found.rejected.append(Rejected(metric=name, reason=f"the name is over {MAX_POINT_NAME} long"))
        return
    point = shapes.points.get(name)
    if value is not None and (not isinstance(value, str) or (point is not None and point.value_type is not str)):
        kind = point.value_type.__name__ if point is not None else "nothing"
        found.rejected.append(Rejected(metric=name, reason=f"the profile says {kind}, the value is {value!r:.40}"))
        return
    if metric.is_transient:
        found.transient.add(name)
    at_ms = metric.timestamp_ms or received_ms
    found.measured.append(Sample(device_id, name, at_ms, value, int(metric.quality)))


def _members(metric: Metric, instance: Template) -> Iterator[Metric]:
    """Give each member of a Template as a point of its own, which is what people can look at."""
    for member in instance.metrics:
        yield replace(
            member,
            name=f"{metric.name}/{member.name}",
            timestamp_ms=member.timestamp_ms or metric.timestamp_ms,
            is_historical=metric.is_historical or member.is_historical,
        )


def points_of(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Give what a node tells of itself beside controls and the definitions of Templates."""
    return tuple(
        metric
        for metric in metrics
        if not is_control(metric.name or "") and not (isinstance(metric.value, Template) and metric.value.is_definition)
    )


def has_points(metrics: Iterable[Metric]) -> bool:
    """Whether a node tells anything of itself that people can look at."""
    return bool(points_of(metrics))


def texts(metrics: Iterable[Metric]) -> dict[str, str]:
    """Give the metrics of a birth that are texts, by name."""
    return {metric.name or "": metric.value for metric in metrics if isinstance(metric.value, str)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """What a device's birth says about itself; `profile_hash` None for a device that is not of ours."""

    profile_hash: str | None
    label: Label
    place: str
    overrides: str


def declaration(device: str, metrics: Iterable[Metric]) -> Declaration:
    """Read a device's birth; a label that is missing or unreadable is the device's name."""
    named = texts(metrics)
    return Declaration(
        profile_hash=named.get(PROFILE_HASH) or None,
        label=_label(named.get(DEVICE_LABEL, ""), device),
        place=named.get(DEVICE_PLACE, ""),
        overrides=named.get(ALARM_OVERRIDES) or "{}",
    )


def _label(document: str, device: str) -> Label:
    try:
        data = json.loads(document)
    except ValueError:
        data = None
    if isinstance(data, Mapping):
        texts_of = {language: data.get(language) for language in ("zh", "en")}
        if all(isinstance(text, str) and text for text in texts_of.values()):
            return Label(zh=str(texts_of["zh"])[:200], en=str(texts_of["en"])[:200])
    return Label(zh=device[:200], en=device[:200])


MINUTE_MS = 60_000


@dataclass(kw_only=True, slots=True)
class Limiter:
    """Keeps a flood out of the quarantine: so many rows a minute for the same fault, and so many in all."""

    for_one: int = 10
    for_all: int = 1000
    _minute: int = -1
    _counts: dict[tuple[str, str], int] = field(default_factory=dict)
    _total: int = 0

    def admits(self, topic: str, reason: str, now_ms: int) -> bool:
        """Whether one more row is kept."""
        minute = now_ms // MINUTE_MS
        if minute != self._minute:
            self._minute, self._total = minute, 0
            self._counts.clear()
        if self._total >= self.for_all:
            return False
        count = self._counts.get((topic, reason), 0)
        if count >= self.for_one:
            return False
        self._counts[topic, reason] = count + 1
        self._total += 1
        return True

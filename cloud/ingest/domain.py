"""What ingest decides without looking anywhere: the journal's order, what a metric says, how much quarantine keeps."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

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
from wire.payload import Metric, Quality, Template

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
class Measured:
    """One point as it is stored: numbers and booleans as float. What is transient is shown and not kept."""

    point: str
    value: float | str | None
    quality: int
    at_ms: int
    is_transient: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """A metric that cannot be a reading, and why."""

    metric: str
    reason: str


@dataclass(kw_only=True, slots=True)
class Readings:
    """What a payload says of points."""

    measured: list[Measured] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    out_of_range: int = 0
    historical: bool = False


def readings(metrics: Iterable[Metric], profile: Profile | None, received_ms: int) -> Readings:
    """Translate metrics into readings; a value outside its profile's range keeps its value and becomes BAD."""
    found = Readings()
    _read_into(found, metrics, profile, received_ms)
    return found


def _read_into(found: Readings, metrics: Iterable[Metric], profile: Profile | None, received_ms: int) -> None:
    points = profile.points if profile is not None else {}
    for metric in metrics:
        name = metric.name or ""
        found.historical = found.historical or metric.is_historical
        if is_control(name):
            continue
        value = metric.value
        if value is not None and not isinstance(value, bool | int | float | str):
            if isinstance(value, Template) and not value.is_definition:
                _read_into(found, _members(metric, value), profile, received_ms)
            else:
                found.rejected.append(Rejected(metric=name, reason=f"{type(value).__name__} is no reading"))
            continue
        if len(name) > MAX_POINT_NAME:
            found.rejected.append(Rejected(metric=name, reason=f"the name is over {MAX_POINT_NAME} long"))
            continue
        point = points.get(name)
        if point is not None and value is not None and isinstance(value, str) != (point.value_type is str):
            kind = point.value_type.__name__
            found.rejected.append(Rejected(metric=name, reason=f"the profile says {kind}, the value is {value!r:.40}"))
            continue
        quality: int = metric.quality
        stored: float | str | None = value if isinstance(value, str) or value is None else float(value)
        if isinstance(stored, float) and not math.isfinite(stored):
            stored, quality = None, Quality.BAD
        if (
            point is not None
            and point.range is not None
            and isinstance(stored, float)
            and quality == Quality.GOOD
            and not point.range.low <= stored <= point.range.high
        ):
            quality = Quality.BAD
            found.out_of_range += 1
        at_ms = metric.timestamp_ms or received_ms
        found.measured.append(
            Measured(point=name, value=stored, quality=int(quality), at_ms=at_ms, is_transient=metric.is_transient)
        )


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

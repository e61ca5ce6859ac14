"""What a gate decided, each decision by itself, the newest first.

Decisions are events: no two are one. A store of telemetry tells stretches of time, each with its newest value and how
many there were; a stretch with several is looked into again, without its newest, until every one was seen.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from cloud.gate.domain import DECISION_POINT, Decided, read_decision
from cloud.telemetry.api import TelemetryStore

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_STRETCHES = 5000
_NEXT_MS = 3 * _DAY_MS
"""Stretches of these days are shorter than a minute, so that samples are told, and not figures of minutes."""
KEPT_MS = 30 * _DAY_MS
"""So long a store keeps what was told, unless it is configured otherwise; before that it has one value a minute."""

AHEAD_MS = 60_000
"""A gate's clock may be ahead of ours by so much, and its newest decision is shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decisions:
    """Some decisions, the newest first; `older` says from when on there may be more, None at the end."""

    items: tuple[Decided, ...]
    older: int | None


async def decisions(telemetry: TelemetryStore, device_id: int, *, before_ms: int, limit: int, now_ms: int) -> Decisions:
    """Give the decisions of a gate before a time, at most `limit`, as far back as a store keeps each. Unavailable."""
    found: list[Decided] = []
    for begin_ms, end_ms in _spans(now_ms - KEPT_MS, before_ms):
        async for at_ms, text in _told(telemetry, device_id, begin_ms, end_ms):
            one = read_decision(text, at_ms)
            if one is not None:
                found.append(one)
            if len(found) == limit:
                return Decisions(items=tuple(found), older=found[-1].at_ms)
    return Decisions(items=tuple(found), older=None)


async def _told(
    telemetry: TelemetryStore, device_id: int, begin_ms: int, end_ms: int
) -> AsyncIterator[tuple[int, str]]:
    """Give each event of a span with its time, the newest first."""
    buckets = await telemetry.series(
        device_id=device_id, point=DECISION_POINT, from_ms=begin_ms, to_ms=end_ms, max_points=_STRETCHES
    )
    for bucket in reversed(buckets):
        newest = begin_ms <= bucket.last_ms < end_ms
        if newest and isinstance(bucket.last, str):
            yield bucket.last_ms, bucket.last
        inner = (max(begin_ms, bucket.at_ms), min(bucket.last_ms, end_ms))
        # Where only figures of minutes are left, a look inside gives the same again.
        if bucket.count > 1 and inner != (begin_ms, end_ms):
            async for one in _told(telemetry, device_id, *inner):
                yield one


def _spans(since_ms: int, before_ms: int) -> Iterator[tuple[int, int]]:
    """Divide the time before a moment into what is asked at once: the last hour, then days, backward."""
    end_ms, length_ms = before_ms, _HOUR_MS
    while end_ms > since_ms:
        begin_ms = max(end_ms - length_ms, since_ms)
        yield begin_ms, end_ms
        end_ms, length_ms = begin_ms, _NEXT_MS

"""Which times an agent has given, over all its runs, so that none is given to a second reading of a point. Pure.

A clock that is set back goes through the same time again, and a store tells samples apart by their time. So times lie
in cells of four milliseconds: a reading takes the first millisecond of its cell when time passes there for the first
time, the second when the clock was set back and time passes there again, and so on. A cell through which time has
passed four times is left out.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

CELL_MS = 4
"""As many times of one moment as this can be given after clocks were set back."""
_APART = 60_000 // CELL_MS
"""A hole between spans that is smaller counts as given: spans stay few, whatever is switched off and on."""
_MOST = 32
"""So many spans are kept apart at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Cells from `first` to `last`, both included, through which time has passed `times` times at most."""

    first: int
    last: int
    times: int


class SpentTimes:
    """Gives times in Unix ms, rising until the wanted time goes back; what is given once is never given again.

    `spans` are those of earlier runs.
    """

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._former = joined(spans)
        self._first = self._newest = -1
        self._wanted_ms = self._given_ms = 0

    @property
    def spans(self) -> tuple[Span, ...]:
        """Everything that was given, this run's times among it."""
        if self._first < 0:
            return self._former
        return joined(_covered(self._former, self._first, self._newest))

    @property
    def newest_ms(self) -> int:
        """No time since the wanted one went back lies beyond this."""
        return self._newest * CELL_MS + CELL_MS - 1

    def give(self, wanted_ms: int) -> int:
        """Give the time for a wanted one: that to four milliseconds, or the next one that is free."""
        if self._first >= 0 and (wanted_ms < self._wanted_ms or wanted_ms // CELL_MS > self._newest + _APART):
            self._former, self._first, self._given_ms = self.spans, -1, 0
        self._wanted_ms = wanted_ms
        self._given_ms = max(self._given_ms, self._free(wanted_ms // CELL_MS))
        cell = self._given_ms // CELL_MS
        self._first, self._newest = (cell, cell) if self._first < 0 else (self._first, max(self._newest, cell))
        return self._given_ms

    def after(self, at_ms: int) -> int:
        """Give the next time behind one that was given, for what happened at the same moment."""
        found = self._free(at_ms // CELL_MS + 1)
        self._newest = max(self._newest, found // CELL_MS)
        return found

    def _free(self, cell: int) -> int:
        for span in self._former:
            if cell > span.last:
                continue
            if cell < span.first:
                break
            if span.times < CELL_MS:
                return cell * CELL_MS + span.times
            cell = span.last + 1
        return cell * CELL_MS


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Put spans, which do not overlap, into order, and neighbours that are alike, or the closest of many, into one."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: one.first):
        before = found[-1] if found else None
        if before is not None and before.times == span.times and span.first - before.last <= _APART:
            found[-1] = Span(first=before.first, last=span.last, times=span.times)
        else:
            found.append(span)
    while len(found) > _MOST:
        lengths = [after.last - before.first for before, after in pairwise(found)]
        place = lengths.index(min(lengths))
        one, other = found[place : place + 2]
        found[place : place + 2] = [Span(first=one.first, last=other.last, times=max(one.times, other.times))]
    return tuple(found)


def _covered(spans: Iterable[Span], first: int, last: int) -> Iterator[Span]:
    """Let time pass once more through the cells from `first` to `last`."""
    reached = first
    for span in spans:
        if span.last < first or span.first > last:
            yield span
            continue
        if span.first < first:
            yield Span(first=span.first, last=first - 1, times=span.times)
        if reached < span.first:
            yield Span(first=reached, last=span.first - 1, times=1)
        yield Span(first=max(span.first, first), last=min(span.last, last), times=span.times + 1)
        if span.last > last:
            yield Span(first=last + 1, last=span.last, times=span.times)
        reached = span.last + 1
    if reached <= last:
        yield Span(first=reached, last=last, times=1)


def write_spans(spans: Iterable[Span]) -> str:
    """Write spans down, in Unix ms."""
    return json.dumps([[one.first * CELL_MS, one.last * CELL_MS + CELL_MS - 1, one.times] for one in spans])


def read_spans(text: str) -> tuple[Span, ...]:
    """Read what `write_spans` wrote; ValueError for anything else."""
    try:
        return tuple(
            Span(first=first // CELL_MS, last=last // CELL_MS, times=times) for first, last, times in json.loads(text)
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"no spans of time: {text[:100]!r}") from error

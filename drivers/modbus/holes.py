"""What a unit has refused to read, remembered so that it is not asked again and again. Pure; times are seconds."""

from collections.abc import Iterable, Mapping
from enum import IntEnum, auto

from drivers.places.modbus import Table

Span = tuple[int, int]
"""Addresses: from the first to behind the last."""

FIRST_PAUSE_S = 60.0
"""A hole is tried again this soon: a device that has just started may refuse what it will have in a moment."""
LAST_PAUSE_S = 3600.0
"""Each time that it is refused again, twice as long passes; at most this."""
LAST_PAUSE_AFTER_FAILURE_S = 300.0
"""At most this after "device failure": a sensor that was broken gets mended."""

DEVICE_FAILURE = 4


class _Kind(IntEnum):
    REFUSED = auto()
    SEAM = auto()
    BLANK = auto()


_Key = tuple[_Kind, Table, Span]


class Holes:
    """The holes of one unit, for as long as its connection lives.

    `refused` are spans that were refused when they were asked for alone; `seams` are spans that cannot be read in one
    request, though what lies on both sides can. A blank is a span in which nothing at all was answered: it is still
    asked for as one, and answers as soon as the device does, but is not searched again for a while.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._again_at: dict[_Key, float] = {}
        self._pauses: dict[_Key, float] = {}
        self._codes: dict[tuple[Table, Span], int] = {}
        self._blank_until: dict[_Key, float] = {}

    def refused(self, table: Table) -> frozenset[Span]:
        """Give the spans that are refused."""
        return self._of(_Kind.REFUSED, table)

    def seams(self, table: Table) -> frozenset[Span]:
        """Give the spans that must not be read together."""
        return self._of(_Kind.SEAM, table)

    def code(self, table: Table, span: Span) -> int:
        """Give the exception code with which a span was refused last; KeyError for one that never was."""
        return self._codes[table, span]

    def is_blank(self, table: Table, span: Span, *, now: float) -> bool:
        """Whether a search of this span would find nothing, for all that is known."""
        return now < self._blank_until.get((_Kind.BLANK, table, span), now)

    def learn(self, table: Table, *, refused: Mapping[Span, int], seams: Iterable[Span], now: float) -> None:
        """Remember what a search has found: refused spans with their exception codes, and seams."""
        for span, code in refused.items():
            self._codes[table, span] = code
            self._again_at[_Kind.REFUSED, table, span] = now + self._pause((_Kind.REFUSED, table, span), code)
            self.revision += 1
        for span in seams:
            self._again_at[_Kind.SEAM, table, span] = now + self._pause((_Kind.SEAM, table, span))
            self.revision += 1

    def learn_blank(self, table: Table, span: Span, code: int, *, now: float) -> None:
        """Remember that a search found nothing that is answered."""
        key = (_Kind.BLANK, table, span)
        self._blank_until[key] = now + self._pause(key, code)

    def release(self, *, now: float = float("inf")) -> None:
        """Let one hole whose time has come be tried again (by default the first one, whatever the time).

        One, so that a read never grows by more than one search.
        """
        due = min(self._again_at, key=self._again_at.__getitem__, default=None)
        if due is not None and self._again_at[due] <= now:
            del self._again_at[due]
            self.revision += 1

    def _of(self, kind: _Kind, table: Table) -> frozenset[Span]:
        return frozenset(span for one, where, span in self._again_at if one is kind and where is table)

    def _pause(self, key: _Key, code: int = 0) -> float:
        """Give how long this is left alone now; the next time it is twice as long."""
        pause = self._pauses.get(key, FIRST_PAUSE_S)
        self._pauses[key] = min(2 * pause, LAST_PAUSE_AFTER_FAILURE_S if code == DEVICE_FAILURE else LAST_PAUSE_S)
        return pause

"""What a unit has refused to read, remembered so that it is not asked again and again. Pure; times are seconds."""

from collections.abc import Iterable

from drivers.profile import Table

Span = tuple[int, int]
"""Addresses: from the first to behind the last."""

FIRST_PAUSE_S = 60.0
"""A hole is tried again this soon: a device that has just started may refuse what it will have in a moment."""
LAST_PAUSE_S = 3600.0
"""Each time that it is refused again, twice as long passes; at most this."""


_Key = tuple[Table, Span, bool]


class Holes:
    """The holes of one unit, for as long as its connection lives.

    `refused` are spans that were refused when they were asked for alone; `seams` are spans that cannot be read in one
    request, though what lies on both sides can.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._again_at: dict[_Key, float] = {}
        self._pauses: dict[_Key, float] = {}

    def refused(self, table: Table) -> frozenset[Span]:
        """Give the spans that are refused."""
        return frozenset(span for where, span, is_seam in self._again_at if where is table and not is_seam)

    def seams(self, table: Table) -> frozenset[Span]:
        """Give the spans that must not be read together."""
        return frozenset(span for where, span, is_seam in self._again_at if where is table and is_seam)

    def learn(self, table: Table, *, refused: Iterable[Span], seams: Iterable[Span], now: float) -> None:
        """Remember what a search has found."""
        for span, is_seam in [*((one, False) for one in refused), *((one, True) for one in seams)]:
            key = (table, span, is_seam)
            pause = self._pauses.get(key, FIRST_PAUSE_S)
            self._pauses[key] = min(2 * pause, LAST_PAUSE_S)
            self._again_at[key] = now + pause
            self.revision += 1

    def release(self, *, now: float = float("inf")) -> None:
        """Let one hole whose time has come be tried again (by default the first one, whatever the time).

        One, so that a read never grows by more than one search.
        """
        due = min(self._again_at, key=self._again_at.__getitem__, default=None)
        if due is not None and self._again_at[due] <= now:
            del self._again_at[due]
            self.revision += 1

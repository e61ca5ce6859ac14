"""What time records get, and how far it can be trusted: a clock that starts in 1970, or is stepped. Pure.

What a record's time promises: it goes back only when the clock was set back while the agent ran, by more than a second
and never to before 2025, and then no further than the clock did. It does not lie before the last time that an earlier
run gave (the persisted floor), unless a time server has set the clock, or somebody sets it while the agent runs. No two
readings of a point get the same time, whatever the clock does (see `edge.spent`). Order is a matter of offsets, never
of times.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum

from edge.spent import Span, SpentTimes

EARLIEST_MS = 1_735_689_600_000
"""2025-01-01: no clock that says less is right, whatever is known of it."""
_STANDS_STILL_MS = 1_000
"""A clock that is set back by no more stands still for as long instead."""
_STEP_MS = 1_000
"""A difference of the wall clock to the monotonic one, between two looks, that is a step."""
_SHADOW_S = 60.0
"""How long after a step times are marked."""


class TimeQuality(StrEnum):
    """How far the time of a record can be trusted."""

    GOOD = "good"
    UNSYNCHRONISED = "unsynchronised"  # the system says that its clock has not been set by a time server
    BEHIND = "behind"  # the clock is behind what was known or given already; the record's time goes on from that
    STEPPED = "stepped"  # the clock was set to another time within the last minute


_UNTOLD = frozenset({TimeQuality.GOOD, TimeQuality.UNSYNCHRONISED})
"""What does not say by itself that a time may lie apart from the clock's."""


class RecordClock:
    """Gives times for records. `wall` is Unix ms; `monotonic` seconds, which go on while the machine sleeps.

    `synchronised` says whether a time server has set the clock, or None where that cannot be known or is not wanted.
    `floor_ms` is the last time that an earlier run gave, or None; `spent` are all times that earlier runs gave.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], int],
        monotonic: Callable[[], float],
        synchronised: Callable[[], bool | None],
        floor_ms: int | None,
        spent: Iterable[Span] = (),
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._synchronised = synchronised
        self._from = (max(floor_ms or 0, EARLIEST_MS), monotonic())  # where time goes on from, if the clock is behind
        self._times = SpentTimes(spent)
        self._seen: tuple[int, float] | None = None
        self._last_ms = 0
        self._stepped_at: float | None = None
        self._quality = TimeQuality.GOOD
        self.step_ms = 0
        self.steps = 0

    def __call__(self) -> int:
        """Give the time for a record made now."""
        return self.look()[0]

    @property
    def quality(self) -> TimeQuality:
        """How far the time that was given last can be trusted."""
        return self._quality

    @property
    def spent(self) -> tuple[Span, ...]:
        """All times that were ever given."""
        return self._times.spans

    @property
    def newest_ms(self) -> int:
        """No time that was given since the clock was last set back lies beyond this."""
        return self._times.newest_ms

    def after(self, at_ms: int) -> int:
        """Give the next time behind one that was given, for what happened at the same moment."""
        return self._times.after(at_ms)

    def look(self) -> tuple[int, TimeQuality]:
        """Give the time for a record made now, and how far it can be trusted."""
        wanted_ms, quality = self._look()
        at_ms = self._times.give(wanted_ms)
        late = at_ms - wanted_ms > _STANDS_STILL_MS and quality in _UNTOLD
        self._quality = TimeQuality.BEHIND if late else quality
        return at_ms, self._quality

    def _look(self) -> tuple[int, TimeQuality]:
        wall, now = self._wall(), self._monotonic()
        stepped = self._note_step(wall, now)
        synchronised = self._synchronised()
        goes_on = self._from[0] + int((now - self._from[1]) * 1000)
        believed = (stepped or bool(synchronised)) and wall >= EARLIEST_MS
        if not believed and wall < goes_on - _STANDS_STILL_MS:
            self._last_ms = max(goes_on, self._last_ms)
            return self._last_ms, TimeQuality.BEHIND
        self._from = (wall, now)
        at_ms = self._last_ms if 0 < self._last_ms - wall <= _STANDS_STILL_MS else wall
        if at_ms < self._last_ms and not stepped:
            self._step(at_ms - self._last_ms, now)  # in small steps, each too small to be one by itself
        self._last_ms = at_ms
        if self._stepped_at is not None and now - self._stepped_at < _SHADOW_S:
            return at_ms, TimeQuality.STEPPED
        return at_ms, TimeQuality.UNSYNCHRONISED if synchronised is False else TimeQuality.GOOD

    def _note_step(self, wall: int, now: float) -> bool:
        """Whether the clock was set since the last look."""
        before, self._seen = self._seen, (wall, now)
        if before is None:
            return False
        step = wall - before[0] - int((now - before[1]) * 1000)
        if abs(step) <= _STEP_MS:
            return False
        self._step(step, now)
        return True

    def _step(self, step_ms: int, now: float) -> None:
        self._stepped_at, self.step_ms = now, step_ms
        self.steps += 1

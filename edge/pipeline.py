"""From what a driver read to what is worth reporting: quality, deadband, heartbeat. Pure; one object per device."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from drivers.api import PointResult, Quality, Reading, Value
from drivers.profile import Point

_INT64 = 2**63
NOT_READ_YET = "not read yet"
ABSENT = "the device says: not available"


@dataclass(slots=True)
class Counts:
    """What a pipeline did with the readings that came in. `made` = reported + `held_back`."""

    made: int = 0
    held_back: int = 0


def judge(point: Point, result: PointResult, *, at_ms: int) -> Reading:
    """Give a result its quality. A BAD reading has no value here: what the point last showed is not known here."""

    def bad(reason: str) -> Reading:
        return Reading(point=result.point, value=None, quality=Quality.BAD, at_ms=at_ms, reason=reason)

    value = result.value
    if value is None:
        return bad(result.reason or ABSENT)
    if isinstance(value, float) and not math.isfinite(value):
        return bad(f"{value} is not a number")
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return bad(f"{value} does not fit into 64 bits with a sign")
    bounds = point.range
    if bounds is not None and not isinstance(value, bool | str) and not bounds.low <= value <= bounds.high:
        return bad(f"{value:g} is outside {bounds.low:g} to {bounds.high:g}")
    return Reading(point=result.point, value=value, quality=Quality.GOOD, at_ms=at_ms, reason=result.reason)


class DevicePipeline:
    """The points of one device: what each last showed, and which readings are worth a record.

    A reading is reported when it is the point's first, when its quality changed, when the value moved by at least the
    deadband (any change where there is none), or when `heartbeat` has passed since the point's last report. An event is
    always reported; a point that is `local` never is. Results of a point that the device does not have are left out.

    No two reports of a point have the same time: the store tells samples apart by it. `after` gives the next time
    behind one, for two reports of one moment. `now_ms` is the time that the clock gives at the start, and `newest_ms`
    one up to which points of this device may have been reported before, since the clock was last set back.
    """

    def __init__(
        self,
        points: Mapping[str, Point],
        *,
        heartbeat: timedelta,
        after: Callable[[int], int] = lambda at_ms: at_ms + 1,
        now_ms: int = 0,
        newest_ms: int = -1,
    ) -> None:
        self._points = points
        self._after = after
        self._now_ms = now_ms
        self._least_ms = newest_ms
        self._given: dict[str, int] = {}
        self.beat_every(heartbeat)
        self._shown: dict[str, Reading] = {}
        self._reported: dict[str, Reading] = {}
        self.counts = Counts()

    def beat_every(self, heartbeat: timedelta) -> None:
        """Report points that do not change this often, from now on."""
        self._heartbeat_ms = int(heartbeat.total_seconds() * 1000)

    def last(self, point: str) -> Reading:
        """Give what the point last showed; STALE and without a value when it was never read."""
        found = self._shown.get(point)
        if found is None:
            return Reading(point=point, value=None, quality=Quality.STALE, at_ms=0, reason=NOT_READ_YET)
        return found

    def take(self, results: Iterable[PointResult], *, at_ms: int) -> tuple[Reading, ...]:
        """Judge what was read; gives the readings to report, in the order of the results."""
        if at_ms < self._now_ms:
            # The clock was set back, and gives times now that nothing has: every point is reported again at these.
            self._given.clear()
            self._least_ms = -1
        self._now_ms = at_ms
        points = self._points
        judged = (judge(points[result.point], result, at_ms=at_ms) for result in results if result.point in points)
        return tuple(reading for one in judged if (reading := self._consider(one)) is not None)

    def unreachable(self, reason: str, *, at_ms: int) -> tuple[Reading, ...]:
        """Make every polled point BAD with its last value, because nothing can be read; gives what to report."""
        lost = (name for name, point in self._points.items() if point.polled)
        return self.take((PointResult(point=point, value=None, reason=reason) for point in lost), at_ms=at_ms)

    def _consider(self, reading: Reading) -> Reading | None:
        before = self._shown.get(reading.point)
        if reading.quality is not Quality.GOOD and before is not None:
            # The last known value stays, and the time is when the quality changed, not when that was seen again.
            again = before.quality is reading.quality and not self._points[reading.point].event
            reading = replace(reading, value=before.value, at_ms=before.at_ms if again else reading.at_ms)
        self.counts.made += 1
        news = self._is_news(reading)
        given = self._given.get(reading.point, self._least_ms)
        if news and reading.at_ms <= given:
            reading = replace(reading, at_ms=self._after(given))  # two events, or a poll and a command's read-back
        self._shown[reading.point] = reading
        if not news or self._points[reading.point].local:
            self.counts.held_back += 1
            return None
        self._reported[reading.point] = reading
        self._given[reading.point] = reading.at_ms
        return reading

    def _is_news(self, reading: Reading) -> bool:
        reported = self._reported.get(reading.point)
        if reported is None or reported.quality is not reading.quality or self._points[reading.point].event:
            return True
        if reading.quality is not Quality.GOOD:
            # A BAD point stays BAD since the same moment: saying so again would tell nothing that the record of the
            # change did not.
            return False
        if reading.at_ms - reported.at_ms >= self._heartbeat_ms or reading.point not in self._given:
            return True
        return moved(reported.value, reading.value, deadband=self._points[reading.point].deadband)


def moved(before: Value | None, now: Value | None, *, deadband: float) -> bool:
    """Whether a value changed by at least its deadband; any change counts where there is none."""
    if isinstance(before, int | float) and isinstance(now, int | float) and deadband > 0:
        return abs(now - before) >= deadband
    return before != now

"""Which readings of a device outlive telemetry: its events, and what makes or ends an alarm. Pure.

The cloud decides alarms; here it is only seen whether a condition of one changed its truth.
"""

from collections.abc import Iterable, Iterator, Mapping

from drivers.api import Quality, Reading, Value
from drivers.profile import Alarm, AlarmOverride, Condition, Profile
from edge.losses import RecordClass

Truth = tuple[object, ...]


class Worth:
    """Tells of each batch of reported readings of one device what it is worth, by what its points showed before.

    Before its first reading a point counts as one that makes no alarm.
    """

    def __init__(self, profile: Profile, overrides: Mapping[str, AlarmOverride]) -> None:
        self._profile = profile
        self._truths: dict[str, Truth] = {}
        self.override(overrides)

    def override(self, overrides: Mapping[str, AlarmOverride]) -> None:
        """Take other limits for the alarms, from now on."""
        self._conditions: dict[str, list[tuple[Condition, float]]] = {}
        self._codes: dict[str, set[str]] = {}
        for name, alarm in self._profile.alarms.items():
            limits = overrides[name].limits if name in overrides else {}
            for one in _with_limits(alarm, limits):
                self._conditions.setdefault(one.point, []).append((one, alarm.deadband))
            if alarm.point is not None:
                self._codes.setdefault(alarm.point, set()).update(alarm.codes)

    def judge(self, readings: Iterable[Reading]) -> RecordClass:
        """Say what a batch is worth: as much as the best of its readings. It counts as seen."""
        kinds = {self._judge_one(one) for one in readings}
        return next((one for one in (RecordClass.EVENT, RecordClass.ALARM) if one in kinds), RecordClass.TELEMETRY)

    def _judge_one(self, reading: Reading) -> RecordClass:
        point = self._profile.points.get(reading.point)
        if point is not None and point.event:
            return RecordClass.EVENT
        value = reading.value
        if reading.quality is not Quality.GOOD or value is None:
            return RecordClass.TELEMETRY  # a point that cannot be read makes no alarm, and ends none
        name = reading.point
        truth: Truth = tuple(
            holds for one, deadband in self._conditions.get(name, ()) for holds in _tests(one, value, deadband)
        )
        if name in self._codes:
            code = str(value)
            truth = (*truth, code if code in self._codes[name] else None)
        before = self._truths.get(name, tuple(None if one is None else _untrue(one) for one in truth))
        self._truths[name] = truth
        return RecordClass.TELEMETRY if truth == before else RecordClass.ALARM


def _untrue(one: object) -> object:
    return False if isinstance(one, bool) else None


def _with_limits(alarm: Alarm, limits: Mapping[str, float]) -> Iterator[Condition]:
    for one in alarm.when:
        limit = limits.get(one.point)
        if limit is None or (one.above is None and one.below is None):
            yield one
        else:
            yield one.model_copy(update={"above" if one.above is not None else "below": limit})


def _tests(condition: Condition, value: Value, deadband: float) -> Iterator[bool]:
    """Test a value: whether it makes the alarm, and for a limit also whether it is still within its deadband."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if condition.above is not None or condition.below is not None:
        for margin in (0.0, deadband):
            above = condition.above is not None and number is not None and number > condition.above - margin
            below = condition.below is not None and number is not None and number < condition.below + margin
            yield above or below
    elif condition.equals is not None:
        yield value == condition.equals
    elif condition.one_of is not None:
        yield number in condition.one_of
    else:
        yield number is not None and number not in (condition.not_one_of or ())

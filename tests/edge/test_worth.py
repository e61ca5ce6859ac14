"""What outlives telemetry: events, and the readings by which an alarm comes or goes."""

import pytest

from drivers.api import Quality, Reading, Value
from drivers.catalog import catalog_profile, profile_names
from drivers.profile import AlarmOverride, Profile
from edge.losses import RecordClass
from edge.worth import Worth
from tests.support.pump_profile import pump_profile

TELEMETRY, EVENT, ALARM, _ = RecordClass


def judged(worth: Worth, point: str, *values: Value | None, quality: Quality = Quality.GOOD) -> list[RecordClass]:
    return [worth.judge([Reading(point=point, value=one, quality=quality, at_ms=1)]) for one in values]


def with_limit(profile: Profile) -> tuple[str, str, float, float]:
    for name, alarm in profile.alarms.items():
        for one in alarm.when:
            if one.below is not None:
                return name, one.point, one.below, alarm.deadband
    raise AssertionError("the profile has no lower limit")


def test_only_the_readings_that_cross_a_limit_make_or_end_an_alarm() -> None:
    _, point, below, deadband = with_limit(pump_profile())
    worth = Worth(pump_profile(), {})
    safe = below + deadband + 1
    assert judged(worth, point, safe, safe + 1, below - 1, below - 1.5, safe, safe + 1) == [
        TELEMETRY,
        TELEMETRY,
        ALARM,
        TELEMETRY,
        ALARM,
        TELEMETRY,
    ]


def test_a_first_reading_that_makes_an_alarm_counts_and_a_bad_one_never_does() -> None:
    _, point, below, _ = with_limit(pump_profile())
    assert judged(Worth(pump_profile(), {}), point, below - 1) == [ALARM]
    worth = Worth(pump_profile(), {})
    assert judged(worth, point, below - 1, None, quality=Quality.BAD) == [TELEMETRY, TELEMETRY]


def test_the_limits_of_this_installation_count() -> None:
    name, point, below, deadband = with_limit(pump_profile())
    worth = Worth(pump_profile(), {name: AlarmOverride(limits={point: below - 10})})
    assert judged(worth, point, below - 1, below - 11) == [TELEMETRY, ALARM]
    worth.override({})
    assert judged(worth, point, below - 11, below + deadband + 1) != [TELEMETRY, TELEMETRY]


@pytest.mark.parametrize("name", sorted(profile_names()))
def test_every_device_of_the_catalogue_can_be_judged(name: str) -> None:
    profile = catalog_profile(name)
    worth = Worth(profile, {})
    for point, one in profile.points.items():
        for value in (True, 0, 1, 55, 1.5, "text"):
            found = judged(worth, point, value)[0]
            assert (found is EVENT) == one.event
        if any(alarm.point == point for alarm in profile.alarms.values()) and not one.event:
            code = next(int(c) for alarm in profile.alarms.values() if alarm.point == point for c in alarm.codes)
            assert judged(Worth(profile, {}), point, 0 if code else 1, code, code)[1:] == [ALARM, TELEMETRY]

"""A simulated sensor in which nothing is wrong raises none of its profile's alarms, and its faults raise some."""

from collections.abc import Mapping
from random import Random

import pytest

from drivers.api import Value
from drivers.catalog import catalog_profile
from drivers.profile import Alarm, Condition
from simulators.machines.registry import make_machine

SENSORS = (
    "aqualeak-10k",
    "calectro-ug3-smoke-detector",
    "eastron-sdm630",
    "generic-weighing-transmitter",
    "hach-ss7-turbidimeter",
    "igd-toc-635-gas-panel",
    "qdy30a-level-transmitter",
    "witmotion-wtvb01-485",
    "xy-md02",
    "xylem-cl500-chlorine",
)


def holds(condition: Condition, values: Mapping[str, Value]) -> bool:
    value = values[condition.point]
    if condition.above is not None:
        return float(value) > condition.above
    if condition.below is not None:
        return float(value) < condition.below
    if condition.one_of is not None:
        return value in condition.one_of
    if condition.not_one_of is not None:
        return value not in condition.not_one_of
    return value == condition.equals


def active(alarm: Alarm, values: Mapping[str, Value]) -> bool:
    if alarm.point is not None:
        return str(values[alarm.point]) in alarm.codes
    return all(holds(condition, values) for condition in alarm.when)


@pytest.mark.parametrize("name", SENSORS)
def test_a_healthy_sensor_raises_none_of_its_alarms(name: str) -> None:
    profile = catalog_profile(name)
    machine, random = make_machine(profile), Random(11)  # noqa: S311 - noise that repeats
    for _ in range(300):
        machine.step(1.0, random)
        values = machine.values()
        assert [alarm for alarm, about in profile.alarms.items() if active(about, values)] == []


def test_a_lost_phase_raises_the_alarm_of_that_phase_alone() -> None:
    profile = catalog_profile("eastron-sdm630")
    machine = make_machine(profile)
    machine.fault("phase-lost")
    values = machine.values()
    assert [alarm for alarm, about in profile.alarms.items() if active(about, values)] == ["phase_b_lost"]


def test_an_overvoltage_raises_the_alarm_of_that_phase_alone() -> None:
    profile = catalog_profile("eastron-sdm630")
    machine = make_machine(profile)
    machine.fault("overvoltage")
    values = machine.values()
    assert [alarm for alarm, about in profile.alarms.items() if active(about, values)] == ["voltage_a_high"]


WORSE = {
    "qdy30a-level-transmitter": ("level", (25.0, 50.0, 190.0), ("level_low_low", "level_low", "level_high")),
    "witmotion-wtvb01-485": ("velocity_x", (5.0, 7.0), ("vibration_x_high", "vibration_x_danger")),
    "xy-md02": ("temperature", (38.0, 50.0, 1.0), ("temperature_high", "temperature_too_high", "frost")),
    "xylem-cl500-chlorine": ("chlorine", (0.02, 3.0), ("chlorine_low", "chlorine_high")),
}


@pytest.mark.parametrize("name", WORSE)
def test_limits_that_follow_one_another_give_one_alarm_at_a_time(name: str) -> None:
    profile = catalog_profile(name)
    rest = make_machine(profile).values()
    point, figures, expected = WORSE[name]
    for figure, alarm in zip(figures, expected, strict=True):
        values = {**rest, point: figure}
        assert [found for found, about in profile.alarms.items() if active(about, values)] == [alarm]

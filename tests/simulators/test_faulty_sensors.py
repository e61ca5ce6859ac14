"""Measurements that drift or stick, on every kind of device that holds points."""

from random import Random

import pytest

from drivers.catalog import catalog_profile
from simulators.machines.api import Machine, UnknownFault
from simulators.machines.registry import make_machine

DEVICES = [
    ("grundfos-hydro-mpc", "suction_pressure"),
    ("nice3000-elevator", "bus_voltage"),
    ("xy-md02", "temperature"),
    ("dlt645-electricity-meter", "voltage_a"),
    ("milesight-em300-th", "temperature"),
]


def live(machine: Machine, seconds: int) -> None:
    random = Random(1)  # noqa: S311 - noise that repeats
    for _ in range(seconds):
        machine.step(1.0, random)


@pytest.mark.parametrize(("profile", "point"), DEVICES)
def test_a_drifting_sensor_goes_away_from_a_sound_one_and_is_exchanged_by_clearing(profile: str, point: str) -> None:
    sound, faulty = make_machine(catalog_profile(profile)), make_machine(catalog_profile(profile))
    faulty.fault(f"drift:{point}")
    away = []
    for _ in range(3):
        live(sound, 60)
        live(faulty, 60)
        away.append(float(faulty.values()[point]) - float(sound.values()[point]))
    assert 0 < away[0] < away[1] < away[2]
    assert faulty.active() == (f"drift:{point}",)
    faulty.clear("drift")
    assert faulty.active() == ()
    assert faulty.values()[point] == pytest.approx(sound.values()[point])


@pytest.mark.parametrize(("profile", "point"), DEVICES)
def test_a_stuck_sensor_stands_still_while_others_move(profile: str, point: str) -> None:
    machine = make_machine(catalog_profile(profile))
    live(machine, 5)
    machine.fault(f"stuck:{point}")
    held = machine.values()[point]
    live(machine, 120)
    assert machine.values()[point] == held
    machine.clear(None)
    assert machine.active() == ()


def test_a_point_that_is_no_measurement_is_refused_with_those_that_are() -> None:
    machine = make_machine(catalog_profile("xy-md02"))
    with pytest.raises(UnknownFault, match="drift:temperature"):
        machine.fault("drift:nothing")
    assert {"drift", "stuck"} <= set(machine.faults())

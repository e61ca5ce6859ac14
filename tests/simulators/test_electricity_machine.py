"""The electricity machine plays meters of any protocol: whatever unit a profile shows power in, the figures agree."""

from random import Random

import pytest

from drivers.catalog import catalog_profile
from simulators.machines.meter import ElectricityMachine

KILOWATTS, WATTS = "dlt645-electricity-meter", "eastron-sdm630"
PER_KW = {"kW": 1.0, "W": 1000.0}


def machine(name: str, seconds: int) -> ElectricityMachine:
    meter, random = ElectricityMachine(catalog_profile(name), time_scale=60), Random(3)  # noqa: S311 - noise that repeats
    for _ in range(seconds * 10):
        meter.step(0.1, random)
    return meter


@pytest.mark.parametrize("name", [KILOWATTS, WATTS])
def test_power_is_what_voltage_and_current_make_of_it(name: str) -> None:
    values = machine(name, 20).values()
    made_kw = (
        sum(float(values[f"voltage_{phase}"]) * float(values[f"current_{phase}"]) for phase in "abc") * 0.95 / 1000
    )
    unit = catalog_profile(name).points["power"].unit
    assert float(values["power"]) / PER_KW[unit] == pytest.approx(made_kw, rel=1e-3)


def test_the_two_meters_lead_the_same_life() -> None:
    in_kw, in_w = machine(KILOWATTS, 20).values(), machine(WATTS, 20).values()
    assert float(in_w["power"]) == pytest.approx(1000 * float(in_kw["power"]))


def test_the_phases_add_up_to_the_whole() -> None:
    values = machine(WATTS, 20).values()
    assert float(values["power"]) == pytest.approx(sum(float(values[f"power_{phase}"]) for phase in "abc"))


def test_a_lost_phase_draws_no_power() -> None:
    meter = machine(WATTS, 5)
    meter.fault("phase-lost")
    values = meter.values()
    assert (values["voltage_b"], values["current_b"], values["power_b"]) == (0.0, 0.0, 0.0)
    assert float(values["power_a"]) > 0

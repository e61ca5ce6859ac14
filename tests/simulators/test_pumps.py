from random import Random

import pytest

from drivers.catalog import catalog_profile
from simulators.machines.pump import PumpMachine
from tests.support.machines import SEEDS, chance, run
from tests.support.simulated_line import PUMP


def pump(seed: int = 1, *, profile: str = PUMP) -> tuple[PumpMachine, Random]:
    machine, random = PumpMachine(catalog_profile(profile), time_scale=60), chance(seed)
    run(machine, 10, random)
    return machine, random


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_pump_raises_none_of_its_alarms(seed: int) -> None:
    machine, random = pump(seed)
    for _ in range(180):
        run(machine, 1, random)
        values = machine.values()
        assert values["alarm_code"] == 0
        assert float(values["suction_pressure"]) > 0.5
        assert 4 < float(values["discharge_pressure"]) < 10
        assert values["running"] is True


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dry_run_takes_suction_flow_and_power_and_then_trips(seed: int) -> None:
    machine, random = pump(seed)
    before = machine.values()
    machine.fault("dry-run")
    run(machine, 3.5, random)  # the suction has fallen, noise included, and the set trips after 4 s
    early = machine.values()
    assert early["running"] is True
    assert float(early["suction_pressure"]) < 0.2
    assert float(early["power"]) < 0.5 * float(before["power"])
    run(machine, 12, random)
    late = machine.values()
    assert late["on"] is True
    assert late["running"] is False
    assert float(late["suction_pressure"]) < 0.2
    assert float(late["flow"]) < 0.5
    assert float(late["power"]) < 100
    assert late["alarm_code"] == 206  # water shortage, in the vendor's list
    assert late["alarm_active"] is True


def test_suction_stays_away_for_as_long_as_the_fault_lasts() -> None:
    machine, random = pump()
    machine.fault("dry-run")
    run(machine, 5, random)
    for _ in range(600):
        machine.step(0.1, random)
        assert float(machine.values()["suction_pressure"]) < 0.2


def test_after_a_dry_run_the_set_starts_again_by_itself() -> None:
    machine, random = pump()
    machine.fault("dry-run")
    run(machine, 20, random)
    machine.clear("dry-run")
    run(machine, 5, random)
    assert float(machine.values()["suction_pressure"]) > 1.0
    assert machine.values()["alarm_code"] == 0
    run(machine, 25, random)
    assert float(machine.values()["discharge_pressure"]) == pytest.approx(7.8, abs=0.8)


def test_a_drive_fault_shows_its_code_and_another_pump_takes_over() -> None:
    machine, random = pump()
    machine.fault("drive-fault")
    run(machine, 20, random)
    values = machine.values()
    assert values["alarm_code"] == 49
    assert (values["pump_1_running"], values["pump_1_fault"]) == (False, True)
    assert values["pump_2_running"] is True
    assert float(values["discharge_pressure"]) > 5


def test_a_stuck_sensor_shows_one_value_for_ever() -> None:
    machine, random = pump()
    machine.fault("stuck-sensor")
    machine.step(0.1, random)
    stuck = machine.values()["discharge_pressure"]
    run(machine, 10, random)
    assert machine.values()["discharge_pressure"] == stuck
    machine.clear(None)
    run(machine, 1, random)
    assert machine.values()["discharge_pressure"] != stuck


def test_a_setpoint_is_kept_at_once_and_takes_effect_slowly() -> None:
    machine, random = pump()
    machine.write("setpoint", 40.0)
    machine.step(0.1, random)
    values = machine.values()
    assert values["setpoint"] == pytest.approx(40.0)
    assert float(values["actual_setpoint"]) > 45
    run(machine, 30, random)
    assert machine.values()["actual_setpoint"] == pytest.approx(40.0)
    assert float(machine.values()["discharge_pressure"]) == pytest.approx(6.4, abs=0.7)


def test_the_control_word_stops_and_starts_the_set() -> None:
    machine, random = pump()
    machine.write("control", 1)
    run(machine, 5, random)
    assert (machine.values()["on"], machine.values()["running"]) == (False, False)
    run(machine, 10, random)
    assert machine.values()["power"] == 0
    machine.write("control", 3)
    run(machine, 5, random)
    assert (machine.values()["on"], machine.values()["running"]) == (True, True)


def test_a_peak_of_demand_brings_in_another_pump_and_the_night_sends_it_away() -> None:
    machine, random = PumpMachine(catalog_profile(PUMP), time_scale=600), chance(3)
    staged = set()
    for _ in range(144):  # a whole day
        run(machine, 1, random)
        staged.add(sum(machine.values()[f"pump_{n}_running"] is True for n in (1, 2, 3)))
    assert {1, 2} <= staged


def test_a_value_outside_the_range_is_refused() -> None:
    machine, _ = pump()
    with pytest.raises(ValueError, match="outside"):
        machine.write("setpoint", 130.0)


# ---- a booster set in psi, with a start switch in place of a control word

SWITCHED_PUMP = "xylem-aquaforce"


def switched_pump(seed: int = 1) -> tuple[PumpMachine, Random]:
    return pump(seed, profile=SWITCHED_PUMP)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_set_in_psi_stays_inside_its_alarm_limits(seed: int) -> None:
    machine, random = switched_pump(seed)
    for _ in range(180):
        run(machine, 1, random)
        values = machine.values()
        assert values["alarm_active"] is False
        assert float(values["suction_pressure"]) > 9
        assert 44 < float(values["discharge_pressure"]) < 140
        assert values["pump_1_running"] is True


def test_the_start_switch_stops_and_starts_the_set_and_shows_where_it_stands() -> None:
    machine, random = switched_pump()
    machine.write("start", value=False)
    run(machine, 15, random)
    values = machine.values()
    assert (values["start"], values["on"], values["pump_1_running"], values["power"]) == (False, False, False, 0)
    machine.write("start", value=True)
    run(machine, 5, random)
    values = machine.values()
    assert (values["start"], values["on"], values["pump_1_running"]) == (True, True, True)


def test_a_dry_run_and_a_drive_fault_show_in_psi_too() -> None:
    machine, random = switched_pump()
    machine.fault("drive-fault")
    run(machine, 20, random)
    values = machine.values()
    assert (values["pump_1_fault"], values["pump_2_running"], values["alarm_active"]) == (True, True, True)
    machine.clear(None)
    machine.fault("dry-run")
    run(machine, 20, random)
    low = 0
    for _ in range(100):
        run(machine, 1, random)
        low += float(machine.values()["suction_pressure"]) < 6
    assert low == 100
    assert (machine.values()["on"], machine.values()["alarm_active"]) == (True, True)


def test_a_setpoint_in_psi_takes_effect() -> None:
    machine, random = switched_pump()
    machine.write("setpoint", 70)
    run(machine, 20, random)
    assert machine.values()["actual_setpoint"] == 70
    assert float(machine.values()["discharge_pressure"]) == pytest.approx(70, abs=12)

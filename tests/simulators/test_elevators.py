from random import Random

import pytest

from drivers.catalog import catalog_profile
from simulators.machines.elevator import ElevatorMachine
from tests.support.machines import SEEDS, chance, run
from tests.support.simulated_line import ELEVATOR


def elevator(seed: int) -> tuple[ElevatorMachine, Random]:
    machine, random = ElevatorMachine(catalog_profile(ELEVATOR), time_scale=60), chance(seed)
    run(machine, 5 + seed * 3.7, random)
    return machine, random


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_elevator_never_moves_with_its_door_open_nor_stops_between_floors(seed: int) -> None:
    machine, random = elevator(seed)
    standing_off_floor = 0
    for _ in range(3000):
        machine.step(0.1, random)
        values = machine.values()
        if values["speed"]:
            assert values["door_closed"] is True
        off = values["speed"] == 0 and values["door_zone"] is False
        standing_off_floor = standing_off_floor + 1 if off else 0
        assert standing_off_floor == 0
        assert 0 <= float(values["position"]) <= 51
        assert values["fault_code"] == 0
        assert values["mode"] == 7


def test_an_elevator_travels_counts_and_carries() -> None:
    machine, random = elevator(1)
    count = int(machine.values()["run_count"])
    floors, loads, speeds, directions = set(), set(), set(), set()
    for _ in range(1800):
        machine.step(0.1, random)
        values = machine.values()
        floors.add(values["floor"])
        loads.add(values["passenger_present"])
        speeds.add(values["speed"])
        directions.add(values["direction"])
    assert len(floors) > 5
    assert loads == {True, False}
    assert max(float(speed) for speed in speeds) == pytest.approx(1.75)
    assert directions == {1, 2, 3}
    assert int(machine.values()["run_count"]) > count


def is_trapped(machine: ElevatorMachine) -> bool:
    values = machine.values()
    return values["passenger_present"] is True and values["door_zone"] is False and values["speed"] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_trapped_car_stands_between_floors_with_a_passenger_until_it_is_cleared(seed: int) -> None:
    machine, random = elevator(seed)
    machine.fault("trapped")
    waited = 0.0
    while not is_trapped(machine):
        machine.step(0.1, random)
        waited += 0.1
        assert waited < 30
    where = machine.values()["position"]
    for _ in range(600):
        machine.step(0.1, random)
        values = machine.values()
        assert is_trapped(machine)
        assert values["door_closed"] is True
        assert values["position"] == where
        assert values["door_state"] == 6
        assert values["mode"] == 7
    machine.clear("trapped")
    waited = 0.0
    while machine.values()["passenger_present"]:
        machine.step(0.1, random)
        waited += 0.1
        assert waited < 15
    assert machine.values()["door_zone"] is True
    assert machine.values()["door_closed"] is False


def test_an_open_safety_circuit_stops_the_car_with_its_code() -> None:
    machine, random = elevator(2)
    while not machine.values()["speed"]:
        machine.step(0.1, random)
    machine.fault("safety-circuit")
    run(machine, 3, random)
    values = machine.values()
    assert (values["speed"], values["fault_code"], values["mode"]) == (0.0, 41, 5)
    machine.clear(None)
    run(machine, 60, random)
    assert machine.values()["fault_code"] == 0


def test_a_door_fault_keeps_the_car_at_its_floor_with_a_code() -> None:
    machine, random = elevator(3)
    machine.fault("door-fault")
    run(machine, 60, random)
    assert machine.values()["fault_code"] == 49
    for _ in range(200):
        machine.step(0.1, random)
        assert machine.values()["speed"] == 0
        assert machine.values()["door_zone"] is True
    machine.clear(None)
    assert machine.values()["fault_code"] == 0


def test_inspection_lets_passengers_out_and_then_only_creeps() -> None:
    machine, random = elevator(4)
    machine.fault("inspection")
    run(machine, 90, random)
    assert machine.values()["mode"] == 0
    for _ in range(600):
        machine.step(0.1, random)
        values = machine.values()
        assert values["passenger_present"] is False
        assert float(values["speed"]) <= 0.3
    machine.clear(None)
    run(machine, 60, random)
    assert machine.values()["mode"] == 7


# ---- an elevator that speaks as a drive does

DRIVE = "invertek-elevator-core"


def driven(seed: int) -> tuple[ElevatorMachine, Random]:
    machine, random = ElevatorMachine(catalog_profile(DRIVE), time_scale=60), chance(seed)
    run(machine, 5 + seed * 3.7, random)
    return machine, random


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_drive_runs_both_ways_with_the_door_closed_and_stands_at_floors(seed: int) -> None:
    machine, random = driven(seed)
    fastest, slowest = 0.0, 0.0
    for _ in range(3000):
        machine.step(0.1, random)
        values = machine.values()
        frequency = float(values["output_frequency"])
        fastest, slowest = max(fastest, frequency), min(slowest, frequency)
        assert values["running"] is (frequency != 0)
        assert values["door_closed" if values["running"] else "door_zone"] is True
        assert [values[name] for name in ("tripped", "sto_open", "inspection", "alarm_button")] == [False] * 4
        assert values["fault_code"] == 0
        if not values["running"]:
            assert (values["current"], values["torque"]) == (0.0, 0.0)
    assert fastest == pytest.approx(50)
    assert slowest == pytest.approx(-50)


def test_a_passenger_is_trapped_behind_a_drive_too() -> None:
    machine, random = driven(1)
    machine.fault("trapped")
    run(machine, 30, random)
    values = machine.values()
    told = [values[name] for name in ("passenger_present", "door_zone", "running", "inspection", "door_closed")]
    assert told == [True, False, False, False, True]


def test_an_open_safety_circuit_trips_a_drive() -> None:
    machine, random = driven(2)
    while not machine.values()["running"]:
        machine.step(0.1, random)
    machine.fault("safety-circuit")
    run(machine, 3, random)
    values = machine.values()
    assert (values["tripped"], values["sto_open"], values["running"], values["fault_code"]) == (True, True, False, 0)
    machine.clear(None)
    run(machine, 60, random)
    assert machine.values()["tripped"] is False


def test_inspection_creeps_and_a_quiet_night_brings_standby() -> None:
    machine, random = driven(4)
    machine.fault("inspection")
    run(machine, 90, random)
    for _ in range(600):
        machine.step(0.1, random)
        assert machine.values()["inspection"] is True
        assert abs(float(machine.values()["output_frequency"])) < 10
    quiet = ElevatorMachine(catalog_profile(DRIVE))
    seen = set()
    for _ in range(600):
        run(quiet, 1, random)
        seen.add(quiet.values()["standby"])
    assert seen == {True, False}

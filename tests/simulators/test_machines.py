from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.catalog import catalog_profile, profile_names
from drivers.profile import Profile
from runtime.config import validate
from simulators.machines.api import Machine, UnknownFault
from simulators.machines.elevator import ElevatorMachine
from simulators.machines.generic import OUT_OF_RANGE, GenericMachine
from simulators.machines.pump import PumpMachine
from simulators.machines.registry import MACHINES, make_machine
from tests.support.simulated_line import ELEVATOR, PUMP
from tests.support.stored import shown

SEEDS = range(12)


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - noise that repeats


def run(machine: Machine, seconds: float, random: Random) -> None:
    for _ in range(round(seconds * 10)):
        machine.step(0.1, random)


def within(profile: Profile, machine: Machine) -> None:
    """Every point has a value, it fits its registers, and its range."""
    values = machine.values()
    assert set(values) == set(profile.points)
    for name, value in values.items():
        point = profile.points[name]
        held = shown(point, value)
        assert held is not None, name
        assert type(held) is point.value_type, name
        if point.range is not None and OUT_OF_RANGE not in machine.active():
            assert point.range.low <= float(held) <= point.range.high, name


@pytest.mark.parametrize("name", profile_names())
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_values_always_fit_registers_and_ranges(name: str, seed: int, data: st.DataObject) -> None:
    profile = catalog_profile(name)
    machine = make_machine(profile, time_scale=data.draw(st.sampled_from([1.0, 60.0, 3600.0])))
    random = chance(seed)
    within(profile, machine)
    for _ in range(6):
        deed = data.draw(st.sampled_from(["none", "fault", "clear"]))
        if deed == "fault":
            machine.fault(data.draw(st.sampled_from(machine.faults())))
        elif deed == "clear":
            machine.clear(None)
        for _ in range(5):
            machine.step(data.draw(st.floats(0.01, 5)), random)
            within(profile, machine)


@pytest.mark.parametrize("name", profile_names())
def test_the_same_seed_gives_the_same_life(name: str) -> None:
    profile = catalog_profile(name)
    first, second = make_machine(profile, time_scale=60), make_machine(profile, time_scale=60)
    run(first, 20, chance(7))
    run(second, 20, chance(7))
    assert first.values() == second.values()


@pytest.mark.parametrize("name", profile_names())
def test_an_unknown_fault_names_the_known_ones(name: str) -> None:
    machine = make_machine(catalog_profile(name))
    for act in (machine.fault, machine.clear):
        with pytest.raises(UnknownFault, match=machine.faults()[0]):
            act("no-such-fault")


@pytest.mark.parametrize("name", profile_names())
def test_faults_are_listed_while_they_last(name: str) -> None:
    machine = make_machine(catalog_profile(name))
    for fault in machine.faults():
        machine.fault(fault)
        machine.fault(fault)
    assert set(machine.active()) == set(machine.faults())
    machine.clear(machine.faults()[0])
    assert machine.faults()[0] not in machine.active()
    machine.clear(None)
    assert machine.active() == ()


# ---- the pump


def pump(seed: int = 1) -> tuple[PumpMachine, Random]:
    machine, random = PumpMachine(catalog_profile(PUMP), time_scale=60), chance(seed)
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
    machine, random = PumpMachine(catalog_profile(SWITCHED_PUMP), time_scale=60), chance(seed)
    run(machine, 10, random)
    return machine, random


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


# ---- the elevator


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


# ---- any other device


def meter() -> Profile:
    text = {"zh": "表", "en": "Meter"}

    def point(address: int, kind: str, sample: object, **more: object) -> dict[str, object]:
        where = {"table": "holding", "address": address, "type": kind, **({"length": 4} if kind == "string" else {})}
        return {"label": text, "modbus": where, "poll": "1s", "sample": sample, **more}

    points = {
        "level": point(0, "float32", 2.5, unit="m", range={"low": 0.0, "high": 5.0}, deadband=0.01),
        "state": point(2, "uint16", 1, enumeration={"1": text}),
        "limit": point(3, "int16", 7, unit="m", range={"low": 0, "high": 9}),
        "serial": point(4, "string", "A1"),
    }
    document = {
        "schema": 1,
        "name": "some-meter",
        "version": "1.0.0",
        "kind": "meter",
        "label": text,
        "protocol": "modbus",
        "points": points,
    }
    return validate(Path("meter"), document, Profile)


def test_any_other_kind_of_device_gets_a_generic_machine() -> None:
    assert "meter" not in MACHINES
    played, generic = make_machine(meter()), GenericMachine(meter())
    assert played.faults() == (*generic.faults(), "drift", "stuck")
    left, right = chance(5), chance(5)
    for _ in range(20):
        played.step(1.0, left)
        generic.step(1.0, right)
    assert played.values() == generic.values()


def test_a_generic_machine_is_always_in_range() -> None:
    profile, random = meter(), chance(5)
    machine = make_machine(profile)
    for _ in range(500):
        machine.step(0.3, random)
        within(profile, machine)


def test_what_is_written_stays() -> None:
    machine, random = make_machine(meter()), chance(5)
    machine.write("limit", 3)
    machine.write("serial", "B2")
    run(machine, 10, random)
    assert (machine.values()["limit"], machine.values()["serial"]) == (3, "B2")


def test_measurements_stop_when_stuck_and_leave_their_range_on_demand() -> None:
    profile = catalog_profile(PUMP)
    machine, random = GenericMachine(profile), chance(1)
    run(machine, 5, random)
    before = dict(machine.values())
    machine.fault("stuck-sensor")
    run(machine, 5, random)
    assert machine.values() == before
    machine.fault("out-of-range")
    assert float(machine.values()["discharge_pressure"]) > 25

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.catalog import catalog_profile, profile_names
from drivers.profile import Profile
from runtime.config import validate
from simulators.machines.api import Machine, UnknownFault
from simulators.machines.generic import OUT_OF_RANGE, GenericMachine
from simulators.machines.registry import MACHINES, make_machine
from tests.support.machines import chance, run
from tests.support.simulated_line import PUMP
from tests.support.stored import shown


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

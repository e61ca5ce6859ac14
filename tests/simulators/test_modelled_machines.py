"""Machines with behaviour of their own: what they do when all is well, and what a fault does to them."""

from collections.abc import Iterator, Mapping
from random import Random

import pytest

from drivers.api import Value
from drivers.catalog import catalog_profile
from simulators.machines.api import Machine, UnknownFault
from simulators.machines.registry import make_machine


class Played:
    """A machine of the catalogue that is watched."""

    def __init__(self, profile: str, *, time_scale: float = 1.0) -> None:
        self.machine: Machine = make_machine(catalog_profile(profile), time_scale=time_scale)
        self._random = Random(3)  # noqa: S311 - noise that repeats

    def __getitem__(self, point: str) -> Value:
        return self.machine.values()[point]

    def number(self, point: str) -> float:
        return float(self[point])

    def seconds(self, count: int) -> Iterator[Mapping[str, Value]]:
        for _ in range(count):
            self.machine.step(1.0, self._random)
            yield self.machine.values()

    def live(self, seconds: int) -> None:
        for _ in self.seconds(seconds):
            pass


# ---- sump


def sump() -> Played:
    return Played("wilo-control-ec-l")


def test_pumps_of_a_sump_take_turns_and_keep_the_level() -> None:
    seen: list[int] = []
    for values in sump().seconds(3600):
        running = [n for n in (1, 2) if values[f"pump_{n}_running"]]
        assert len(running) < 2
        if running and seen[-1:] != running:
            seen += running
        assert 15 < float(values["level"]) < 100
        assert values["collective_fault"] is False
    assert len(seen) > 3
    assert seen == [seen[0], 3 - seen[0]] * (len(seen) // 2) + seen[: len(seen) % 2]


def test_the_other_pump_stands_in_for_one_that_tripped() -> None:
    pit = sump()
    pit.machine.fault("pump-1-trip")
    runs = [n for values in pit.seconds(1800) for n in (1, 2) if values[f"pump_{n}_running"]]
    assert set(runs) == {2}
    assert (pit["pump_1_fault"], pit["high_water"]) == (True, False)


def test_a_storm_is_more_than_both_pumps_take() -> None:
    pit = sump()
    pit.machine.fault("storm")
    pit.live(180)
    assert (pit["high_water"], pit["pump_1_running"], pit["pump_2_running"]) == (True, True, True)
    pit.machine.clear("storm")
    pit.live(180)
    assert (pit["high_water"], pit["pump_running"]) == (False, False)


def test_pumps_without_supply_let_the_sump_rise() -> None:
    pit = sump()
    pit.machine.fault("supply-lost")
    pit.live(900)
    assert (pit["high_water"], pit["pump_running"], pit["supply_fault"]) == (True, False, True)


def test_a_contactor_that_sticks_pumps_the_sump_dry() -> None:
    pit = sump()
    pit.machine.fault("stuck-contactor")
    pit.live(300)
    assert (pit["dry_run"], pit["float_dry_run"], pit["pump_running"]) == (True, False, True)


# ---- uninterruptible power supply


def ups() -> Played:
    return Played("apc-smart-ups")


def test_without_mains_the_battery_lasts_as_long_as_it_says() -> None:
    power = ups()
    says = power.number("runtime")
    power.machine.fault("mains-lost")
    lasted = sum(values["on_battery"] is True for values in power.seconds(round(1.5 * says)))
    assert lasted == pytest.approx(says, rel=0.1)
    assert (power["output_off"], power["output_voltage"], power["charge"]) == (True, 0.0, 0.0)


def test_a_supply_tells_before_its_battery_is_empty() -> None:
    power = ups()
    power.machine.fault("weak-battery")
    power.machine.fault("mains-lost")
    states = [(values["shutdown_imminent"], values["output_off"]) for values in power.seconds(600)]
    turns = [now for before, now in zip([(False, False), *states], states, strict=False) if now != before]
    assert turns == [(True, False), (False, True)]


def test_with_the_mains_back_the_battery_is_charged_slowly() -> None:
    power = ups()
    power.machine.fault("mains-lost")
    power.live(900)
    low = power.number("charge")
    power.machine.clear("mains-lost")
    power.live(600)
    assert (power["online"], power["on_battery"]) == (True, False)
    assert low < power.number("charge") < low + 10


def test_an_overload_goes_by_the_bypass() -> None:
    power = ups()
    power.machine.fault("overload")
    power.live(60)
    assert power.number("load") > 100
    assert (power["overload"], power["on_bypass"], power["fault"]) == (True, True, True)


# ---- escalator


def escalator() -> Played:
    return Played("scad-udku-escalator")


def word(played: Played, point: str) -> str:
    return catalog_profile("scad-udku-escalator").points[point].enumeration[str(played[point])].en


def test_a_safety_contact_stops_it_within_its_braking_distance() -> None:
    stairs = escalator()
    stairs.live(10)
    assert (word(stairs, "state"), stairs["brake_contactor"]) == ("Running up", True)
    stairs.machine.fault("landing-lower")
    stairs.live(5)
    assert (word(stairs, "state"), stairs["speed"], stairs["landing_lower"]) == ("Stopped", 0.0, True)
    assert (stairs["up_contactor"], stairs["brake_contactor"]) == (False, False)
    assert 100 < stairs.number("braking_distance") < 1000
    assert stairs["braking_normal"] is True


def test_it_is_started_again_some_seconds_after_the_contact_is_closed() -> None:
    stairs = escalator()
    stairs.machine.fault("stop-upper")
    stairs.live(20)
    stairs.machine.clear("stop-upper")
    stairs.live(2)
    assert stairs["speed"] == 0.0
    stairs.live(15)
    assert stairs.number("speed") == pytest.approx(0.5, abs=0.05)


def test_a_bad_brake_takes_a_long_way() -> None:
    stairs = escalator()
    stairs.machine.fault("bad-brake")
    stairs.live(20)
    assert (stairs["speed"], stairs["braking_normal"]) == (0.0, False)


def test_it_turns_round_only_after_it_stood() -> None:
    stairs = escalator()
    stairs.machine.fault("runs-down")
    speeds = [(float(values["speed"]), values["down_contactor"]) for values in stairs.seconds(20)]
    assert any(speed == 0 and not down for speed, down in speeds)
    assert word(stairs, "state") == "Running down"


# ---- charging post


def test_a_post_counts_what_the_car_takes() -> None:
    post = Played("keba-kecontact-p30")
    post.live(30)
    before, taken = post.number("energy"), 0.0
    for values in post.seconds(900):
        taken += float(values["power"]) / 3.6e6
    assert taken > 1
    assert post.number("energy") - before == pytest.approx(taken, rel=0.02)


def test_cars_come_and_go() -> None:
    post = Played("keba-kecontact-p30", time_scale=600)
    states = {values["state"] for values in post.seconds(300)}
    cables = {values["cable"] for values in post.seconds(300)}
    assert states == {1, 2, 3}
    assert cables == {0, 7}


def test_a_faulty_post_gives_nothing() -> None:
    post = Played("keba-kecontact-p30")
    post.machine.fault("fault")
    post.live(60)
    assert post["state"] == 4
    assert post.number("power") < 1
    assert post["error_code"] != 0
    post.machine.clear("fault")
    post.live(30)
    assert post["state"] == 3
    assert post.number("power") > 5000


# ---- water, and detectors


def test_chlorine_falls_slowly_and_comes_back() -> None:
    water = Played("xylem-cl500-chlorine")
    water.machine.fault("chlorine-falls")
    water.live(10)
    assert 0.3 < water.number("chlorine") < 0.5
    water.live(170)
    assert water.number("chlorine") < 0.05
    water.machine.clear(None)
    water.live(120)
    assert water.number("chlorine") > 0.4


def test_a_tank_that_leaks_sinks() -> None:
    tank = Played("qdy30a-level-transmitter")
    tank.machine.fault("leak")
    levels = [float(values["level"]) for values in tank.seconds(200)]
    assert levels[5] > 120
    assert levels[-1] < 30


def test_gas_alarms_low_before_it_alarms_high() -> None:
    panel = Played("igd-toc-635-gas-panel")
    panel.machine.fault("gas-leak-2")
    stages = [(values["gas_2_alarm_1"], values["gas_2_alarm_2"]) for values in panel.seconds(60)]
    assert stages.index((True, False)) < stages.index((True, True))
    assert panel["gas_1_alarm_1"] is False


# ---- alarms on demand


def test_a_measurement_moves_to_the_alarm_and_back() -> None:
    room = Played("xy-md02")
    room.live(5)
    rest = room.number("temperature")
    room.machine.fault("alarm:temperature-too-high")
    room.live(1)
    under_way = room.number("temperature")
    room.live(20)
    hot = room.number("temperature")
    assert rest < under_way < hot
    room.machine.clear("alarm")
    room.live(20)
    assert room.number("temperature") == pytest.approx(rest, abs=3)
    assert room.machine.active() == ()


def test_one_code_of_a_list_is_shown() -> None:
    car = Played("nice3000-elevator")
    alarms = catalog_profile("nice3000-elevator").alarms
    name, alarm = next((name, alarm) for name, alarm in alarms.items() if alarm.codes)
    code = list(alarm.codes)[-1]
    car.machine.fault(f"alarm:{name}.{code}")
    assert car[alarm.point or ""] == int(code)
    assert car.machine.active() == (f"alarm:{name}.{code}",)


def test_an_alarm_that_the_profile_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(UnknownFault, match="alarm:temperature_too_high"):
        Played("xy-md02").machine.fault("alarm:flooding")

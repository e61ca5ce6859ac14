"""Simulated meters on real lines, read by the real drivers."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from pydantic import TypeAdapter

from drivers.address import DeviceAddress
from drivers.api import Device, Garbled, Refused, TimedOut
from drivers.catalog import catalog_profile
from drivers.dlt645.driver import find_address
from drivers.registry import BusSettings, open_bus, open_device
from drivers.serial_line.bus import SerialBus
from simulators.machines.registry import make_machine
from simulators.meters.server import serve_meters_pty, serve_meters_tcp
from simulators.meters.station import MeterStation, MeterStations
from simulators.witness import Witness, read_answered_points, read_changes, witness_files

ELECTRICITY = "dlt645-electricity-meter"
WATER = "cjt188-water-meter"
HEAT = "cjt188-heat-meter"
ADDRESSES = {ELECTRICITY: "000000000161", WATER: "78330011223344", HEAT: "00740012064713"}


def stations_of(folder: Path, *profiles: str) -> MeterStations:
    return MeterStations(
        [
            MeterStation(
                name=name,
                address=ADDRESSES[name],
                profile=catalog_profile(name),
                machine=make_machine(catalog_profile(name), time_scale=60),
                witness=Witness(folder, name, clock=time.time),
                random=Random(1),  # noqa: S311 - noise that repeats
            )
            for name in profiles
        ]
    )


@asynccontextmanager
async def bus_on(protocol: str, place: Mapping[str, object]) -> AsyncIterator[SerialBus]:
    data = {"protocol": protocol, "timeout": "300ms", "quiet": "100ms", **place}
    settings: BusSettings = TypeAdapter(BusSettings).validate_python(data)
    bus = open_bus(settings)
    assert isinstance(bus, SerialBus)
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()


def device_on(bus: SerialBus, profile: str) -> Device:
    return open_device(bus, DeviceAddress(address=ADDRESSES[profile]), catalog_profile(profile), name=profile)


@pytest.fixture(params=["pty", "tcp"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def played(stations: MeterStations, protocol: str, transport: str, folder: Path) -> AsyncIterator[SerialBus]:
    if transport == "pty":
        async with (
            serve_meters_pty(stations, protocol, link=folder / "line") as link,
            bus_on(protocol, {"port": str(link)}) as bus,
        ):
            yield bus
    else:
        async with (
            serve_meters_tcp(stations, protocol, host="127.0.0.1", port=0) as port,
            bus_on(protocol, {"host": "127.0.0.1", "port": port}) as bus,
        ):
            yield bus


@pytest.mark.parametrize("name", [ELECTRICITY, WATER, HEAT])
async def test_every_point_is_read_as_the_meter_holds_it(name: str, transport: str, tmp_path: Path) -> None:
    stations = stations_of(tmp_path, name)
    protocol = catalog_profile(name).protocol
    async with played(stations, protocol, transport, tmp_path) as bus:
        read = await device_on(bus, name).read(list(catalog_profile(name).points))
    stations.tick(0)
    held = {change.point: change.value for change in read_changes(witness_files(tmp_path, name)[1])}
    assert {point: result.value for point, result in read.items()} == held
    said = {answer.point: answer.value for answer in read_answered_points(witness_files(tmp_path, name)[0])}
    assert said == held


async def test_energy_and_volume_count_up(tmp_path: Path) -> None:
    stations = stations_of(tmp_path, ELECTRICITY, WATER)
    before = {name: dict(station.values()) for name, station in stations.by_name.items()}
    for _ in range(600):
        stations.tick(0.1)
    after = {name: station.values() for name, station in stations.by_name.items()}
    assert float(after[ELECTRICITY]["energy"]) > float(before[ELECTRICITY]["energy"]) + 1
    assert float(after[WATER]["volume"]) > float(before[WATER]["volume"]) + 1


async def test_a_lost_phase_is_seen_and_comes_back(tmp_path: Path) -> None:
    stations = stations_of(tmp_path, ELECTRICITY)
    async with played(stations, "dlt645", "pty", tmp_path) as bus:
        meter = device_on(bus, ELECTRICITY)
        stations.fault(ELECTRICITY, "phase-lost")
        stations.tick(0.1)
        read = await meter.read(["phase_a_lost", "phase_b_lost", "voltage_a", "voltage_b", "current_b"])
        assert (read["phase_a_lost"].value, read["phase_b_lost"].value) == (False, True)
        assert (read["voltage_b"].value, read["current_b"].value) == (0.0, 0.0)
        assert float(read["voltage_a"].value or 0) > 200
        stations.clear(ELECTRICITY, None)
        stations.tick(0.1)
        assert (await meter.read(["phase_b_lost"]))["phase_b_lost"].value is False


async def test_a_leak_makes_the_counter_run(tmp_path: Path) -> None:
    stations = stations_of(tmp_path, WATER)
    station = stations.by_name[WATER]

    def used() -> float:
        before = float(station.values()["volume"])
        for _ in range(300):
            stations.tick(0.1)
        return float(station.values()["volume"]) - before

    sound = used()
    stations.fault(WATER, "leak")
    assert used() > sound + 0.3


async def test_a_stuck_meter_counts_no_more(tmp_path: Path) -> None:
    stations = stations_of(tmp_path, WATER, HEAT, ELECTRICITY)
    for name in stations.by_name:
        stations.fault(name, "stuck-sensor")
    before = {name: dict(station.values()) for name, station in stations.by_name.items()}
    for _ in range(50):
        stations.tick(0.1)
    assert {name: dict(station.values()) for name, station in stations.by_name.items()} == before


@pytest.mark.parametrize(
    ("fault", "error"), [("dead", TimedOut), ("late:400ms", TimedOut), ("wrong-crc", Garbled), ("exception-2", Refused)]
)
async def test_disturbed_answers_are_never_values(fault: str, error: type[Exception], tmp_path: Path) -> None:
    stations = stations_of(tmp_path, ELECTRICITY)
    async with played(stations, "dlt645", "pty", tmp_path) as bus:
        meter = device_on(bus, ELECTRICITY)
        stations.fault(ELECTRICITY, fault)
        with pytest.raises(error):
            await meter.read(["energy"])
        stations.clear(ELECTRICITY, None)
        await asyncio.sleep(0.2)
        assert (await meter.read(["energy"]))["energy"].value is not None


async def test_a_late_answer_of_another_identifier_is_drained(tmp_path: Path) -> None:
    stations = stations_of(tmp_path, ELECTRICITY)
    async with played(stations, "dlt645", "pty", tmp_path) as bus:
        meter = device_on(bus, ELECTRICITY)
        for _ in range(5):
            stations.fault(ELECTRICITY, "late:350ms")
            with pytest.raises(TimedOut):
                await meter.read(["energy"])
            stations.clear(ELECTRICITY, None)
            voltage = (await meter.read(["voltage_a"]))["voltage_a"].value
            assert voltage is not None
            assert 190 < float(voltage) < 250


async def test_a_water_meter_is_deaf_for_the_other_edition(tmp_path: Path) -> None:
    stations = stations_of(tmp_path, WATER)
    profile = catalog_profile(WATER)
    other = profile.model_copy(update={"cjt188": profile.cjt188.model_copy(update={"edition": 2018})})
    async with played(stations, "cjt188", "pty", tmp_path) as bus:
        meter = open_device(bus, DeviceAddress(address=ADDRESSES[WATER]), other, name=WATER)
        with pytest.raises(TimedOut):
            await meter.read(["volume"])


async def test_the_meter_tells_its_address(transport: str, tmp_path: Path) -> None:
    stations = stations_of(tmp_path, ELECTRICITY)
    async with played(stations, "dlt645", transport, tmp_path) as bus:
        assert await find_address(bus, device="line") == ADDRESSES[ELECTRICITY]


async def test_a_dropped_line_comes_back(tmp_path: Path) -> None:
    stations = stations_of(tmp_path, ELECTRICITY)
    async with played(stations, "dlt645", "pty", tmp_path) as bus:
        meter = device_on(bus, ELECTRICITY)
        await meter.read(["energy"])
        stations.fault(ELECTRICITY, "line-dropped")
        await asyncio.sleep(0.05)
        assert not bus.connected
        stations.clear(ELECTRICITY, None)
        await bus.connect()
        assert (await meter.read(["energy"]))["energy"].value is not None


async def test_a_half_open_connection_is_given_up_and_a_new_one_works(tmp_path: Path) -> None:
    stations = stations_of(tmp_path, ELECTRICITY)
    async with played(stations, "dlt645", "tcp", tmp_path) as bus:
        meter = device_on(bus, ELECTRICITY)
        await meter.read(["energy"])
        stations.fault(ELECTRICITY, "half-open")
        for _ in range(2):
            with pytest.raises(TimedOut):
                await meter.read(["energy"])
        assert not bus.connected
        await bus.connect()
        assert (await meter.read(["energy"]))["energy"].value is not None

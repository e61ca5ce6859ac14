"""A simulated thermal array on real lines, read by the real driver."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from drivers.api import Garbled, TimedOut, Unreachable
from drivers.catalog import catalog_profile
from drivers.thermal_array.codec import Decoder, Frame
from drivers.thermal_array.driver import ThermalArray, ThermalArrayBus
from simulators.devices import Devices
from simulators.lines.thermal_array import ThermalArrayStation, picture_frame
from simulators.machines.thermal import ThermalArrayMachine
from simulators.witness import read_answered_points, witness_files
from tests.support.spoken_lines import NAME, back, chance, opened, spoken_line

PROFILE = catalog_profile("gy-mcu90640-thermal-array")
POINTS = list(PROFILE.points)


@asynccontextmanager
async def played(
    folder: Path, transport: str = "pty", **settings: object
) -> AsyncIterator[tuple[Devices[ThermalArrayStation], ThermalArray]]:
    machine = ThermalArrayMachine(PROFILE)
    async with spoken_line(folder, transport, ThermalArrayStation, machine, PROFILE) as (devices, place):
        more = {"protocol": "thermal-array", "timeout": "1.5s", "stale": "1s", **settings}
        async with opened(PROFILE, {**place, **more}) as (_, device):
            assert isinstance(device, ThermalArray)
            yield devices, device


async def fresh(array: ThermalArray, seconds: float) -> dict[str, object]:
    await asyncio.sleep(seconds)
    return {name: result.value for name, result in (await array.read(POINTS)).items()}


@pytest.mark.parametrize("transport", ["pty", "tcp"])
async def test_every_figure_is_one_that_the_module_sent(transport: str, tmp_path: Path) -> None:
    async with played(tmp_path, transport) as (_, array):
        reads = [await fresh(array, 0.3) for _ in range(4)]
    said: dict[str, set[object]] = {}
    for answer in read_answered_points(witness_files(tmp_path, NAME)[0]):
        said.setdefault(answer.point, set()).add(answer.value)
    for read in reads:
        assert {name: value for name, value in read.items() if value not in said[name]} == {}
    assert len({read["mean"] for read in reads}) > 1


async def test_the_frame_has_the_very_pixels(tmp_path: Path) -> None:
    machine = ThermalArrayMachine(PROFILE)
    machine.step(0.1, chance(3))
    (frame,) = Decoder().feed(picture_frame(machine.hundredths, machine.ambient_hundredths))
    assert isinstance(frame, Frame)
    assert np.frombuffer(frame.pixels, dtype="<i2").tolist() == list(machine.hundredths)


async def test_a_joint_grows_hot_and_the_others_do_not(tmp_path: Path) -> None:
    async with played(tmp_path) as (devices, array):
        before = await fresh(array, 0.4)
        devices.fault(NAME, "hot-spot")
        for _ in range(300):
            devices.by_name[NAME].machine.step(0.1, chance(1))
        after = await fresh(array, 0.6)
    assert float(str(before["difference"])) < 2
    assert float(str(after["difference"])) > 20
    assert float(str(after["part_b"])) > float(str(after["part_a"])) + 20
    assert float(str(after["rise"])) > 20


async def test_somebody_who_stands_there_is_warm(tmp_path: Path) -> None:
    async with played(tmp_path) as (devices, array):
        devices.fault(NAME, "person")
        assert float(str((await fresh(array, 0.6))["maximum"])) > 33
        picture = array.latest()
        assert picture is not None
        assert picture.temperatures[16:24].max() > picture.temperatures[:4].max() + 5


async def test_a_defective_pixel_spoils_only_what_looks_at_it(tmp_path: Path) -> None:
    async with played(tmp_path) as (devices, array):
        devices.fault(NAME, "defective-pixel")
        await asyncio.sleep(0.6)
        read = await array.read(POINTS)
    assert (read["maximum"].value, read["part_a"].value is None) == (None, False)
    assert "no temperature" in read["maximum"].reason


async def test_rate_and_emissivity_are_set_and_query_mode_asks(tmp_path: Path) -> None:
    async with played(tmp_path, rate=2.0, emissivity=0.9) as (devices, _):
        await asyncio.sleep(0.2)
        station = devices.by_name[NAME]
        assert (station.rate, station.emissivity, station.automatic) == (2.0, 90, True)
    async with played(tmp_path, mode="query") as (devices, array):
        await asyncio.sleep(0.2)
        assert devices.by_name[NAME].automatic is False
        assert (await array.read(["maximum"]))["maximum"].value is not None


@pytest.mark.parametrize(
    ("fault", "error"), [("dead", TimedOut), ("wrong-crc", Garbled), ("truncated", Garbled)], ids=str
)
async def test_broken_pictures_are_never_values(fault: str, error: type[Exception], tmp_path: Path) -> None:
    async with played(tmp_path) as (devices, array):
        await fresh(array, 0.3)
        devices.fault(NAME, fault)
        await asyncio.sleep(1.2)
        assert array.latest() is None
        with pytest.raises(error):
            await array.read(POINTS)
        devices.clear(NAME, None)
        assert (await array.read(["maximum"]))["maximum"].value is not None


async def test_noise_between_pictures_costs_nothing(tmp_path: Path) -> None:
    async with played(tmp_path) as (devices, array):
        devices.fault(NAME, "noise")
        await fresh(array, 1.0)
        assert array.latest() is not None


async def test_a_module_whose_stream_stopped_is_started_again(tmp_path: Path) -> None:
    async with played(tmp_path) as (devices, array):
        await fresh(array, 0.3)
        devices.by_name[NAME].automatic = False
        await asyncio.sleep(1.2)
        assert (await array.read(["maximum"]))["maximum"].value is not None
        assert devices.by_name[NAME].automatic is True


@pytest.mark.parametrize("transport", ["pty", "tcp"])
async def test_a_dropped_line_comes_back(transport: str, tmp_path: Path) -> None:
    async with played(tmp_path, transport) as (devices, array):
        await fresh(array, 0.3)
        devices.fault(NAME, "line-dropped")
        await asyncio.sleep(0.2)
        assert not array.bus.connected
        with pytest.raises(Unreachable):
            await array.read(POINTS)
        devices.clear(NAME, None)
        await back(array.bus)
        await array.read(POINTS)


async def test_a_half_open_connection_is_given_up(tmp_path: Path) -> None:
    async with played(tmp_path, "tcp") as (devices, array):
        await fresh(array, 0.3)
        devices.fault(NAME, "half-open")
        await asyncio.sleep(1.2)
        for _ in range(2):
            with pytest.raises(TimedOut):
                await array.read(POINTS)
        assert isinstance(array.bus, ThermalArrayBus)
        assert not array.bus.connected
        await array.bus.connect()
        await array.read(POINTS)


def test_a_frozen_module_sends_the_same_picture() -> None:
    machine = ThermalArrayMachine(PROFILE)
    machine.fault("frozen")
    before = list(machine.hundredths)
    machine.step(1.0, chance(1))
    assert list(machine.hundredths) == before


def test_people_pass_by_themselves_and_go() -> None:
    machine, random = ThermalArrayMachine(PROFILE, time_scale=20), chance(5)
    warm = []
    for _ in range(600):
        machine.step(0.1, random)
        warm.append(max(machine.hundredths[16 * 32 :]) > 33_00)
    assert any(warm)
    assert not all(warm)

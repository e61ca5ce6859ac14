"""The scenes with many device types: they hold what they say, every line is served, and every step can be played."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from drivers.address import DeviceAddress
from drivers.catalog import profile_names
from drivers.modbus.config import ModbusRtuOverTcpSettings, ModbusRtuSettings, ModbusSettings, ModbusTcpSettings
from drivers.registry import open_bus, open_device
from simulators.devices import Devices
from simulators.lines.base import LineContext, SceneLine
from simulators.lines.modbus import RtuLine, RtuOverTcpLine, TcpLine
from simulators.lines.registry import STARTS
from simulators.listing import own_faults, table
from simulators.scene import LoadedScene, find_scene, load_scene, scenes

MANY = ("catalogue", "neighbourhood")


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A line that is served, and where."""

    line: SceneLine
    devices: Devices[Any]
    endpoint: str


@asynccontextmanager
async def served(loaded: LoadedScene, folder: Path) -> AsyncIterator[Mapping[str, Served]]:
    """Serve all lines of a scene in this process, on whatever ports are free."""
    lines: dict[str, Served] = {}
    async with AsyncExitStack() as stack:
        context = LineContext(data=folder, profiles=loaded.profiles, time_scale=loaded.scene.time_scale, stack=stack)
        for line in loaded.scene.lines:
            free = line.model_copy(update={"port": 0}) if getattr(line, "port", None) else line
            devices, endpoint = await STARTS[type(line)](free, context)
            lines[line.name] = Served(line=line, devices=devices, endpoint=endpoint)
        yield lines


def agents_settings(one: Served) -> ModbusSettings | None:
    """Say how an agent reads a line of Modbus devices; None for any other."""
    host, _, port = one.endpoint.rpartition(":")
    match one.line:
        case TcpLine():
            return ModbusTcpSettings(protocol="modbus-tcp", host=host, port=int(port))
        case RtuOverTcpLine():
            return ModbusRtuOverTcpSettings(protocol="modbus-rtu-over-tcp", host=host, port=int(port))
        case RtuLine():
            return ModbusRtuSettings(protocol="modbus-rtu", port=one.endpoint)
        case _:
            return None


def test_the_catalogue_scene_has_every_device_type_once() -> None:
    shown = [profile.name for profile in load_scene(find_scene("catalogue")).profiles.values()]
    assert sorted(shown) == sorted(profile_names()), "a new device type belongs into simulators/scenes/catalogue.toml"


def test_the_neighbourhood_is_as_big_as_it_says() -> None:
    loaded = load_scene(find_scene("neighbourhood"))
    types = {profile.name for profile in loaded.profiles.values()}
    assert f"{len(loaded.profiles)} devices of {len(types)} types" in loaded.scene.description
    assert loaded.lasts.total_seconds() == 600


@pytest.mark.parametrize("scene", MANY)
async def test_every_line_is_served_and_every_step_can_be_played(scene: str, tmp_path: Path) -> None:
    loaded = load_scene(find_scene(scene))
    async with served(loaded, tmp_path) as lines:
        for line in lines.values():
            line.devices.tick(1.0)
        home = {name: line.devices for line in lines.values() for name in line.devices.by_name}
        assert set(home) == set(loaded.profiles)
        for step in loaded.steps:
            if step.do == "fault":
                home[step.device].fault(step.device, step.fault or "")
            else:
                home[step.device].clear(step.device, step.fault)
            home[step.device].tick(1.0)


async def test_every_modbus_device_of_the_catalogue_is_read_on_its_line(tmp_path: Path) -> None:
    loaded = load_scene(find_scene("catalogue"))
    read: set[str] = set()
    async with served(loaded, tmp_path) as lines:
        for one in lines.values():
            settings = agents_settings(one)
            if settings is None:
                continue
            bus = open_bus(settings, one.line.name)
            await bus.connect()
            try:
                for device in one.devices.by_name.values():
                    profile = loaded.profiles[device.name]
                    points = [name for name, point in profile.points.items() if point.polled]
                    address = DeviceAddress(unit=device.unit)
                    results = await open_device(bus, address, profile, device.name).read(points)
                    assert {name for name, result in results.items() if result.value is not None} == set(points)
                    read.add(profile.name)
            finally:
                await bus.close()
                await asyncio.sleep(0)
    assert read == {profile.name for profile in loaded.profiles.values() if profile.protocol == "modbus"}


def test_the_guide_names_every_scene_and_every_kind_of_line() -> None:
    guide = (Path(__file__).resolve().parents[2] / "simulators" / "README.md").read_text(encoding="utf-8")
    kinds = {get_args(kind.model_fields["protocol"].annotation)[0] for kind in STARTS}
    assert [name for name in (*scenes(), *sorted(kinds)) if f"`{name}`" not in guide] == []


def test_numbers_in_a_row_are_listed_as_one() -> None:
    assert own_faults(("pump-1-trip", "pump-1-off", "pump-2-trip", "pump-2-off", "alarm")) == [
        "pump-1..2-trip",
        "pump-1..2-off",
    ]
    assert own_faults(("overspeed-20", "overspeed-25", "storm")) == ["overspeed-20", "overspeed-25", "storm"]


def test_a_long_text_goes_on_below_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = table([("pump", ", ".join(["dry-run"] * 20))]).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 80 for line in lines)
    assert {line[:31].strip() for line in lines[1:]} == {""}

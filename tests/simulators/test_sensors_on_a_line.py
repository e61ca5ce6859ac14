"""Ten sensors of the catalogue on one real serial line, each read to its last point by the product's own driver."""

from pathlib import Path

import pytest

from drivers.address import DeviceAddress
from drivers.catalog import catalog_profile
from drivers.modbus.config import ModbusRtuSettings
from drivers.registry import open_bus, open_device
from simulators.modbus.server import serve_rtu
from simulators.witness import read_changes, witness_files
from tests.support.simulated_line import stations_of

SENSORS = {
    "climate": "xy-md02",
    "gas": "igd-toc-635-gas-panel",
    "leak": "aqualeak-10k",
    "level": "qdy30a-level-transmitter",
    "meter": "eastron-sdm630",
    "scale": "generic-weighing-transmitter",
    "smoke": "calectro-ug3-smoke-detector",
    "turbidity": "hach-ss7-turbidimeter",
    "vibration": "witmotion-wtvb01-485",
    "chlorine": "xylem-cl500-chlorine",
}


async def test_every_point_of_ten_sensors_on_one_line_is_read_as_they_hold_it(tmp_path: Path) -> None:
    link = tmp_path / "sensors"
    devices = {name: (profile, unit) for unit, (name, profile) in enumerate(SENSORS.items(), start=1)}
    with stations_of(tmp_path, **devices) as stations:
        for _ in range(50):
            stations.tick(0.1)
        async with serve_rtu(stations, link=link):
            settings = ModbusRtuSettings(protocol="modbus-rtu", port=str(link), baudrate=9600)
            bus = open_bus(settings)
            await bus.connect()
            try:
                for name, (profile, unit) in devices.items():
                    catalogued = catalog_profile(profile)
                    device = open_device(bus, DeviceAddress(unit=unit), catalogued, name=name)
                    read = await device.read(list(catalogued.points))
                    held = {change.point: change.value for change in read_changes(witness_files(tmp_path, name)[1])}
                    values = {point: reading.value for point, reading in read.items()}
                    assert values == pytest.approx(held, rel=1e-6), name
            finally:
                await bus.close()

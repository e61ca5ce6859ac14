"""How the registry makes Modbus buses and devices."""

from drivers.address import DeviceAddress
from drivers.api import Observer
from drivers.modbus.bus import ModbusBus
from drivers.modbus.config import ModbusSettings
from drivers.modbus.driver import ModbusDevice
from drivers.profile import Profile


def open_bus(settings: ModbusSettings, *, name: str, observe: Observer | None) -> ModbusBus:
    """Make a bus; it is not connected yet."""
    return ModbusBus(settings, name=name, observe=observe)


def open_device(bus: ModbusBus, *, address: DeviceAddress, profile: Profile, name: str) -> ModbusDevice:
    """Make a device; nothing is sent."""
    return ModbusDevice(bus, unit=address.unit, profile=profile, name=name)

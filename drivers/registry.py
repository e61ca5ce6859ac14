"""Which protocols there are: an explicit map from a bus's `protocol` to what opens it."""

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import Field

from drivers.api import BadRequest, Bus
from drivers.modbus.bus import ModbusBus, Observer
from drivers.modbus.config import (
    ModbusAddress,
    ModbusRtuOverTcpSettings,
    ModbusRtuSettings,
    ModbusSettings,
    ModbusTcpSettings,
    address_problem,
)
from drivers.modbus.driver import ModbusDevice
from drivers.profile import Profile

BusSettings = Annotated[
    ModbusTcpSettings | ModbusRtuSettings | ModbusRtuOverTcpSettings, Field(discriminator="protocol")
]
"""A bus in a site file; `protocol` says which kind."""
DeviceAddress = ModbusAddress
"""A device's place on its bus, in a site file."""

BUSES: Mapping[str, Callable[..., ModbusBus]] = {
    "modbus-tcp": ModbusBus,
    "modbus-rtu": ModbusBus,
    "modbus-rtu-over-tcp": ModbusBus,
}


def open_bus(settings: ModbusSettings, name: str = "", observe: Observer | None = None) -> ModbusBus:
    """Make the bus that `settings` describe; it is not connected yet.

    `name` is for errors (by default its place). `observe` is told of every request.
    """
    return BUSES[settings.protocol](settings, name=name or settings.place, observe=observe)


def open_device(bus: Bus, address: DeviceAddress, profile: Profile, name: str) -> ModbusDevice:
    """Make a device on a bus of `open_bus`; nothing is sent. BadRequest when it cannot be there (`device_problem`)."""
    if not isinstance(bus, ModbusBus):
        raise BadRequest(device=name, why=f"the profile `{profile.name}` needs a Modbus bus")
    if problem := device_problem(bus.settings, address):
        raise BadRequest(device=name, why=problem)
    return ModbusDevice(bus, unit=address.unit, profile=profile, name=name)


def device_problem(bus: ModbusSettings, address: DeviceAddress) -> str | None:
    """Say why a device cannot have this address on this bus, for checking a site file; None when it can."""
    return address_problem(bus, address)

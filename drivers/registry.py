"""Which protocols there are: an explicit map from a bus's `protocol` to what opens it."""

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import Field

from drivers.api import BadRequest, Bus
from drivers.cjt188.config import Cjt188Settings
from drivers.cjt188.config import address_problem as cjt188_problem
from drivers.cjt188.driver import Cjt188Meter
from drivers.dlt645.config import Dlt645Settings
from drivers.dlt645.config import address_problem as dlt645_problem
from drivers.dlt645.driver import Dlt645Meter
from drivers.modbus.bus import ModbusBus
from drivers.modbus.config import (
    ModbusAddress,
    ModbusRtuOverTcpSettings,
    ModbusRtuSettings,
    ModbusTcpSettings,
    address_problem,
)
from drivers.modbus.driver import ModbusDevice
from drivers.profile import Profile
from drivers.serial_line.bus import SerialBus
from drivers.serial_line.config import LineSettings
from drivers.serial_line.reading import MeterDevice

BusSettings = Annotated[
    ModbusTcpSettings | ModbusRtuSettings | ModbusRtuOverTcpSettings | Dlt645Settings | Cjt188Settings,
    Field(discriminator="protocol"),
]
"""A bus in a site file; `protocol` says which kind."""
Observer = Callable[[int | str, float, str], None]
"""Told of each request: the unit (a meter by its name), the seconds it held the bus, `ok` or the kind of the error."""


class DeviceAddress(ModbusAddress):
    """A device's place on its bus, in a site file: a Modbus device has a `unit`, a meter an `address`."""

    address: str | None = None


BUSES: Mapping[str, type[ModbusBus | SerialBus]] = {
    "modbus-tcp": ModbusBus,
    "modbus-rtu": ModbusBus,
    "modbus-rtu-over-tcp": ModbusBus,
    "dlt645": SerialBus,
    "cjt188": SerialBus,
}
METERS: Mapping[str, type[Dlt645Meter | Cjt188Meter]] = {"dlt645": Dlt645Meter, "cjt188": Cjt188Meter}
ADDRESSES: Mapping[str, Callable[[str], str | None]] = {"dlt645": dlt645_problem, "cjt188": cjt188_problem}


def open_bus(settings: BusSettings, name: str = "", observe: Observer | None = None) -> ModbusBus | SerialBus:
    """Make the bus that `settings` describe; it is not connected yet.

    `name` is for errors (by default its place). `observe` is told of every request.
    """
    make: Callable[..., ModbusBus | SerialBus] = BUSES[settings.protocol]
    return make(settings, name=name or settings.place, observe=observe)


def open_device(bus: Bus, address: DeviceAddress, profile: Profile, name: str) -> ModbusDevice | MeterDevice:
    """Make a device on a bus of `open_bus`; nothing is sent. BadRequest when it cannot be there (`device_problem`)."""
    if not isinstance(bus, ModbusBus | SerialBus) or not bus.settings.protocol.startswith(profile.protocol):
        raise BadRequest(
            device=name, why=f"the profile `{profile.name}` needs a bus of its protocol {profile.protocol}"
        )
    if problem := device_problem(bus.settings, address):
        raise BadRequest(device=name, why=problem)
    if isinstance(bus, ModbusBus):
        return ModbusDevice(bus, unit=address.unit, profile=profile, name=name)
    return METERS[profile.protocol](bus, address=str(address.address), profile=profile, name=name)


def device_problem(bus: BusSettings | LineSettings, address: DeviceAddress) -> str | None:
    """Say why a device cannot have this address on this bus, for checking a site file; None when it can."""
    if not isinstance(bus, LineSettings):
        return "a Modbus device has a `unit`, and no `address`" if address.address else address_problem(bus, address)
    if address.address is None:
        return f"a meter of the protocol {bus.protocol} needs its `address`, which is printed on it"
    return ADDRESSES[bus.protocol](address.address)


def place_of(bus: BusSettings | LineSettings, address: DeviceAddress) -> tuple[str, str]:
    """Give the key that places a device on this bus, and its value: ("unit", "3"), ("address", "000000000161")."""
    return ("address", address.address or "") if bus.protocol in METERS else ("unit", str(address.unit))

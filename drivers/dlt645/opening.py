"""How the registry makes lines and meters of DL/T 645."""

from drivers.address import DeviceAddress
from drivers.api import Observer
from drivers.dlt645.config import Dlt645Settings
from drivers.dlt645.driver import Dlt645Meter
from drivers.profile import Profile
from drivers.serial_line.bus import SerialBus


def open_bus(settings: Dlt645Settings, *, name: str, observe: Observer | None) -> SerialBus:
    """Make a line; it is not connected yet."""
    return SerialBus(settings, name=name, observe=observe)


def open_device(bus: SerialBus, *, address: DeviceAddress, profile: Profile, name: str) -> Dlt645Meter:
    """Make a meter; nothing is sent."""
    return Dlt645Meter(bus, address=str(address.address), profile=profile, name=name)

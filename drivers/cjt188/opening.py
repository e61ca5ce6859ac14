"""How the registry makes lines and meters of CJ/T 188."""

from drivers.address import DeviceAddress
from drivers.api import Observer
from drivers.cjt188.config import Cjt188Settings
from drivers.cjt188.driver import Cjt188Meter
from drivers.profile import Profile
from drivers.serial_line.bus import SerialBus


def open_bus(settings: Cjt188Settings, *, name: str, observe: Observer | None) -> SerialBus:
    """Make a line; it is not connected yet."""
    return SerialBus(settings, name=name, observe=observe)


def open_device(bus: SerialBus, *, address: DeviceAddress, profile: Profile, name: str) -> Cjt188Meter:
    """Make a meter; nothing is sent."""
    return Cjt188Meter(bus, address=str(address.address), profile=profile, name=name)

"""How the registry makes the line of a thermal array, and the array."""

from drivers.address import DeviceAddress
from drivers.api import Observer
from drivers.profile import Profile
from drivers.thermal_array.config import ThermalArraySettings
from drivers.thermal_array.driver import ThermalArray, ThermalArrayBus


def open_bus(settings: ThermalArraySettings, *, name: str, observe: Observer | None) -> ThermalArrayBus:
    """Make the line; it is not connected yet."""
    return ThermalArrayBus(settings, name=name, observe=observe)


def open_device(bus: ThermalArrayBus, *, address: DeviceAddress, profile: Profile, name: str) -> ThermalArray:  # noqa: ARG001 - it is alone on its line
    """Make the array; nothing is sent."""
    return ThermalArray(bus, profile=profile, name=name)

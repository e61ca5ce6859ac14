"""How the registry makes radiometric cameras."""

from drivers.address import DeviceAddress
from drivers.api import Observer
from drivers.profile import Profile
from drivers.radiometric.config import RadiometricSettings
from drivers.radiometric.driver import RadiometricBus, RadiometricCamera


def open_bus(settings: RadiometricSettings, *, name: str, observe: Observer | None) -> RadiometricBus:
    """Make the way to a camera; nothing is sent yet."""
    return RadiometricBus(settings, name=name, observe=observe)


def open_device(
    bus: RadiometricBus,
    *,
    address: DeviceAddress,  # noqa: ARG001 - the camera is alone on its bus
    profile: Profile,
    name: str,
) -> RadiometricCamera:
    """Make the camera; nothing is sent."""
    return RadiometricCamera(bus, profile=profile, name=name)

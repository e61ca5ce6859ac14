"""How the registry makes cameras."""

from drivers.address import DeviceAddress
from drivers.api import Observer
from drivers.camera.config import CameraSettings
from drivers.camera.driver import Camera, CameraBus
from drivers.profile import Profile


def open_bus(settings: CameraSettings, *, name: str, observe: Observer | None) -> CameraBus:
    """Make a camera's stream; it is not opened yet."""
    return CameraBus(settings, name=name, observe=observe)


def open_device(
    bus: CameraBus,
    *,
    address: DeviceAddress,  # noqa: ARG001 - the camera is alone on its bus
    profile: Profile,
    name: str,
) -> Camera:
    """Make the camera; nothing is sent."""
    return Camera(bus, profile=profile, name=name)

"""How the registry makes the line of a reader, and the reader."""

from drivers.address import DeviceAddress
from drivers.api import Observer
from drivers.profile import Profile
from drivers.reader.config import ReaderSettings
from drivers.reader.driver import Reader, ReaderBus


def open_bus(settings: ReaderSettings, *, name: str, observe: Observer | None) -> ReaderBus:
    """Make the line; it is not connected yet."""
    return ReaderBus(settings, name=name, observe=observe)


def open_device(bus: ReaderBus, *, address: DeviceAddress, profile: Profile, name: str) -> Reader:  # noqa: ARG001 - it is alone on its line
    """Make the reader; nothing is sent."""
    return Reader(bus, profile=profile, name=name)

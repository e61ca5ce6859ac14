"""How the registry makes lines of OSDP readers, and the readers on them."""

from drivers.address import DeviceAddress
from drivers.api import BadRequest, Observer
from drivers.osdp.bus import OsdpBus
from drivers.osdp.config import OsdpSettings
from drivers.osdp.driver import OsdpReader
from drivers.places.osdp import OsdpPoint
from drivers.profile import Profile


def open_bus(settings: OsdpSettings, *, name: str, observe: Observer | None) -> OsdpBus:
    """Make a line; it is not connected yet."""
    return OsdpBus(settings, name=name, observe=observe)


def open_device(bus: OsdpBus, *, address: DeviceAddress, profile: Profile, name: str) -> OsdpReader:
    """Make a reader; nothing is sent. BadRequest for a profile that would let a PIN leave the agent."""
    for point, described in profile.points.items():
        if described.at(OsdpPoint).signal == "key" and not described.local:
            raise BadRequest(device=name, why=f"`{point}` is a PIN: its point needs `local = true`")
    return OsdpReader(bus, unit=address.unit, profile=profile, name=name)

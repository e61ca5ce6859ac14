"""How the registry makes the bus inside the agent, and its devices."""

from drivers.address import DeviceAddress
from drivers.agent.config import AgentBusSettings
from drivers.agent.driver import AgentBus, AgentDevice
from drivers.api import Observer
from drivers.profile import Profile


def open_bus(settings: AgentBusSettings, *, name: str, observe: Observer | None) -> AgentBus:  # noqa: ARG001 - nothing is requested
    """Make the bus."""
    return AgentBus(settings, name=name)


def open_device(bus: AgentBus, *, address: DeviceAddress, profile: Profile, name: str) -> AgentDevice:  # noqa: ARG001 - its name says it
    """Make a device."""
    return AgentDevice(bus, profile=profile, name=name)

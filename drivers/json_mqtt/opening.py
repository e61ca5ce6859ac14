"""How the registry makes a broker's bus, and devices that publish there."""

import time

from drivers.address import DeviceAddress
from drivers.api import Observer
from drivers.json_mqtt.bus import MqttBus
from drivers.json_mqtt.config import JsonMqttSettings
from drivers.json_mqtt.driver import JsonDevice
from drivers.profile import Profile


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def open_bus(settings: JsonMqttSettings, *, name: str, observe: Observer | None) -> MqttBus:
    """Make the bus; it is not connected yet."""
    return MqttBus(settings, name=name, clock_ms=_now_ms, observe=observe)


def open_device(bus: MqttBus, *, address: DeviceAddress, profile: Profile, name: str) -> JsonDevice:
    """Make a device, before the bus is connected; nothing is sent."""
    return JsonDevice(bus, address=str(address.address), profile=profile, name=name)

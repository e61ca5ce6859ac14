"""Which protocols there are: an explicit map from a bus's `protocol` to what it is.

The settings of every protocol are light. What talks to hardware is imported when a bus of its kind is opened, so that
an agent with Modbus only never loads what cameras need.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from drivers.address import DeviceAddress, alone, named
from drivers.agent.config import AgentBusSettings
from drivers.agent.config import address_problem as agent_problem
from drivers.api import BadRequest, Bus, BusPlace, Device, Observer
from drivers.camera.config import CameraSettings
from drivers.cjt188.config import Cjt188Settings
from drivers.cjt188.config import address_problem as cjt188_problem
from drivers.dlt645.config import Dlt645Settings
from drivers.dlt645.config import address_problem as dlt645_problem
from drivers.json_mqtt.config import JsonMqttSettings
from drivers.json_mqtt.config import address_problem as json_problem
from drivers.modbus.config import ModbusRtuOverTcpSettings, ModbusRtuSettings, ModbusTcpSettings
from drivers.modbus.config import address_problem as modbus_problem
from drivers.osdp.config import OsdpSettings
from drivers.osdp.config import address_problem as osdp_problem
from drivers.profile import Profile
from drivers.radiometric.config import RadiometricSettings
from drivers.reader.config import ReaderSettings
from drivers.thermal_array.config import ThermalArraySettings

BusSettings = Annotated[
    ModbusTcpSettings
    | ModbusRtuSettings
    | ModbusRtuOverTcpSettings
    | Dlt645Settings
    | Cjt188Settings
    | JsonMqttSettings
    | OsdpSettings
    | CameraSettings
    | RadiometricSettings
    | ThermalArraySettings
    | ReaderSettings
    | AgentBusSettings,
    Field(discriminator="protocol"),
]
"""A bus in a site file; `protocol` says which kind."""


BUS_FILES = ("keys", "credentials_file", "password_file", "ca_file")
"""The keys of buses that name files; in a site file they are relative to it."""


class Opener(Protocol):
    """The module `opening` of a protocol's folder."""

    def open_bus(self, settings: Any, *, name: str, observe: Observer | None) -> Bus:  # noqa: ANN401 - each has its own
        """Make the bus; it is not connected yet."""
        ...

    def open_device(self, bus: Any, *, address: DeviceAddress, profile: Profile, name: str) -> Device:  # noqa: ANN401 - likewise
        """Make a device on that bus; nothing is sent."""
        ...


def _modbus() -> Opener:
    from drivers.modbus import opening

    return opening


def _dlt645() -> Opener:
    from drivers.dlt645 import opening

    return opening


def _cjt188() -> Opener:
    from drivers.cjt188 import opening

    return opening


def _json_mqtt() -> Opener:
    from drivers.json_mqtt import opening

    return opening


def _osdp() -> Opener:
    from drivers.osdp import opening

    return opening


def _camera() -> Opener:
    from drivers.camera import opening

    return opening


def _radiometric() -> Opener:
    from drivers.radiometric import opening

    return opening


def _thermal_array() -> Opener:
    from drivers.thermal_array import opening

    return opening


def _reader() -> Opener:
    from drivers.reader import opening

    return opening


def _agent() -> Opener:
    from drivers.agent import opening

    return opening


@dataclass(frozen=True, kw_only=True, slots=True)
class BusKind:
    """One protocol of a bus.

    `speaks` is the protocol of the profiles whose devices can be on it. The devices are told apart `by` their unit or
    their address, or there is one on the whole bus; `problem` says why a bus cannot have a device there, or None.
    `opener` imports what talks to hardware.
    """

    speaks: str
    by: Literal["unit", "address", "bus"]
    problem: Callable[[Any, DeviceAddress], str | None]
    opener: Callable[[], Opener]


_MODBUS = BusKind(speaks="modbus", by="unit", problem=modbus_problem, opener=_modbus)
_PRINTED = "it is printed on the meter"
_PART = "the part of the agent that it is, such as the gate's name"
_PUBLISHED = "its name or number in the topics that it publishes to"
BUSES: Mapping[str, BusKind] = {
    "modbus-tcp": _MODBUS,
    "modbus-rtu": _MODBUS,
    "modbus-rtu-over-tcp": _MODBUS,
    "dlt645": BusKind(speaks="dlt645", by="address", problem=named(dlt645_problem, what=_PRINTED), opener=_dlt645),
    "cjt188": BusKind(speaks="cjt188", by="address", problem=named(cjt188_problem, what=_PRINTED), opener=_cjt188),
    "json-mqtt": BusKind(speaks="json", by="address", problem=named(json_problem, what=_PUBLISHED), opener=_json_mqtt),
    "osdp": BusKind(speaks="osdp", by="unit", problem=osdp_problem, opener=_osdp),
    "camera": BusKind(speaks="camera", by="bus", problem=alone, opener=_camera),
    "radiometric": BusKind(speaks="radiometric", by="bus", problem=alone, opener=_radiometric),
    "thermal-array": BusKind(speaks="thermal-array", by="bus", problem=alone, opener=_thermal_array),
    "reader": BusKind(speaks="reader", by="bus", problem=alone, opener=_reader),
    "agent": BusKind(speaks="agent", by="address", problem=named(agent_problem, what=_PART), opener=_agent),
}
"""The `protocol` of a bus to what it is."""


def open_bus(settings: BusSettings, name: str = "", observe: Observer | None = None) -> Bus:
    """Make the bus that `settings` describe; it is not connected yet.

    `name` is for errors (by default its place). `observe` is told of every request.
    """
    return BUSES[settings.protocol].opener().open_bus(settings, name=name or settings.place, observe=observe)


def open_device(bus: Bus, address: DeviceAddress, profile: Profile, name: str) -> Device:
    """Make a device on a bus of `open_bus`; nothing is sent. BadRequest when it cannot be there (`device_problem`)."""
    settings = bus.settings
    if problem := protocol_problem(settings, profile) or device_problem(settings, address):
        raise BadRequest(device=name, why=problem)
    return BUSES[settings.protocol].opener().open_device(bus, address=address, profile=profile, name=name)


def protocol_problem(bus: BusPlace, profile: Profile) -> str | None:
    """Say why no device with this profile can be on this bus; None when it can."""
    if BUSES[bus.protocol].speaks == profile.protocol:
        return None
    return f"the profile `{profile.name}` needs a bus of its protocol {profile.protocol}, not {bus.protocol}"


def device_problem(bus: BusPlace, address: DeviceAddress) -> str | None:
    """Say why a device cannot have this address on this bus, for checking a site file; None when it can."""
    return BUSES[bus.protocol].problem(bus, address)


def place_of(bus: BusPlace, address: DeviceAddress) -> tuple[str, str]:
    """Give the key that places a device on this bus, and its value: ("unit", "3"), ("address", "000000000161").

    On a bus with one device that is ("bus", "").
    """
    by = BUSES[bus.protocol].by
    return by, {"unit": str(address.unit), "address": address.address or "", "bus": ""}[by]

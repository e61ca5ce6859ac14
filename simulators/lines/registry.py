"""Which kinds of line there are: an explicit union for scene files, and what starts each."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from simulators.devices import Devices
from simulators.lines import camera, json_mqtt, meters, modbus, osdp, provider, radiometric, reader, thermal_array
from simulators.lines.base import LineContext, SceneLine
from simulators.lines.camera import CameraLine
from simulators.lines.json_mqtt import JsonLine
from simulators.lines.meters import Cjt188Line, Dlt645Line
from simulators.lines.modbus import RtuLine, RtuOverTcpLine, TcpLine
from simulators.lines.osdp import OsdpLine
from simulators.lines.provider import ProviderLine
from simulators.lines.radiometric import RadiometricLine
from simulators.lines.reader import ReaderLine
from simulators.lines.thermal_array import ThermalArrayLine

Line = Annotated[
    TcpLine
    | RtuOverTcpLine
    | RtuLine
    | Dlt645Line
    | Cjt188Line
    | OsdpLine
    | CameraLine
    | RadiometricLine
    | ThermalArrayLine
    | ReaderLine
    | ProviderLine
    | JsonLine,
    Field(discriminator="protocol"),
]
"""A line in a scene file; `protocol` says which kind."""

Start = Callable[[Any, LineContext], Awaitable[tuple[Devices[Any], str]]]
"""Serves a line of its kind; gives its devices, and where it is. LineUnavailable."""

STARTS: Mapping[type[SceneLine], Start] = {
    JsonLine: json_mqtt.start,
    TcpLine: modbus.start,
    RtuOverTcpLine: modbus.start,
    RtuLine: modbus.start,
    Dlt645Line: meters.start,
    Cjt188Line: meters.start,
    OsdpLine: osdp.start,
    CameraLine: camera.start,
    RadiometricLine: radiometric.start,
    ThermalArrayLine: thermal_array.start,
    ReaderLine: reader.start,
    ProviderLine: provider.start,
}
"""A kind of line to what starts it."""

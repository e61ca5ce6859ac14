"""Lines of meters: DL/T 645 and CJ/T 188."""

from abc import ABC
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from simulators.devices import Devices
from simulators.lines.base import AddressedDevice, LineContext, SerialLine, serve_serial
from simulators.meters.station import MeterStation


class _MeterLine(SerialLine, ABC):
    """Meters on one serial line, or behind a serial server's port."""

    devices: tuple[AddressedDevice, ...] = Field(min_length=1)

    @property
    def members(self) -> tuple[AddressedDevice, ...]:
        """Its devices."""
        return self.devices


class Dlt645Line(_MeterLine):
    """Electricity meters."""

    speaks: ClassVar[str] = "dlt645"
    bus: ClassVar[str] = "dlt645"

    protocol: Literal["dlt645"]


class Cjt188Line(_MeterLine):
    """Water and heat meters."""

    speaks: ClassVar[str] = "cjt188"
    bus: ClassVar[str] = "cjt188"

    protocol: Literal["cjt188"]


async def start(line: Dlt645Line | Cjt188Line, context: LineContext) -> tuple[Devices[MeterStation], str]:
    """Serve a line; gives its devices, and where it is. LineUnavailable."""
    from simulators.meters.server import serve_meters_pty, serve_meters_tcp
    from simulators.meters.station import MeterStations

    stations = MeterStations(
        [
            MeterStation(
                name=device.name,
                address=device.address,
                profile=context.profiles[device.name],
                machine=context.machine(device),
                witness=context.witness(device),
                random=context.random(device),
            )
            for device in line.devices
        ],
        transport=line.transport,
    )
    return stations, await serve_serial(
        line,
        context,
        terminal=partial(serve_meters_pty, stations, line.protocol),
        port=partial(serve_meters_tcp, stations, line.protocol),
    )

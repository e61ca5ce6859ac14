"""Lines of Modbus devices: a TCP port, or a serial line."""

from typing import ClassVar, Literal

from pydantic import Field

from drivers.modbus.config import ModbusTcpSettings
from simulators.devices import Devices
from simulators.disturbances import Transport
from simulators.lines.base import Baudrate, LineContext, Link, PortLine, SceneLine, UnitDevice
from simulators.modbus.station import Station


class _ModbusLine(SceneLine):
    speaks: ClassVar[str] = "modbus"

    devices: tuple[UnitDevice, ...] = Field(min_length=1)

    @property
    def members(self) -> tuple[UnitDevice, ...]:
        """Its devices."""
        return self.devices


class TcpLine(PortLine, _ModbusLine):
    """Devices behind one TCP port."""

    bus: ClassVar[str] = "modbus-tcp"

    protocol: Literal["tcp"]

    @property
    def seen_as(self) -> ModbusTcpSettings:
        """A bus over TCP, where the units 0 and 255 exist."""
        return ModbusTcpSettings(protocol="modbus-tcp", host=self.host)


class RtuOverTcpLine(PortLine, _ModbusLine):
    """Devices behind a gateway whose TCP port carries the frames of a serial line."""

    bus: ClassVar[str] = "modbus-rtu-over-tcp"

    protocol: Literal["rtu-over-tcp"]


class RtuLine(_ModbusLine):
    """Devices on one serial line: a pseudo-terminal that `<data>/<link>` points to.

    With `baudrate` frames take the time that they would take on the wire; without it, they take none.
    """

    bus: ClassVar[str] = "modbus-rtu"

    protocol: Literal["rtu"]
    link: Link
    baudrate: Baudrate | None = None

    def _endpoint_of(self, number: int) -> dict[str, object]:
        return {"link": f"{self.link}-{number}"}

    @property
    def transport(self) -> Transport:
        """A serial line."""
        return Transport.SERIAL

    @property
    def endpoint(self) -> tuple[str, object]:
        """Its link."""
        return "link", self.link


async def start(line: TcpLine | RtuOverTcpLine | RtuLine, context: LineContext) -> tuple[Devices[Station], str]:
    """Serve a line; gives its devices, and where it is. LineUnavailable."""
    from simulators.modbus.server import serve_rtu, serve_tcp
    from simulators.modbus.station import Stations

    stations = Stations(
        [
            Station(
                name=device.name,
                unit=device.unit,
                profile=context.profiles[device.name],
                machine=context.machine(device),
                witness=context.witness(device),
                random=context.random(device),
            )
            for device in line.devices
        ],
        transport=line.transport,
    )
    if isinstance(line, RtuLine):
        served = serve_rtu(stations, link=context.data / line.link, baudrate=line.baudrate)
        return stations, str(await context.stack.enter_async_context(served))
    serial_frames = isinstance(line, RtuOverTcpLine)
    served_tcp = serve_tcp(stations, host=line.host, port=line.port, serial_frames=serial_frames)
    port = await context.stack.enter_async_context(served_tcp)
    return stations, f"{line.host}:{port}"

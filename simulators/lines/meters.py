"""Lines of meters: DL/T 645 and CJ/T 188."""

from abc import ABC
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from simulators.devices import Devices
from simulators.disturbances import Transport
from simulators.lines.base import AddressedDevice, Baudrate, LineContext, Link, SceneLine
from simulators.meters import MeterStation


class _MeterLine(SceneLine, ABC):
    """Meters on one serial line: a pseudo-terminal at `<data>/<link>`, or (with `port`) a serial server's TCP port.

    With `baudrate` frames on the pseudo-terminal take the time that they would take on the wire.
    """

    protocol: str
    devices: tuple[AddressedDevice, ...] = Field(min_length=1)
    link: Link | None = None
    baudrate: Baudrate | None = None
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int | None = Field(default=None, ge=0, le=65535)

    @property
    def members(self) -> tuple[AddressedDevice, ...]:
        """Its devices."""
        return self.devices

    def _endpoint_of(self, number: int) -> dict[str, object]:
        return {"link": self.link and f"{self.link}-{number}", "port": self.port and self.port + number - 1}

    @property
    def transport(self) -> Transport:
        """What carries the frames."""
        return Transport.TCP if self.link is None else Transport.SERIAL

    @property
    def endpoint(self) -> tuple[str, object]:
        """Its link, or its port."""
        return ("link", self.link) if self.link is not None else ("port", (self.host, self.port or self.name))

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.link is None) == (self.port is None):
            raise ValueError("a line of meters has either `link` or `port`")
        return self


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
    from simulators.meter_server import serve_meters_pty, serve_meters_tcp
    from simulators.meters import MeterStations

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
    if line.link is not None:
        served = serve_meters_pty(stations, line.protocol, link=context.data / line.link, baudrate=line.baudrate)
        return stations, str(await context.stack.enter_async_context(served))
    port = await context.stack.enter_async_context(
        serve_meters_tcp(stations, line.protocol, host=line.host, port=line.port or 0)
    )
    return stations, f"{line.host}:{port}"

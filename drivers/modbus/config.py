"""How a site file describes a Modbus bus and a device's place on it."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from drivers.address import DeviceAddress
from runtime.config import Strict
from runtime.durations import Duration

Timeout = Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=1))]
Pause = Annotated[Duration, Field(ge=timedelta(0), le=timedelta(seconds=10))]


class ModbusTcpSettings(Strict):
    """A TCP connection to a device, or to a gateway with a serial line behind it.

    `timeout` bounds connecting, and each answer. The pauses are for devices that need time to breathe.
    """

    protocol: Literal["modbus-tcp"]
    host: str = Field(min_length=1)
    port: int = Field(default=502, ge=1, le=65535)
    timeout: Timeout = timedelta(seconds=1)
    pause_after_connect: Pause = timedelta(0)
    pause_between: Pause = timedelta(0)

    @property
    def place(self) -> str:
        """Where the bus is, for people: `host:port`."""
        return f"{self.host}:{self.port}"


class ModbusRtuSettings(Strict):
    """A serial line.

    `timeout` runs from the request's first byte to the answer's last: at 9600 baud 125 registers take 270 ms on the
    wire alone. It must exceed the slowest latency there is, because RTU cannot tell a late answer from the next.
    After a failure the line must be silent for `quiet` before it is used again.
    """

    protocol: Literal["modbus-rtu"]
    port: str = Field(min_length=1, description="the serial device, such as /dev/ttyS1")
    baudrate: int = Field(default=9600, ge=300, le=4_000_000)
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    bytesize: Literal[7, 8] = 8
    timeout: Timeout = timedelta(seconds=1)
    quiet: Pause = timedelta(milliseconds=300)

    @property
    def place(self) -> str:
        """Where the bus is, for people: the serial device."""
        return self.port

    @property
    def byte_s(self) -> float:
        """How many seconds a byte takes on the wire, with start, parity and stop bits."""
        return (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate

    @property
    def silence(self) -> timedelta:
        """The gap between frames: 3.5 characters; 1.75 ms above 19200 baud (Modbus over serial line 1.02, 2.5.1)."""
        if self.baudrate > 19200:  # noqa: PLR2004 - the standard's own limit
            return timedelta(microseconds=1750)
        return timedelta(seconds=3.5 * self.byte_s)


class ModbusRtuOverTcpSettings(Strict):
    """A TCP connection that carries the frames of a serial line, as many cheap gateways do.

    The frames have no transaction number, so that `timeout` and `quiet` mean the same as on a serial line.
    """

    protocol: Literal["modbus-rtu-over-tcp"]
    host: str = Field(min_length=1)
    port: int = Field(default=502, ge=1, le=65535)
    timeout: Timeout = timedelta(seconds=1)
    quiet: Pause = timedelta(milliseconds=300)
    pause_after_connect: Pause = timedelta(0)
    pause_between: Pause = timedelta(0)

    @property
    def place(self) -> str:
        """Where the bus is, for people: `host:port`."""
        return f"{self.host}:{self.port}"


ModbusSettings = ModbusTcpSettings | ModbusRtuSettings | ModbusRtuOverTcpSettings


def address_problem(bus: ModbusSettings, address: DeviceAddress) -> str | None:
    """Say why a device cannot have this address; None when it can. Over TCP the units 0 and 255 exist too."""
    if address.address is not None:
        return "a Modbus device has a `unit`, and no `address`"
    if not isinstance(bus, ModbusTcpSettings) and not 1 <= address.unit <= 247:  # noqa: PLR2004 - Modbus serial line
        return f"unit {address.unit} does not exist on a serial line: use 1 to 247"
    return None

"""How a site file describes a half-duplex line, and a meter's place on it."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from runtime.config import Strict
from runtime.durations import Duration

Timeout = Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=1))]
Pause = Annotated[Duration, Field(ge=timedelta(0), le=timedelta(seconds=10))]
_PORTS = 65535


class LineSettings(Strict):
    """A serial port (`port = "/dev/ttyS1"`), or a serial server's raw TCP port (`host` and a number as `port`).

    `timeout` bounds connecting, and each answer from the request's first byte to the answer's last. After a failure the
    line must be silent for `quiet` before it is used again. `wake_up` bytes of FEH go before every request.
    """

    protocol: str
    port: str | int
    host: str | None = Field(default=None, min_length=1)
    baudrate: int = Field(default=2400, ge=300, le=4_000_000)
    parity: Literal["N", "E", "O"] = "E"
    stopbits: Literal[1, 2] = 1
    bytesize: Literal[7, 8] = 8
    timeout: Timeout = timedelta(seconds=1.5)
    quiet: Pause = timedelta(milliseconds=500)
    wake_up: int = Field(default=4, ge=0, le=20)

    @property
    def place(self) -> str:
        """Where the line is, for people: the serial device, or `host:port`."""
        return f"{self.host}:{self.port}" if self.host is not None else str(self.port)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.host is None and not (isinstance(self.port, str) and self.port):
            raise ValueError("`port` is a serial device, such as '/dev/ttyS1'; a TCP port needs `host` too")
        if self.host is not None and not (isinstance(self.port, int) and 1 <= self.port <= _PORTS):
            raise ValueError("with `host`, `port` is a number from 1 to 65535")
        return self

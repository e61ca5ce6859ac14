"""How a site file describes a line whose device speaks by itself: nobody asks, so nothing is said about asking."""

from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.serial_line.config import LineSettings

_OF_REQUESTS = ("quiet", "wake_up")


class SpokenLineSettings(LineSettings):
    """A serial port or a serial server's raw TCP port, with one device that speaks by itself; 9600 8N1 by default."""

    baudrate: int = Field(default=9600, ge=300, le=4_000_000)
    parity: Literal["N", "E", "O"] = "N"

    @model_validator(mode="after")
    def _nobody_asks(self) -> Self:
        for key in _OF_REQUESTS:
            if key in self.model_fields_set:
                raise ValueError(f"`{key}` is for lines on which requests go out, and this device speaks by itself")
        return self

"""How a site file describes the line of a thermal array."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.serial_line.config import Timeout
from drivers.serial_line.spoken import SpokenLineSettings
from drivers.thermal_array.codec import BAUDRATES, FRAME_BYTES, RATES
from runtime.durations import Duration

_BITS = 10  # of a byte on the wire: start, eight, stop
_FACTORY_RATE = 4.0

Age = Annotated[Duration, Field(ge=timedelta(milliseconds=100), le=timedelta(minutes=5))]


class ThermalArraySettings(SpokenLineSettings):
    """A GY-MCU90640: 115200 8N1 and four pictures a second unless it was set otherwise.

    `continuous` lets it send by itself, and a read shows the newest picture; `query` asks for a picture at each read.
    `rate` (0.5, 1, 2, 4 or 8 pictures a second) and `emissivity` are set at every connection; without them the module
    keeps its own. A picture that is older than `stale` counts as none.
    """

    protocol: Literal["thermal-array"]
    baudrate: int = 115_200
    mode: Literal["continuous", "query"] = "continuous"
    rate: float | None = None
    emissivity: float | None = Field(default=None, ge=0.01, le=1)
    stale: Age = timedelta(seconds=3)
    timeout: Timeout = timedelta(seconds=3)

    @property
    def frame_s(self) -> float:
        """How long a picture is on the wire."""
        return FRAME_BYTES * _BITS / self.baudrate

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.baudrate not in BAUDRATES:
            raise ValueError(f"`baudrate` is one of {', '.join(map(str, BAUDRATES))}")
        rate = self.rate if self.rate is not None else min(_FACTORY_RATE, 1 / self.frame_s)
        if rate not in RATES and self.rate is not None:
            raise ValueError(f"`rate` is one of {', '.join(f'{one:g}' for one in RATES)} pictures a second")
        if rate * self.frame_s > 1:
            raise ValueError(f"{rate:g} pictures a second do not fit through {self.baudrate} baud")
        shortest = 1 / rate + self.frame_s
        if self.mode == "continuous" and min(self.stale, self.timeout).total_seconds() < shortest:
            raise ValueError(f"`stale` and `timeout` must be longer than a picture takes, {shortest:.2g} s")
        return self

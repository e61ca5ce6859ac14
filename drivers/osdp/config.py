"""How a site file describes a line of OSDP readers."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from drivers.address import DeviceAddress
from drivers.osdp.codec import HIGHEST_ADDRESS
from drivers.serial_line.config import LineSettings, Pause
from runtime.durations import Duration

Reply = Annotated[Duration, Field(ge=timedelta(milliseconds=20), le=timedelta(seconds=3))]
Period = Annotated[Duration, Field(ge=timedelta(milliseconds=10), le=timedelta(seconds=5))]


class OsdpSettings(LineSettings):
    """A line of OSDP readers; 9600 baud, 8N1, unless they were set otherwise.

    `keys` is the path of the key file (`drivers.osdp.keys`), which nobody but its owner may read. Each reader
    is asked every `poll`, and has `reply` to answer. With `install`, readers that still have the default key are given
    theirs: only for as long as readers are being installed. `wake_up` is 1 for a byte of FFH before every command.
    """

    protocol: Literal["osdp"]
    baudrate: int = Field(default=9600, ge=300, le=4_000_000)
    parity: Literal["N", "E", "O"] = "N"
    quiet: Pause = timedelta(milliseconds=10)
    wake_up: int = Field(default=1, ge=0, le=1)
    keys: Annotated[str, Field(min_length=1)]
    install: bool = False
    reply: Reply = timedelta(milliseconds=200)
    poll: Period = timedelta(milliseconds=100)


def address_problem(bus: Any, address: DeviceAddress) -> str | None:  # noqa: ANN401, ARG001 - a bus of any protocol
    """Say why a reader cannot have this address; None when it can."""
    if address.address is not None:
        return "a reader has a `unit` from 0 to 126, and no `address`"
    if address.unit > HIGHEST_ADDRESS:
        return f"unit {address.unit} does not exist: OSDP readers have 0 to {HIGHEST_ADDRESS}"
    return None

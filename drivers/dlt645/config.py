"""How a site file describes a line of DL/T 645 meters."""

import re
from typing import Literal

from drivers.serial_line.config import LineSettings

_ADDRESS = re.compile(r"[0-9]{12}")


class Dlt645Settings(LineSettings):
    """A line of DL/T 645-2007 meters; 2400 baud with even parity unless the meters were set otherwise."""

    protocol: Literal["dlt645"]


def address_problem(address: str) -> str | None:
    """Say why a meter cannot have this address; None when it can."""
    if _ADDRESS.fullmatch(address):
        return None
    return f"{address!r} is no address of a DL/T 645 meter: it has 12 digits, as printed on the meter (fill with zeros)"

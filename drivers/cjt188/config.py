"""How a site file describes a line of CJ/T 188 meters."""

import re
from typing import Literal

from drivers.serial_line.config import LineSettings

_ADDRESS = re.compile(r"[0-9A-F]{14}")


class Cjt188Settings(LineSettings):
    """A line of CJ/T 188 meters, on RS-485 or behind an M-Bus converter; 2400 baud with even parity by default."""

    protocol: Literal["cjt188"]


def address_problem(address: str) -> str | None:
    """Say why a meter cannot have this address; None when it can."""
    if _ADDRESS.fullmatch(address):
        return None
    return (
        f"{address!r} is no address of a CJ/T 188 meter: it has 14 digits, the maker's four and the meter's ten "
        "(fill with zeros)"
    )

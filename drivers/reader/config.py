"""How a site file describes the line of a reader."""

from typing import Literal

from drivers.places.reader import Span
from drivers.serial_line.spoken import SpokenLineSettings


class ReaderSettings(SpokenLineSettings):
    """A reader on a serial port or behind a serial server; 9600 8N1 unless it was set otherwise.

    How it frames what it says stands in its profile. `hold_off` overrides the profile's.
    """

    protocol: Literal["reader"]
    hold_off: Span | None = None

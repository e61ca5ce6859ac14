"""Where a point lies in what a QR or card reader says."""

from typing import Literal

from drivers.places.base import Kind, Place
from runtime.config import Strict


class ReaderPoint(Place):
    """What a reader has read: its `text`, or `count`, how many there were since the agent's start."""

    field: Literal["text", "count"]

    @property
    def value_type(self) -> Kind:
        """A text, or a count."""
        return int if self.field == "count" else str

    @property
    def is_event(self) -> bool:
        """What was read is told once, when it was read."""
        return self.field != "count"

    @property
    def where(self) -> str:
        """The field."""
        return self.field


class ReaderDefaults(Strict):
    """How a reader frames what it says: a line ended by CR or LF, or text between STX and ETX."""

    framing: Literal["line", "stx-etx"] = "line"

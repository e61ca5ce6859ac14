"""Where a point lies in a JSON message over MQTT."""

from typing import Literal

from pydantic import Field

from drivers.places.base import Kind, Place
from runtime.config import Strict

_KINDS: dict[str, Kind] = {"bool": bool, "int": int, "float": float, "string": str}


class JsonPoint(Place):
    """A value in a message: `path` leads to it, as in `object.battery` or `rxInfo[0].rssi`."""

    topic: str = Field(min_length=1)
    path: str = Field(min_length=1)
    type: Literal["bool", "int", "float", "string"]
    event: bool = False

    @property
    def value_type(self) -> Kind:
        """As `type` says."""
        return _KINDS[self.type]

    @property
    def is_event(self) -> bool:
        """As `event` says."""
        return self.event

    @property
    def where(self) -> str:
        """The path in the message."""
        return self.path


class JsonDefaults(Strict):
    """How this device type's messages come: `topics` by the names that points use, with `{address}` in them."""

    topics: dict[str, str] = Field(default_factory=dict)

"""A point that the agent itself knows: no register, no message, but what runs inside it and tells it."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import model_validator

from drivers.places.base import Kind, Place

_KINDS: Mapping[str, Kind] = {"bool": bool, "int": int, "float": float, "string": str}


class AgentPoint(Place):
    """A value that the agent tells of itself. An `event` is told once; a point that takes `orders` can be written.

    A point that takes orders shows nothing.
    """

    type: Literal["bool", "int", "float", "string"]
    event: bool = False
    orders: bool = False

    @property
    def value_type(self) -> Kind:
        """As `type` says."""
        return _KINDS[self.type]

    @property
    def is_event(self) -> bool:
        """As `event` says."""
        return self.event

    @property
    def is_writable(self) -> bool:
        """As `orders` says."""
        return self.orders

    @property
    def is_readable(self) -> bool:
        """Whether it is told at all."""
        return not self.orders

    @property
    def where(self) -> str:
        """What it is within the agent."""
        return "an order" if self.orders else "an event" if self.event else "told by the agent"

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.event and self.orders:
            raise ValueError("a point is an `event` that the agent tells, or takes `orders`, not both")
        return self

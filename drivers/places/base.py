"""What the tables of a point have in common, whatever the protocol."""

from abc import ABC, abstractmethod

from runtime.config import Strict

Kind = type[bool] | type[int] | type[float] | type[str]
"""The Python type of a value in engineering units."""


class Place(Strict, ABC):
    """Where a point lies in a device of one protocol: the table of a point that is named after the protocol."""

    @property
    @abstractmethod
    def value_type(self) -> Kind:
        """The Python type of the value in engineering units."""

    @property
    @abstractmethod
    def where(self) -> str:
        """The place in words for people, such as `holding 301`."""

    @property
    def step(self) -> float:
        """The least difference that the point shows, in its unit; 0 where it has none."""
        return 0.0

    @property
    def is_writable(self) -> bool:
        """Whether a command may write to it."""
        return False

    @property
    def is_readable(self) -> bool:
        """Whether it can be read; what only takes commands cannot."""
        return True

    @property
    def is_event(self) -> bool:
        """Whether the device tells it by itself when it happens, each time for itself, as a reader tells a card."""
        return False

    def unit_problem(self, unit: str) -> str | None:  # noqa: ARG002 - most places take any unit
        """Say why the point cannot have this unit; None when it can."""
        return None

"""Where a point lies in an OSDP reader (IEC 60839-11-5)."""

from typing import Literal

from drivers.places.base import Kind, Place


class OsdpPoint(Place):
    """What a reader tells (a card, a key, its state), or an output of it (LED, buzzer)."""

    signal: Literal["card", "key", "tamper", "power_failure", "secure", "led", "buzzer"]

    @property
    def value_type(self) -> Kind:
        """A text for cards, keys and colours, seconds for the buzzer, and otherwise yes or no."""
        return {"card": str, "key": str, "led": str, "buzzer": float}.get(self.signal, bool)

    @property
    def is_event(self) -> bool:
        """Cards and keys are told once."""
        return self.signal in {"card", "key"}

    @property
    def is_writable(self) -> bool:
        """Outputs take commands."""
        return self.signal in {"led", "buzzer"}

    @property
    def is_readable(self) -> bool:
        """Nothing tells what an output does."""
        return not self.is_writable

    @property
    def where(self) -> str:
        """The signal."""
        return self.signal

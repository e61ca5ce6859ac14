"""Where a point lies in an OSDP reader (IEC 60839-11-5)."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.places.base import Kind, Place

Signal = Literal[
    "card", "facility", "number", "key",
    "tamper", "power_failure", "secure", "security", "install", "output_on",
    "cards", "sessions", "refusals", "vendor", "model", "serial", "firmware",
    "led", "buzzer", "text", "output",
]  # fmt: skip
"""What a reader has to say, and what it can be told.

Events: `card` is the number of bits and the bits in hexadecimal, as in `26:2C1A3F0`; `facility` and `number` are read
out of it where its format is known; `key` is a PIN, complete with its `#`.

States: `security` says in a number how the secure channel stands (`drivers.osdp.standing.Security`), `secure` whether
it does; `cards`, `sessions`, `refusals` count since the agent's start; `vendor` to `firmware` say what the reader is.

Outputs: `led` is a pattern such as `green for 3s` (`drivers.osdp.outputs`), `buzzer` and `output` are seconds, `text`
goes to a display. What can be read of `led`, `buzzer` and `text` is what the reader last confirmed.
"""

_EVENTS = frozenset({"card", "facility", "number", "key"})
_OUTPUTS = frozenset({"led", "buzzer", "text", "output"})
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("card", "key", "vendor", "serial", "firmware", "led", "text"), str),
    **dict.fromkeys(("facility", "number", "security", "cards", "sessions", "refusals", "model"), int),
    **dict.fromkeys(("buzzer", "output"), float),
}
_SECONDS = frozenset({"buzzer", "output"})
_NUMBERED = frozenset({"led", "output", "output_on"})


class OsdpPoint(Place):
    """One signal of a reader. `reader` tells the heads of one device apart; `number` its LEDs, or its outputs."""

    signal: Signal
    reader: int = Field(default=0, ge=0, le=15)
    number: int = Field(default=0, ge=0, le=63)

    @property
    def value_type(self) -> Kind:
        """Text for cards, keys and colours, seconds for what sounds or switches, otherwise a number or yes and no."""
        return _KINDS.get(self.signal, bool)

    @property
    def step(self) -> float:
        """The reader counts times in tenths of a second."""
        return 0.1 if self.signal in _SECONDS else 0.0

    @property
    def is_event(self) -> bool:
        """Cards and keys are told once."""
        return self.signal in _EVENTS

    @property
    def is_writable(self) -> bool:
        """Outputs take commands."""
        return self.signal in _OUTPUTS

    @property
    def is_readable(self) -> bool:
        """A relay is only switched; whether it is on is a point of its own, `output_on`."""
        return self.signal != "output"

    @property
    def where(self) -> str:
        """The signal, and which one where there are several."""
        number = f" {self.number}" if self.signal in _NUMBERED else ""
        return f"{self.signal}{number}" + (f" of reader {self.reader}" if self.reader else "")

    def unit_problem(self, unit: str) -> str | None:
        """Say why the point cannot have this unit; None when it can."""
        return f"`{self.signal}` is a time, so `unit` is 's'" if self.signal in _SECONDS and unit != "s" else None

    @model_validator(mode="after")
    def _numbers_something(self) -> Self:
        if self.number and self.signal not in _NUMBERED:
            raise ValueError(f"there is one `{self.signal}`: `number` is for LEDs and outputs")
        return self

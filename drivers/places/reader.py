"""Where a point lies in what a QR or card reader says, and how a type of reader says it."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.places.base import Kind, Place
from runtime.config import Strict
from runtime.durations import Duration

_COUNTERS = frozenset({"count", "malformed"})

Pause = Annotated[Duration, Field(ge=timedelta(milliseconds=5), le=timedelta(seconds=10))]
Span = Annotated[Duration, Field(ge=timedelta(0), le=timedelta(hours=1))]


class ReaderPoint(Place):
    """What a reader has read, or how often.

    Told for each read: the `text`; the `card` as it is printed on the card; its `facility` code. Polled: `count`, the
    reads since the agent's start, and `malformed`, what came and was none.
    """

    field: Literal["text", "card", "facility", "count", "malformed"]

    @property
    def value_type(self) -> Kind:
        """A text, or a number."""
        return str if self.field in {"text", "card"} else int

    @property
    def is_event(self) -> bool:
        """What was read is told once, when it was read."""
        return self.field not in _COUNTERS

    @property
    def where(self) -> str:
        """The field."""
        return self.field


class ReaderDefaults(Strict):
    """How a type of reader says what it reads.

    `framing`: a `line` that CR, LF or both end; `stx-etx`: text between STX and ETX; `pause`: `length` bytes between
    two silences. `check`: `lrc` is a byte behind ETX, the exclusive-or of all from STX to ETX, and `bcc` the same
    without STX; `em4100` and `sum` are two hexadecimal digits at the text's end, the exclusive-or or the sum of the
    bytes that its other digits write; `xor` is a last byte, the exclusive-or of those before it.

    `content`: `text`; the ten digits of an `em4100` tag; a Wiegand number of `bits` bits as hexadecimal digits, as
    decimal ones, as the bits themselves, as bytes (`raw`), or with its length before it (`counted`). 26 and 34 bits
    have parity bits, which are checked; 24 and 32 are without. `printed` is how cards are labelled: ten digits of 32
    bits (`W34`), or facility code and number of 24 bits, `123,14706` (`W26`).

    A silence of `gap` ends a read that was cut off. The same read again within `hold_off` of the last time is no new
    one. A read must begin with `prefix`, which is taken off. `alive` is what a reader sends without having read
    anything, at least every `alive_within`.
    """

    framing: Literal["line", "stx-etx", "pause"] = "line"
    check: Literal["none", "lrc", "bcc", "em4100", "sum", "xor"] = "none"
    content: Literal[
        "text",
        "em4100",
        "wiegand-hex",
        "wiegand-decimal",
        "wiegand-bits",
        "wiegand-raw",
        "wiegand-counted",
    ] = "text"
    bits: Literal[24, 26, 32, 34] | None = None
    printed: Literal["W26", "W34"] = "W34"
    charset: Literal["ascii", "latin-1", "utf-8", "gb18030"] = "ascii"
    length: int | None = Field(default=None, ge=1, le=64)
    max_length: int = Field(default=512, ge=1, le=8192, description="bytes of a read, without its frame")
    gap: Pause = timedelta(milliseconds=200)
    hold_off: Span = timedelta(seconds=1)
    prefix: str = Field(default="", max_length=16)
    alive: str | None = Field(default=None, min_length=1)
    alive_within: Span | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        allowed = _CHECKS[self.framing]
        if self.check not in allowed:
            raise ValueError(f"with `framing = '{self.framing}'`, `check` is one of {', '.join(sorted(allowed))}")
        if (self.framing == "pause") != (self.length is not None):
            raise ValueError("`length` is needed for `framing = 'pause'`, and for no other")
        if (self.content in _OF_BITS) != (self.bits is not None):
            raise ValueError("`bits` is needed for Wiegand numbers, and for nothing else")
        if self.content == "wiegand-decimal" and self.bits in _WITH_PARITY:
            raise ValueError("`content = 'wiegand-decimal'` has no parity: `bits` is 24 or 32")
        if self.content == "wiegand-raw" and (self.framing != "pause" or self.check not in {"none", "xor"}):
            raise ValueError("`content = 'wiegand-raw'` may have any byte in it: it needs `framing = 'pause'`")
        if self.framing == "pause" and self.check == "none" and self.bits not in _WITH_PARITY:
            raise ValueError("`framing = 'pause'` takes any noise for a read: it needs a `check`, or bits with parity")
        if (self.alive is None) != (self.alive_within is None):
            raise ValueError("`alive` and `alive_within` go together")
        return self


_CHECKS = {
    "line": {"none", "em4100", "sum"},
    "stx-etx": {"none", "lrc", "bcc", "em4100", "sum"},
    "pause": {"none", "xor", "em4100", "sum"},
}
_OF_BITS = {"wiegand-hex", "wiegand-decimal", "wiegand-bits", "wiegand-raw"}
_WITH_PARITY = {26, 34}

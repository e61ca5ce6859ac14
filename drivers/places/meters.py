"""Where a point lies in a meter of DL/T 645 or CJ/T 188."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from drivers.places.base import Kind, Place

BcdFormat = Annotated[str, Field(pattern=r"^(X+(\.X+)?|(NN)+)$")]
"""How bytes make a value, as the meter standards write it: `XXXXXX.XX` is packed decimal, `NN` a byte of bits."""


class MeterPoint(Place):
    """A value among the data of one identifier; `offset` counts the bytes before it. Low bytes come first.

    `XXXX.XX` is packed decimal with its decimal point; `NNNN` is a binary number or a set of bits, of which `bit` takes
    one and `bits` a field (low bit, width). With `signed` the highest bit says minus.
    """

    format: BcdFormat
    offset: int = Field(default=0, ge=0, le=199)
    signed: bool = False
    bit: int | None = Field(default=None, ge=0)
    bits: tuple[int, int] | None = None

    @property
    def digits(self) -> int:
        """How many hexadecimal digits the value takes."""
        return len(self.format.replace(".", ""))

    @property
    def length(self) -> int:
        """How many bytes the value takes."""
        return self.digits // 2

    @property
    def decimals(self) -> int:
        """How many digits stand behind the decimal point."""
        return len(self.format.partition(".")[2])

    @property
    def binary(self) -> bool:
        """Whether the bytes are a number or bits, and no decimal digits."""
        return self.format.startswith("N")

    @property
    def value_type(self) -> Kind:
        """The Python type of the value in engineering units."""
        if self.bit is not None:
            return bool
        return float if self.decimals else int

    @property
    def step(self) -> float:
        """The last digit."""
        return 10.0**-self.decimals

    @model_validator(mode="after")
    def _format_fits(self) -> Self:
        if self.digits % 2:
            raise ValueError(f"`{self.format}` is no whole number of bytes: two digits make one")
        if (self.bit is not None or self.bits is not None or self.signed) and self.binary == self.signed:
            raise ValueError("`bit` and `bits` need the binary format `NN...`, and `signed` needs the decimal one")
        if self.bit is not None and (self.bits is not None or self.bit >= 4 * self.digits):
            raise ValueError(f"`bit` is below {4 * self.digits} in `{self.format}`, and excludes `bits`")
        if self.bits is not None:
            low, width = self.bits
            if low < 0 or width < 1 or low + width > 4 * self.digits:
                raise ValueError(f"`bits = [low, width]` reaches beyond the bits of `{self.format}`")
        return self


class Dlt645Point(MeterPoint):
    """Where a value lies in a DL/T 645-2007 meter. `identifier` is written as in the standard: DI3 DI2 DI1 DI0."""

    identifier: Annotated[str, Field(pattern=r"^[0-9A-F]{8}$")]

    @property
    def where(self) -> str:
        """The identifier."""
        return self.identifier


class Quantity(StrEnum):
    """What a CJ/T 188 value measures. Its unit follows it on the wire; the point's own unit is the one given here."""

    VOLUME = "volume"
    FLOW = "flow"
    ENERGY = "energy"
    POWER = "power"

    @property
    def unit(self) -> str:
        """The unit in which a point shows this quantity."""
        return _UNIT_OF[self]


_UNIT_OF: Mapping[Quantity, str] = {
    Quantity.VOLUME: "m³",
    Quantity.FLOW: "m³/h",
    Quantity.ENERGY: "kWh",
    Quantity.POWER: "kW",
}


class Cjt188Point(MeterPoint):
    """Where a value lies in a CJ/T 188 meter: among the data after the serial number of the answer.

    With `quantity` a unit byte follows the value, and the value is converted to the quantity's own unit.
    """

    identifier: Annotated[str, Field(pattern=r"^[0-9A-F]{4}$")] = "901F"
    quantity: Quantity | None = None

    @property
    def where(self) -> str:
        """The identifier."""
        return self.identifier

    def unit_problem(self, unit: str) -> str | None:
        """Say why the point cannot have this unit: a quantity is converted to its own."""
        if self.quantity is None or unit == self.quantity.unit:
            return None
        return f"a {self.quantity} is shown in {self.quantity.unit}, so `unit` is '{self.quantity.unit}'"

    @model_validator(mode="after")
    def _quantity_fits(self) -> Self:
        if self.quantity is not None and not self.decimals:
            raise ValueError("a `quantity` needs a format with decimals, such as 'XXXXXX.XX'")
        return self

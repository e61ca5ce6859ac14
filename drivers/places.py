"""Where a point lies in a device: the tables of a point that are named after protocols."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from runtime.config import Strict

Kind = type[bool] | type[int] | type[float] | type[str]
"""The Python type of a value in engineering units."""
RegisterAddress = Annotated[int, Field(ge=0, le=65535)]


class Table(StrEnum):
    """The four tables of the Modbus data model."""

    COIL = "coil"
    DISCRETE = "discrete"
    INPUT = "input"
    HOLDING = "holding"

    @property
    def is_bits(self) -> bool:
        """Whether one address holds one bit (and not a 16-bit register)."""
        return self in {Table.COIL, Table.DISCRETE}

    @property
    def is_writable(self) -> bool:
        """Whether a master may write to it."""
        return self in {Table.COIL, Table.HOLDING}


class RegisterType(StrEnum):
    """How registers make a value."""

    BOOL = "bool"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    STRING = "string"

    @property
    def is_float(self) -> bool:
        """Whether the raw value is a floating-point number."""
        return self in {RegisterType.FLOAT32, RegisterType.FLOAT64}


REGISTERS: Mapping[RegisterType, int] = {
    RegisterType.BOOL: 1,
    RegisterType.INT16: 1,
    RegisterType.UINT16: 1,
    RegisterType.INT32: 2,
    RegisterType.UINT32: 2,
    RegisterType.INT64: 4,
    RegisterType.UINT64: 4,
    RegisterType.FLOAT32: 2,
    RegisterType.FLOAT64: 4,
}
"""How many 16-bit registers each type takes; a string says so itself."""


class WordOrder(StrEnum):
    """How the bytes of a value lie in its registers; A is the most significant byte."""

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"


class ModbusPoint(Strict):
    """Where a point lies in a Modbus device, and how raw registers become engineering units.

    value = raw * scale + offset. `address` counts from zero, as on the wire. `bits` takes a field (low bit, width) out
    of one register. `absent` is the raw value by which the device says "not available".
    """

    table: Table
    address: RegisterAddress
    type: RegisterType
    word_order: WordOrder = WordOrder.ABCD
    length: int | None = Field(default=None, ge=1, le=125, description="registers of a string")
    bit: int | None = Field(default=None, ge=0, le=15)
    bits: tuple[int, int] | None = None
    scale: float = 1.0
    offset: float = 0.0
    absent: int | None = None

    @property
    def count(self) -> int:
        """How many addresses the point takes."""
        return self.length if self.length is not None else REGISTERS[self.type]

    @property
    def value_type(self) -> Kind:
        """The Python type of the value in engineering units."""
        if self.type is RegisterType.BOOL:
            return bool
        if self.type is RegisterType.STRING:
            return str
        if self.type.is_float or not (self.scale.is_integer() and self.offset.is_integer()):
            return float
        return int

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.type is RegisterType.STRING) != (self.length is not None):
            raise ValueError("`length` (in registers) goes with type 'string', and a string needs it")
        if self.table.is_bits and self.type is not RegisterType.BOOL:
            raise ValueError(f"a {self.table} is one bit: its type is 'bool'")
        if not self.table.is_bits and (self.type is RegisterType.BOOL) != (self.bit is not None):
            raise ValueError("in a register, type 'bool' needs `bit`, and `bit` needs type 'bool'")
        if self.table.is_bits and self.bit is not None:
            raise ValueError(f"a {self.table} is one bit: it has no `bit`")
        if self.bits is not None:
            low, width = self.bits
            if self.type is not RegisterType.UINT16 or low < 0 or width < 1 or low + width > 16:  # noqa: PLR2004 - bits
                raise ValueError(
                    "`bits = [low, width]` takes bits of one 'uint16' register: 0 <= low, low + width <= 16"
                )
        if self.scale == 0:
            raise ValueError("a scale of 0 makes every value the same")
        if self.type in {RegisterType.BOOL, RegisterType.STRING} and (self.scale, self.offset) != (1.0, 0.0):
            raise ValueError(f"a {self.type} has no scale or offset")
        if self.address + self.count > 65536:  # noqa: PLR2004 - the size of a Modbus table
            raise ValueError("the point reaches beyond address 65535")
        return self


BcdFormat = Annotated[str, Field(pattern=r"^(X+(\.X+)?|(NN)+)$")]
"""How bytes make a value, as the meter standards write it: `XXXXXX.XX` is packed decimal, `NN` a byte of bits."""


class MeterPoint(Strict):
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

    @model_validator(mode="after")
    def _quantity_fits(self) -> Self:
        if self.quantity is not None and not self.decimals:
            raise ValueError("a `quantity` needs a format with decimals, such as 'XXXXXX.XX'")
        return self

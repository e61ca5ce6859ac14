"""Where a point lies in a Modbus device."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from drivers.places.base import Kind, Place

RegisterAddress = Annotated[int, Field(ge=0, le=65535)]
RegisterValue = Annotated[int, Field(ge=0, le=65535)]


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


class Write(StrEnum):
    """How a point is written, where that is not the common way (functions 5 and 6 for one address, 15 and 16 for more).

    A pulse is a time in seconds for which the device itself holds an output: it lets go also when nobody tells it to.
    """

    MASK = "mask"
    """Bits of a holding register by function 22: one step, where reading and writing back are two."""
    MULTIPLE = "multiple"
    """By function 15 or 16 also where there is only one address."""
    TRIGGER = "trigger"
    """A coil or register that takes an order and shows nothing: it is written and never read."""
    COIL_PULSE = "coil-pulse"
    """The time stands in the data of function 5, in place of on and off."""
    REGISTER_PULSE = "register-pulse"
    """The time is a holding register: by function 6, or by 16 behind the registers of `lead`."""

    @property
    def is_pulse(self) -> bool:
        """Whether the device holds an output for a time; such a point is written and never read."""
        return self in {Write.COIL_PULSE, Write.REGISTER_PULSE}


LONGEST_COIL_PULSE = 0x7FFF
"""In the device's own steps: the most that makers give; FF00, the word for plain "on", lies beyond."""


class ModbusPoint(Place):
    """Where a point lies in a Modbus device, and how raw registers become engineering units.

    value = raw * scale + offset. `address` counts from zero, as on the wire. `bits` takes a field (low bit, width) out
    of one register. `absent` is the raw value by which the device says "not available".

    A pulse (see `Write`) has type 'uint16' and the unit seconds. `lead` are registers that are written before it in the
    same request, such as a mode; `holds` is the address of the coil that is on meanwhile.
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
    write: Write | None = None
    lead: tuple[RegisterValue, ...] = ()
    holds: RegisterAddress | None = None

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

    @property
    def where(self) -> str:
        """The table and the address, as on the wire."""
        return f"{self.table} {self.address}"

    @property
    def step(self) -> float:
        """The least difference; floating-point registers count by their scale."""
        return abs(self.scale)

    @property
    def is_writable(self) -> bool:
        """Whether a command may write to it: a coil, a holding register, or bits of one."""
        return self.table.is_writable

    @property
    def is_pulse(self) -> bool:
        """Whether it is a time for which the device itself holds an output."""
        return self.write is not None and self.write.is_pulse

    @property
    def is_readable(self) -> bool:
        """Whether it can be read; a pulse and a trigger are only sent."""
        return not self.is_pulse and self.write is not Write.TRIGGER

    def unit_problem(self, unit: str) -> str | None:
        """Say why the point cannot have this unit; None when it can."""
        return "a pulse is a time, so `unit` is 's'" if self.is_pulse and unit != "s" else None

    @model_serializer(mode="wrap")
    def _without_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out how it is written where that is the common way, so that older documents keep their hash."""
        written: dict[str, Any] = dump(self)
        return {key: value for key, value in written.items() if key not in _LATER or value not in _UNSAID}

    @model_validator(mode="after")
    def _is_written_well(self) -> Self:
        if self.write is not None and not self.table.is_writable:
            raise ValueError(f"a {self.table} is never written, so it has no `write`")
        if self.write is Write.MASK and (self.table.is_bits or (self.bit is None and self.bits is None)):
            raise ValueError("`write = 'mask'` sets bits of a holding register: it needs `bit` or `bits`")
        if self.write in {Write.MULTIPLE, Write.TRIGGER} and (self.bit is not None or self.bits is not None):
            raise ValueError(f"`write = '{self.write}'` is for whole registers and coils, not for bits of a register")
        if not self.is_pulse:
            if self.lead or self.holds is not None:
                raise ValueError("`lead` and `holds` belong to a pulse: `write = 'coil-pulse'` or 'register-pulse'")
            return self
        if self.type is not RegisterType.UINT16 or self.bits is not None or self.absent is not None:
            raise ValueError(
                "a pulse is a plain 'uint16': how many steps of `scale` seconds the device holds its output"
            )
        if (self.write is Write.COIL_PULSE) != self.table.is_bits:
            raise ValueError("'coil-pulse' is for coils, and 'register-pulse' for holding registers")
        if self.lead and self.table.is_bits:
            raise ValueError("`lead` are registers that are written before a 'register-pulse'")
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.type is RegisterType.STRING) != (self.length is not None):
            raise ValueError("`length` (in registers) goes with type 'string', and a string needs it")
        if self.table.is_bits and self.type is not RegisterType.BOOL and not self.is_pulse:
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
        if self.address + len(self.lead) + self.count > 65536:  # noqa: PLR2004 - the size of a Modbus table
            raise ValueError("the point reaches beyond address 65535")
        return self


_LATER = frozenset({"write", "lead", "holds"})
"""Fields that documents had not from the beginning."""
_UNSAID: tuple[object, ...] = (None, (), [])

"""How a point is written: by which request, and what its answer must repeat. Pure."""

from dataclasses import dataclass

from drivers.api import Value
from drivers.modbus.codec import encode, masks
from drivers.places.modbus import ModbusPoint, Table, Write


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """Registers (0..65535) or bits (0 or 1) from `address` on: by the function for one, or for `several`."""

    table: Table
    address: int
    values: tuple[int, ...]
    several: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Mask:
    """Bits of one holding register, by function 22: what it holds becomes (it AND `and_mask`) OR `or_mask`."""

    address: int
    and_mask: int
    or_mask: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CoilWord:
    """A word in the data of function 5 that is neither on (FF00) nor off (0000)."""

    address: int
    word: int


WriteRequest = Words | Mask | CoilWord


def reads_first(point: ModbusPoint) -> bool:
    """Whether the register has to be read before, because the rest of it is to be kept."""
    return point.write is not Write.MASK and (point.bit is not None or point.bits is not None)


def write_request(point: ModbusPoint, value: Value, *, current: int = 0) -> WriteRequest:
    """Give the request that writes `value`; `current` is what the register holds where `reads_first`.

    ValueError for a value that does not fit.
    """
    if point.write is Write.MASK:
        and_mask, or_mask = masks(point, value)
        return Mask(address=point.address, and_mask=and_mask, or_mask=or_mask)
    words = encode(point, value, current=current)
    if point.write is Write.COIL_PULSE:
        return CoilWord(address=point.address, word=words[0])
    several = point.write is Write.MULTIPLE
    return Words(table=point.table, address=point.address, values=(*point.lead, *words), several=several)

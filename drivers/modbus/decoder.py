"""The registers of a whole block to values in a few steps, because nearly all the time of a poll goes there. Pure."""

import math
import struct
from collections.abc import Mapping, Sequence

from drivers.api import PointResult
from drivers.modbus.blocks import Block
from drivers.modbus.codec import decode
from drivers.profile import ModbusPoint, RegisterType, WordOrder

_PLAIN: Mapping[RegisterType, str] = {
    RegisterType.INT16: "h",
    RegisterType.UINT16: "H",
    RegisterType.INT32: "i",
    RegisterType.UINT32: "I",
    RegisterType.INT64: "q",
    RegisterType.UINT64: "Q",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
}


class BlockDecoder:
    """Decodes the answers to one block.

    Numbers without scale, offset or other peculiarity are unpacked all at once; everything else, and every number that
    is not finite, goes by `codec.decode`, whose results these are equal to.
    """

    def __init__(self, block: Block, points: Mapping[str, ModbusPoint]) -> None:
        self._places = {
            name: (points[name], points[name].address - block.address, points[name].count) for name in block.points
        }
        self._plain = tuple(name for name in block.points if _is_plain(points[name]))
        plain = frozenset(self._plain)
        self._others = tuple(name for name in block.points if name not in plain)
        self._order = [index for name in self._plain for index in self._indices(name)]
        self._words = struct.Struct(f">{len(self._order)}H")
        self._values = struct.Struct(">" + "".join(_PLAIN[points[name].type] for name in self._plain))

    def decode(self, raw: Sequence[int]) -> dict[str, PointResult]:
        """Give the results of all points of the block; `raw` has its registers (0..65535) or bits."""
        results: dict[str, PointResult] = {}
        if self._plain:
            values: tuple[float, ...] = self._values.unpack(self._words.pack(*[raw[index] for index in self._order]))
            isfinite = math.isfinite
            for name, value in zip(self._plain, values, strict=True):
                results[name] = PointResult(point=name, value=value) if isfinite(value) else self._alone(name, raw)
        for name in self._others:
            results[name] = self._alone(name, raw)
        return results

    def _alone(self, name: str, raw: Sequence[int]) -> PointResult:
        point, start, count = self._places[name]
        decoded = decode(point, raw[start : start + count])
        return PointResult(point=name, value=decoded.value, reason=decoded.reason)

    def _indices(self, name: str) -> range:
        point, start, count = self._places[name]
        if point.word_order is WordOrder.CDAB:
            return range(start + count - 1, start - 1, -1)
        return range(start, start + count)


def _is_plain(point: ModbusPoint) -> bool:
    return (
        not point.table.is_bits
        and point.type in _PLAIN
        and point.word_order in {WordOrder.ABCD, WordOrder.CDAB}
        and (point.scale, point.offset, point.bits, point.absent) == (1.0, 0.0, None, None)
    )

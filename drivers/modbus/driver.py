"""A Modbus device, read and written by its profile."""

from collections.abc import Mapping, Sequence

from drivers.api import BadRequest, DriverError, PointResult, Refused, TimedOut, Unreachable, Value
from drivers.modbus.blocks import Block, plan
from drivers.modbus.bus import ILLEGAL_ADDRESS, SILENT_TARGET, ModbusBus
from drivers.modbus.codec import decode, encode
from drivers.profile import ModbusPoint, Profile, Table

__all__ = ["ModbusBus", "ModbusDevice"]


class ModbusDevice:
    """One unit on a bus (`drivers.api.Device`).

    Each request takes the bus's lock for itself, so that a command gets in between two blocks of a long read.
    """

    def __init__(self, bus: ModbusBus, *, unit: int, profile: Profile, name: str) -> None:
        self.bus = bus
        self.unit = unit
        self.profile = profile
        self.name = name

    def blocks(self, points: Sequence[str]) -> tuple[Block, ...]:
        """Plan the read requests for some points; BadRequest for a point that the profile does not have."""
        return plan({name: self._point(name) for name in points}, self.profile.modbus)

    async def read(self, points: Sequence[str]) -> Mapping[str, PointResult]:
        """Read points by id; the answer has every one of them.

        A block that fails gives its points the reason; a device that falls silent is asked nothing more in this round.
        Raises the first error when not a single block was answered.
        """
        results: dict[str, PointResult] = {}
        first: DriverError | None = None
        silent: DriverError | None = None
        answered = False
        for block in self.blocks(points):
            if silent is None:
                try:
                    results |= await self.read_block(block)
                    answered = True
                    continue
                except DriverError as error:
                    first = first or error
                    silent = error if _is_silence(error) else None
                    failure = error
            else:
                failure = silent
            results |= {name: self._without(name, failure) for name in block.points}
        if first is not None and not answered:
            raise first
        return results

    async def read_block(self, block: Block) -> Mapping[str, PointResult]:
        """Read one block by one request.

        When the device refuses an address in it (exception 2), its points are read one by one, and only those that are
        refused again get a reason. Any other error is raised.
        """
        try:
            raw = await self._read(block)
        except Refused as error:
            if error.code != ILLEGAL_ADDRESS:
                raise
            if len(block.points) == 1:
                return {block.points[0]: self._without(block.points[0], error)}
            return await self._one_by_one(block)
        return {name: self._decoded(name, block, raw) for name in block.points}

    async def write(self, point: str, value: Value) -> None:
        """Write one point and return when the device has confirmed it; never sent twice.

        A bit (or bit field) of a holding register is set by reading the register and writing it back, with the bus
        locked meanwhile. The mask write (function 22) would be atomic, but few devices of this trade know it.
        """
        target = self._point(point)
        if not target.table.is_writable:
            raise BadRequest(device=self.name, why=f"`{point}` cannot be written")
        async with self.bus.lock:
            current = 0
            if target.bit is not None or target.bits is not None:
                self._encoded(target, value, current)  # a value that does not fit costs no request
                current = (await self._read_unlocked(target.table, target.address, 1))[0]
            await self.bus.write_raw(
                unit=self.unit,
                table=target.table,
                address=target.address,
                values=self._encoded(target, value, current),
                device=self.name,
            )

    async def _one_by_one(self, block: Block) -> Mapping[str, PointResult]:
        results: dict[str, PointResult] = {}
        for name in block.points:
            point = self._point(name)
            alone = Block(table=point.table, address=point.address, count=point.count, points=(name,))
            results |= await self.read_block(alone)
        return results

    async def _read(self, block: Block) -> tuple[int, ...]:
        async with self.bus.lock:
            return await self._read_unlocked(block.table, block.address, block.count)

    async def _read_unlocked(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        return await self.bus.read_raw(unit=self.unit, table=table, address=address, count=count, device=self.name)

    def _decoded(self, name: str, block: Block, raw: tuple[int, ...]) -> PointResult:
        point = self._point(name)
        start = point.address - block.address
        decoded = decode(point, raw[start : start + point.count])
        return PointResult(point=name, value=decoded.value, reason=decoded.reason)

    def _without(self, name: str, error: DriverError) -> PointResult:
        return PointResult(point=name, value=None, reason=str(error).removeprefix(f"{self.name}: "))

    def _encoded(self, point: ModbusPoint, value: Value, current: int) -> tuple[int, ...]:
        try:
            return encode(point, value, current=current)
        except ValueError as error:
            raise BadRequest(device=self.name, why=str(error)) from error

    def _point(self, name: str) -> ModbusPoint:
        if name not in self.profile.points:
            raise BadRequest(device=self.name, why=f"`{name}` is no point of the profile `{self.profile.name}`")
        return self.profile.points[name].modbus


def _is_silence(error: DriverError) -> bool:
    return isinstance(error, TimedOut | Unreachable) or (isinstance(error, Refused) and error.code in SILENT_TARGET)

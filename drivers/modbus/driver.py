"""A Modbus device, read and written by its profile."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.api import BadRequest, DriverError, PointResult, Refused, TimedOut, Unreachable, Value
from drivers.modbus.blocks import Block, Findings, plan, search
from drivers.modbus.bus import EXCEPTIONS, ILLEGAL_ADDRESS, SILENT_TARGET, ModbusBus
from drivers.modbus.codec import encode
from drivers.modbus.decoder import BlockDecoder
from drivers.modbus.holes import Holes
from drivers.modbus.mutes import Mutes
from drivers.profile import ModbusPoint, Profile, Table

__all__ = ["ModbusBus", "ModbusDevice"]

_PLANS = 256  # polls are few; each read-back of a command is one too
_REFUSED = f"refused: {EXCEPTIONS[ILLEGAL_ADDRESS]} (code {ILLEGAL_ADDRESS})"
_MUTE = "never answered, though the device answers other requests; it is asked again later"


@dataclass(frozen=True, kw_only=True, slots=True)
class _ReadPlan:
    """How to read a set of points: by which requests, and which of them not at all, with their results."""

    revision: tuple[Holes, int]
    requests: tuple[tuple[Block, BlockDecoder], ...]
    refused: Mapping[str, PointResult]


class ModbusDevice:
    """One unit on a bus (`drivers.api.Device`).

    Each request takes a turn on the bus for itself, so that a command gets in between two blocks of a long read.
    """

    def __init__(self, bus: ModbusBus, *, unit: int, profile: Profile, name: str) -> None:
        self.bus = bus
        self.unit = unit
        self.profile = profile
        self.name = name
        self._plans: dict[tuple[str, ...], _ReadPlan] = {}
        self._mutes = Mutes()

    def blocks(self, points: Sequence[str]) -> tuple[Block, ...]:
        """Plan the read requests for some points; BadRequest for a point that the profile does not have.

        Points that the device is known to refuse are in none of them.
        """
        chosen = {name: self._point(name) for name in points}
        return plan(chosen, self.profile.modbus, self.bus.holes(self.unit))

    async def read(self, points: Sequence[str], *, urgent: bool = False) -> Mapping[str, PointResult]:
        """Read points by id; the answer has every one of them.

        A block that fails gives its points the reason; a device that falls silent is asked nothing more in this round,
        and a block that it never answers, while it answers others, is asked only now and then.
        When the device refuses an address in a block (exception 2), it is searched for what is refused, and that is
        remembered and left out. Raises the first error when not a single request was answered.
        """
        planned = self._plan(tuple(points))
        results = dict(planned.refused)
        failure: DriverError | None = None
        answered = False
        silent: tuple[Block, DriverError] | None = None
        for block, decoder in self._mutes.order(planned.requests, now=_now()):
            if silent is None:
                error = await self._read_into(results, block, decoder, urgent=urgent)
                if error is None:
                    answered = True
                    self._mutes.answered(block)
                    continue
                failure = failure or error
                answered = answered or not results.keys().isdisjoint(block.points)
                if _is_silence(error):
                    silent = (block, error)
            else:
                error = silent[1]
            for name in block.points:
                results.setdefault(name, self._without(name, error))
        if silent is not None:
            self._mutes.silent(silent[0], others_answered=answered, now=_now())
        if failure is not None and not answered:
            raise failure
        if len(results) < len(points):
            results |= {
                name: PointResult(point=name, value=None, reason=_MUTE) for name in points if name not in results
            }
        return results

    async def write(self, point: str, value: Value) -> None:
        """Write one point, ahead of all polling, and return when the device has confirmed it; never sent twice.

        A bit (or bit field) of a holding register is set by reading the register and writing it back, in one turn on
        the bus. The mask write (function 22) would be atomic, but few devices of this trade know it.
        """
        target = self._point(point)
        if not target.table.is_writable:
            raise BadRequest(device=self.name, why=f"`{point}` cannot be written")
        async with self.bus.turns.turn(urgent=True):
            current = 0
            if target.bit is not None or target.bits is not None:
                self._encoded(target, value, current)  # a value that does not fit costs no request
                current = (await self._read_raw(target.table, target.address, 1))[0]
            await self.bus.write_raw(
                unit=self.unit,
                table=target.table,
                address=target.address,
                values=self._encoded(target, value, current),
                device=self.name,
            )

    def _plan(self, points: tuple[str, ...]) -> _ReadPlan:
        """Give the plan that fits what is known of the device's holes now."""
        holes = self.bus.holes(self.unit)
        holes.release(now=_now())
        found = self._plans.get(points)
        if found is not None and found.revision == (holes, holes.revision):
            return found
        blocks = self.blocks(points)
        if points and not blocks:
            holes.release()  # something must be asked, or nobody would know whether the device lives
            blocks = self.blocks(points)
        read = {name for block in blocks for name in block.points}
        made = _ReadPlan(
            revision=(holes, holes.revision),
            requests=tuple((block, self._decoder(block)) for block in blocks),
            refused={name: PointResult(point=name, value=None, reason=_REFUSED) for name in points if name not in read},
        )
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        self._plans[points] = made
        return made

    async def _read_into(
        self, results: dict[str, PointResult], block: Block, decoder: BlockDecoder, *, urgent: bool
    ) -> DriverError | None:
        """Read a block, and search it when it is refused; gives the error after which points are still missing."""
        try:
            if not await self._ask(results, block, decoder, urgent=urgent):
                await self._search(results, block, urgent=urgent)
        except DriverError as error:
            return error
        return None

    async def _ask(self, results: dict[str, PointResult], block: Block, decoder: BlockDecoder, *, urgent: bool) -> bool:
        """Read one block by one request; False when the device refuses an address in it."""
        try:
            async with self.bus.turns.turn(urgent=urgent):
                raw = await self._read_raw(block.table, block.address, block.count)
        except Refused as error:
            if error.code != ILLEGAL_ADDRESS:
                raise
            return False
        results |= decoder.decode(raw)
        return True

    async def _search(self, results: dict[str, PointResult], block: Block, *, urgent: bool) -> None:
        findings = Findings()
        steps = search(block, {name: self._point(name) for name in block.points}, findings)
        try:
            asked = next(steps, None)
            while asked is not None:
                answered = await self._ask(results, asked, self._decoder(asked), urgent=urgent)
                try:
                    asked = steps.send(answered)
                except StopIteration:
                    asked = None
        finally:
            self.bus.holes(self.unit).learn(
                block.table,
                refused=findings.refused,
                seams=findings.seams,
                now=_now(),
            )
            results |= {name: PointResult(point=name, value=None, reason=_REFUSED) for name in findings.points}

    async def _read_raw(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        return await self.bus.read_raw(unit=self.unit, table=table, address=address, count=count, device=self.name)

    def _decoder(self, block: Block) -> BlockDecoder:
        return BlockDecoder(block, {name: self._point(name) for name in block.points})

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


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_silence(error: DriverError) -> bool:
    return isinstance(error, TimedOut | Unreachable) or (isinstance(error, Refused) and error.code in SILENT_TARGET)

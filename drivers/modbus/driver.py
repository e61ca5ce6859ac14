"""A Modbus device, read and written by its profile."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.api import BadRequest, DriverError, PointResult, Refused, TimedOut, Unreachable, Value
from drivers.modbus.blocks import Block, Findings, plan, search, split
from drivers.modbus.bus import EXCEPTIONS, ILLEGAL_ADDRESS, OF_ADDRESSES, SILENT_TARGET, ModbusBus
from drivers.modbus.decoder import BlockDecoder
from drivers.modbus.holes import Holes
from drivers.modbus.mutes import Mutes
from drivers.modbus.writing import WriteRequest, reads_first, write_request
from drivers.places.modbus import ModbusPoint, Table
from drivers.profile import Profile

__all__ = ["ModbusBus", "ModbusDevice"]

_PLANS = 256  # polls are few; each read-back of a command is one too
_FRUITLESS_S = 5.0  # so long a search goes on in which nothing is answered; gateways say "device failure" after seconds
_ONLY_WRITTEN = "cannot be read: it only takes commands"
_MUTE = "never answered, though the device answers other requests; it is asked again later"


@dataclass(frozen=True, kw_only=True, slots=True)
class _ReadPlan:
    """How to read a set of points: by which requests, and which of them not at all, with the reasons."""

    revision: tuple[Holes, int]
    requests: tuple[tuple[Block, BlockDecoder], ...]
    left_out: Mapping[str, PointResult]


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
        A block that is refused for good (exceptions 2, 3 and 4) is searched for what is refused, and that is remembered
        and left out. A device that is busy is asked again at the next poll, and never searched. Raises the first error
        when not a single request was answered.
        """
        planned = self._plan(tuple(points))
        results = dict(planned.left_out)
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

        A bit (or bit field) of a holding register is set by reading the register and writing it back in one turn on the
        bus, or in one step (function 22) where the profile says that the device can.
        """
        target = self._point(point)
        if not target.is_writable:
            raise BadRequest(device=self.name, why=f"`{point}` cannot be written")
        async with self.bus.turns.turn(urgent=True):
            request = self._request(target, value)  # a value that does not fit costs no request
            if reads_first(target):
                current = (await self._read_raw(target.table, target.address, 1))[0]
                request = self._request(target, value, current)
            await self.bus.write(request, unit=self.unit, device=self.name)

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
            left_out={name: self._left_out(name, holes) for name in points if name not in read},
        )
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        self._plans[points] = made
        return made

    async def _read_into(
        self, results: dict[str, PointResult], block: Block, decoder: BlockDecoder, *, urgent: bool
    ) -> DriverError | None:
        """Read a block, and search it when it is refused; gives the error after which points are still missing.

        Where a late answer could be taken for this one's, it is read in parts, which have other lengths.
        """
        try:
            for part in self._parts(block):
                its_decoder = decoder if part is block else self._decoder(part)
                refusal = await self._ask(results, part, its_decoder, urgent=urgent)
                if refusal is not None:
                    if self.bus.holes(self.unit).is_blank(part.table, part.span, now=_now()):
                        return refusal
                    await self._search(results, part, refusal, urgent=urgent)
        except DriverError as error:
            return error
        return None

    def _parts(self, block: Block) -> tuple[Block, ...]:
        """Split a block where a late answer could be taken for its, and not for its parts'."""

        def is_safe(one: Block) -> bool:
            return not self.bus.is_doubtful(self.unit, one.table, one.count)

        return (block,) if is_safe(block) else split(block, {n: self._point(n) for n in block.points}, is_safe)

    async def _ask(
        self, results: dict[str, PointResult], block: Block, decoder: BlockDecoder, *, urgent: bool
    ) -> Refused | None:
        """Read one block by one request; gives the refusal of a device that would answer other addresses."""
        try:
            async with self.bus.turns.turn(urgent=urgent):
                raw = await self._read_raw(block.table, block.address, block.count)
        except Refused as error:
            if error.code not in OF_ADDRESSES:
                raise
            return error
        results |= decoder.decode(raw)
        return None

    async def _search(self, results: dict[str, PointResult], block: Block, refusal: Refused, *, urgent: bool) -> None:
        """Ask for the parts of a block that was refused, and remember what is refused by itself.

        Raises the refusal when it gives up, because nothing at all was answered for a while.
        """
        findings = Findings()
        steps = search(block, {name: self._point(name) for name in block.points}, findings, refusal.code)
        learns = refusal.code == ILLEGAL_ADDRESS
        holes, started = self.bus.holes(self.unit), _now()
        try:
            asked = next(steps, None)
            while asked is not None and (learns or _now() - started < _FRUITLESS_S):
                again = await self._ask(results, asked, self._decoder(asked), urgent=urgent)
                learns = learns or again is None
                try:
                    asked = steps.send(None if again is None else again.code)
                except StopIteration:
                    asked = None
            if not learns:
                # All of it fails, which is more likely to pass than that each of its addresses is a hole.
                holes.learn_blank(block.table, block.span, refusal.code, now=_now())
            if asked is not None:
                raise refusal
        finally:
            if learns:
                holes.learn(block.table, refused=findings.refused, seams=findings.seams, now=_now())
            results |= {name: _refused(name, code) for name, code in findings.points.items()}

    async def _read_raw(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        return await self.bus.read_raw(unit=self.unit, table=table, address=address, count=count, device=self.name)

    def _decoder(self, block: Block) -> BlockDecoder:
        return BlockDecoder(block, {name: self._point(name) for name in block.points})

    def _left_out(self, name: str, holes: Holes) -> PointResult:
        point = self._point(name)
        if not point.is_readable:
            return PointResult(point=name, value=None, reason=_ONLY_WRITTEN)
        return _refused(name, holes.code(point.table, (point.address, point.address + point.count)))

    def _without(self, name: str, error: DriverError) -> PointResult:
        return PointResult(point=name, value=None, reason=str(error).removeprefix(f"{self.name}: "))

    def _request(self, point: ModbusPoint, value: Value, current: int = 0) -> WriteRequest:
        try:
            return write_request(point, value, current=current)
        except ValueError as error:
            raise BadRequest(device=self.name, why=str(error)) from error

    def _point(self, name: str) -> ModbusPoint:
        if name not in self.profile.points:
            raise BadRequest(device=self.name, why=f"`{name}` is no point of the profile `{self.profile.name}`")
        return self.profile.points[name].modbus


def _refused(name: str, code: int) -> PointResult:
    why = EXCEPTIONS.get(code, "unknown exception")
    return PointResult(point=name, value=None, reason=f"refused: {why} (code {code})")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_silence(error: DriverError) -> bool:
    return isinstance(error, TimedOut | Unreachable) or (isinstance(error, Refused) and error.code in SILENT_TARGET)

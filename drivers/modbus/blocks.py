"""Which registers to read together: few requests, no forbidden holes. Pure."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby

from drivers.modbus.holes import Holes, Span
from drivers.places.modbus import ModbusPoint, Table
from drivers.profile import ModbusDefaults, Profile


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One read request: `count` addresses of `table` from `address` on, for `points` by rising address."""

    table: Table
    address: int
    count: int
    points: tuple[str, ...]

    @property
    def span(self) -> Span:
        """The addresses that it reads: from the first to behind the last."""
        return self.address, self.address + self.count


@dataclass(kw_only=True, slots=True)
class Findings:
    """What a search found: the points that the device refuses, their spans, and where it cannot be read across.

    `points` and `refused` go to the exception code with which they were refused alone.
    """

    points: dict[str, int] = field(default_factory=dict)
    refused: dict[Span, int] = field(default_factory=dict)
    seams: list[Span] = field(default_factory=list)


def plan(points: Mapping[str, ModbusPoint], defaults: ModbusDefaults, holes: Holes | None = None) -> tuple[Block, ...]:
    """Cover the points by reads: by table and address, over at most `max_gap` unused addresses between two points.

    No block is longer than the device allows, no point is split, and no two points are read together over a hole that
    is known; a point that is known to be refused, or that is only written, is in no block. ValueError for a point that
    is longer than a block may be.
    """
    return tuple(block for table in Table for block in _plan_table(table, points, defaults, holes))


def poll_plan(profile: Profile) -> dict[timedelta, tuple[Block, ...]]:
    """Plan each poll period of a profile for itself, so that slow points ride on no fast request."""
    polled = [name for name, point in profile.points.items() if point.modbus.is_readable]
    by_poll = sorted(polled, key=lambda name: profile.points[name].poll)
    return {
        poll: plan({name: profile.points[name].modbus for name in names}, profile.modbus)
        for poll, names in groupby(by_poll, key=lambda name: profile.points[name].poll)
    }


def split(block: Block, points: Mapping[str, ModbusPoint], usable: Callable[[Block], bool]) -> tuple[Block, ...]:
    """Split a block between two of its points into parts that are both `usable`, as evenly as can be.

    It stays whole where that is not possible.
    """
    places = len({(points[name].address, points[name].count) for name in block.points})
    for at in sorted(range(1, places), key=lambda at: abs(2 * at - places)):
        parts = _halves(block, points, at=at)
        if parts is not None and all(map(usable, parts)):
            return parts
    return (block,)


def search(
    block: Block, points: Mapping[str, ModbusPoint], findings: Findings, code: int
) -> Generator[Block, int | None, None]:
    """Find by bisection what a device refuses in a block that it has refused with the exception `code`.

    Yields the blocks to ask for; is sent the code with which each was refused, None when it was answered. Every point
    of `block` ends either in a block that was answered or in `findings.points`. At most two requests fewer than twice
    the number of different spans.
    """
    halves = _halves(block, points)
    if halves is None:
        findings.points |= dict.fromkeys(block.points, code)
        findings.refused[block.span] = code
        return
    whole = True
    for half in halves:
        # Where points overlap, a half may be as long as the whole, which was refused just now.
        refusal = code if half.span == block.span else (yield half)
        if refusal is not None:
            whole = False
            yield from search(half, points, findings, refusal)
    if whole:
        findings.seams.append(_seam(block, *halves))


def _plan_table(
    table: Table, points: Mapping[str, ModbusPoint], defaults: ModbusDefaults, holes: Holes | None
) -> Iterator[Block]:
    longest = defaults.max_bits if table.is_bits else defaults.max_registers
    refused = holes.refused(table) if holes else frozenset()
    apart = refused | holes.seams(table) if holes else frozenset()
    start = end = 0
    names: list[str] = []
    for low, high, name in _ordered(table, points):
        if high - low > longest:
            raise ValueError(f"`{name}` takes {high - low} addresses, and one read may take {longest}")
        if (low, high) in refused:
            continue
        reach = max(end, high)
        if names and (
            low - end > defaults.max_gap
            or reach - start > longest
            or (apart and (low, high) != (start, end) and any(start <= a and b <= reach for a, b in apart))
        ):
            yield Block(table=table, address=start, count=end - start, points=tuple(names))
            names = []
        if not names:
            start, end = low, high
        names.append(name)
        end = max(end, high)
    if names:
        yield Block(table=table, address=start, count=end - start, points=tuple(names))


def _ordered(table: Table, points: Mapping[str, ModbusPoint]) -> list[tuple[int, int, str]]:
    of_table = ((name, point) for name, point in points.items() if point.table is table and point.is_readable)
    return sorted((point.address, point.address + point.count, name) for name, point in of_table)


def _halves(block: Block, points: Mapping[str, ModbusPoint], *, at: int | None = None) -> tuple[Block, Block] | None:
    """Split a block behind its first `at` places, by default in the middle; None when there is only one."""
    ordered = _ordered(block.table, {name: points[name] for name in block.points})
    spans = sorted({(low, high) for low, high, _ in ordered})
    if len(spans) == 1:
        return None
    middle = spans[len(spans) // 2 if at is None else at]
    parts = ([one for one in ordered if one[:2] < middle], [one for one in ordered if one[:2] >= middle])
    left, right = (
        Block(
            table=block.table,
            address=part[0][0],
            count=max(high for _, high, _ in part) - part[0][0],
            points=tuple(name for _, _, name in part),
        )
        for part in parts
    )
    return left, right


def _seam(block: Block, left: Block, right: Block) -> Span:
    """Say what no read may hold together, when both halves of a refused block are answered one by one."""
    end, begin = left.span[1], right.address
    return (end - 1, begin + 1) if end <= begin else block.span

"""Which registers to read together: few requests, no forbidden holes. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from drivers.profile import ModbusDefaults, ModbusPoint, Profile, Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One read request: `count` addresses of `table` from `address` on, for `points` by rising address."""

    table: Table
    address: int
    count: int
    points: tuple[str, ...]


def plan(points: Mapping[str, ModbusPoint], defaults: ModbusDefaults) -> tuple[Block, ...]:
    """Cover the points by reads: by table and address, over at most `max_gap` unused addresses between two points.

    No block is longer than the device allows, and no point is split. ValueError for a point longer than a block may be.
    """
    return tuple(block for table in Table for block in _plan_table(table, points, defaults))


def poll_plan(profile: Profile) -> dict[timedelta, tuple[Block, ...]]:
    """Plan each poll period of a profile for itself, so that slow points ride on no fast request."""
    by_poll = sorted(profile.points, key=lambda name: profile.points[name].poll)
    return {
        poll: plan({name: profile.points[name].modbus for name in names}, profile.modbus)
        for poll, names in groupby(by_poll, key=lambda name: profile.points[name].poll)
    }


def _plan_table(table: Table, points: Mapping[str, ModbusPoint], defaults: ModbusDefaults) -> Iterator[Block]:
    longest = defaults.max_bits if table.is_bits else defaults.max_registers
    chosen = sorted(
        ((point.address, point.address + point.count, name) for name, point in points.items() if point.table is table)
    )
    start = end = 0
    names: list[str] = []
    for low, high, name in chosen:
        if high - low > longest:
            raise ValueError(f"`{name}` takes {high - low} addresses, and one read may take {longest}")
        if names and (low - end > defaults.max_gap or max(end, high) - start > longest):
            yield Block(table=table, address=start, count=end - start, points=tuple(names))
            names = []
        if not names:
            start, end = low, high
        names.append(name)
        end = max(end, high)
    if names:
        yield Block(table=table, address=start, count=end - start, points=tuple(names))

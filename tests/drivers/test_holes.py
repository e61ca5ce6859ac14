"""Searching for what a device refuses, and remembering it: any holes, any points."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.blocks import Block, Findings, plan, search
from drivers.modbus.holes import FIRST_PAUSE_S, LAST_PAUSE_S, Holes
from drivers.profile import ModbusDefaults, ModbusPoint, Table

HOLDING = Table.HOLDING


def point(address: int, kind: str = "uint16") -> ModbusPoint:
    return ModbusPoint.model_validate({"table": "holding", "address": address, "type": kind}, strict=False)


class Device:
    """Refuses every request that touches a hole; counts what it is asked."""

    def __init__(self, holes: set[int]) -> None:
        self.holes = holes
        self.requests = 0
        self.refusals = 0

    def refuses(self, block: Block) -> int | None:
        self.requests += 1
        refused = not self.holes.isdisjoint(range(*block.span))
        self.refusals += refused
        return 2 if refused else None


def read(device: Device, points: Mapping[str, ModbusPoint], memory: Holes, defaults: ModbusDefaults) -> set[str]:
    """Read as the driver does; gives the points that were read."""
    got: set[str] = set()
    for block in plan(points, defaults, memory):
        if device.refuses(block) is None:
            got |= set(block.points)
            continue
        findings = Findings()
        steps = search(block, points, findings, 2)
        asked = next(steps, None)
        while asked is not None:
            code = device.refuses(asked)
            if code is None:
                got |= set(asked.points)
            try:
                asked = steps.send(code)
            except StopIteration:
                asked = None
        assert got.isdisjoint(findings.points)
        memory.learn(block.table, refused=findings.refused, seams=findings.seams, now=0.0)
    return got


POINTS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=4),
    st.builds(point, st.integers(0, 150), st.sampled_from(["uint16", "uint32", "float64"])),
    max_size=60,
)


@settings(deadline=None, max_examples=300)
@given(points=POINTS, holes=st.sets(st.integers(0, 155)), longest=st.integers(4, 125), gap=st.integers(0, 20))
def test_every_readable_point_is_read_and_every_refused_one_is_not(
    points: dict[str, ModbusPoint], holes: set[int], longest: int, gap: int
) -> None:
    defaults = ModbusDefaults(max_registers=longest, max_gap=gap)
    readable = {name for name, p in points.items() if holes.isdisjoint(range(p.address, p.address + p.count))}
    places = len({(p.address, p.count) for p in points.values()})
    device, memory = Device(holes), Holes()
    assert read(device, points, memory, defaults) == readable
    assert device.requests <= 2 * places
    total = device.refusals
    for _ in range(2 * places + 1):
        device.requests = device.refusals = 0
        assert read(device, points, memory, defaults) == readable
        assert device.requests <= 2 * places
        total += device.refusals
        if not device.refusals:
            break
    assert not device.refusals, "the holes are never learned"
    assert device.requests <= len(plan(points, defaults)) + 2 * total


def test_one_hole_among_many_points_costs_two_requests_a_halving() -> None:
    points = {f"p{n}": point(n) for n in range(64)}
    device, memory = Device({20}), Holes()
    assert len(read(device, points, memory, ModbusDefaults())) == 63
    assert device.requests == 1 + 2 * 6
    device.requests = 0
    assert len(read(device, points, memory, ModbusDefaults())) == 63
    assert device.requests == 2


def test_a_hole_in_a_gap_is_not_read_over_again() -> None:
    points = {"low": point(0), "high": point(5)}
    device, memory = Device({3}), Holes()
    assert read(device, points, memory, ModbusDefaults()) == {"low", "high"}
    assert [block.span for block in plan(points, ModbusDefaults(), memory)] == [(0, 1), (5, 6)]


def test_a_wide_point_over_a_refused_narrow_one_is_still_asked_for_alone() -> None:
    # Devices of 32-bit registers refuse half of one, and answer the whole.
    points = {"half": point(5), "whole": point(4, "uint32"), "next": point(6)}
    memory = Holes()
    memory.learn(HOLDING, refused={(5, 6): 2}, seams=[], now=0.0)
    blocks = plan(points, ModbusDefaults(), memory)
    assert [block.points for block in blocks] == [("whole",), ("next",)]


def test_holes_are_tried_again_one_at_a_time_and_ever_more_seldom() -> None:
    memory = Holes()
    memory.learn(HOLDING, refused={(1, 2): 2, (3, 4): 2}, seams=[], now=0.0)
    memory.release(now=FIRST_PAUSE_S - 1)
    assert memory.refused(HOLDING) == {(1, 2), (3, 4)}
    memory.release(now=FIRST_PAUSE_S)
    assert len(memory.refused(HOLDING)) == 1
    pauses: list[float] = []
    for _ in range(10):
        memory = Holes() if not pauses else memory
        now = 0.0
        memory.learn(HOLDING, refused={(1, 2): 2}, seams=[], now=now)
        while memory.refused(HOLDING):
            now += FIRST_PAUSE_S
            memory.release(now=now)
        pauses.append(now)
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LAST_PAUSE_S


def test_a_table_has_holes_of_its_own() -> None:
    memory = Holes()
    memory.learn(Table.INPUT, refused={(1, 2): 2}, seams=[(3, 5)], now=0.0)
    assert memory.refused(Table.INPUT) == {(1, 2)}
    assert memory.seams(Table.INPUT) == {(3, 5)}
    assert not memory.refused(HOLDING) | memory.seams(HOLDING)

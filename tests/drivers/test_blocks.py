"""The block planner: every point is in one block, no block breaks the device's limits."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.catalog import catalog_profile
from drivers.modbus.blocks import Block, plan, poll_plan
from drivers.profile import ModbusDefaults, ModbusPoint, Table


def point(address: int, kind: str = "uint16", table: str = "holding", **fields: Any) -> ModbusPoint:
    return ModbusPoint.model_validate({"table": table, "address": address, "type": kind, **fields}, strict=False)


def spans(blocks: tuple[Block, ...]) -> list[tuple[str, int, int]]:
    return [(block.table.value, block.address, block.count) for block in blocks]


def test_a_gap_is_read_over_up_to_its_limit() -> None:
    points = {"a": point(0), "b": point(9), "c": point(19)}
    assert spans(plan(points, ModbusDefaults(max_gap=8))) == [("holding", 0, 10), ("holding", 19, 1)]


def test_tables_are_never_mixed() -> None:
    points = {
        "a": point(0),
        "b": point(0, table="input"),
        "c": point(0, "bool", "coil"),
        "d": point(0, "bool", "discrete"),
    }
    assert sorted(spans(plan(points, ModbusDefaults()))) == [
        ("coil", 0, 1),
        ("discrete", 0, 1),
        ("holding", 0, 1),
        ("input", 0, 1),
    ]


def test_a_block_ends_before_a_point_that_would_be_split() -> None:
    points = {"a": point(0, "uint32"), "b": point(2, "uint64")}
    assert spans(plan(points, ModbusDefaults(max_registers=5))) == [("holding", 0, 2), ("holding", 2, 4)]


def test_bits_of_one_register_share_it() -> None:
    points = {f"b{bit}": point(7, "bool", bit=bit) for bit in range(16)}
    assert spans(plan(points, ModbusDefaults())) == [("holding", 7, 1)]


def test_a_point_longer_than_a_block_is_named() -> None:
    with pytest.raises(ValueError, match="`serial` takes 20 addresses, and one read may take 16"):
        plan({"serial": point(0, "string", length=20)}, ModbusDefaults(max_registers=16))


def test_each_poll_period_has_its_own_blocks() -> None:
    polls = poll_plan(catalog_profile("grundfos-hydro-mpc"))
    assert list(polls) == [timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=10)]
    assert len(polls[timedelta(seconds=1)]) == 4


PLACES = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4),
    st.builds(
        point,
        st.integers(0, 300),
        st.sampled_from(["uint16", "uint32", "float64"]),
        st.sampled_from(["holding", "input"]),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(points=PLACES, longest=st.integers(4, 125), gap=st.integers(0, 20))
def test_every_point_is_whole_in_exactly_one_lawful_block(
    points: dict[str, ModbusPoint], longest: int, gap: int
) -> None:
    blocks = plan(points, ModbusDefaults(max_registers=longest, max_gap=gap))
    assert sorted(name for block in blocks for name in block.points) == sorted(points)
    for block in blocks:
        assert 1 <= block.count <= longest
        covered: set[int] = set()
        for name in block.points:
            place = points[name]
            assert place.table is block.table
            assert block.address <= place.address
            assert place.address + place.count <= block.address + block.count
            covered |= set(range(place.address, place.address + place.count))
        holes = sorted(covered)
        assert all(b - a - 1 <= gap for a, b in itertools.pairwise(holes))
        assert (holes[0], holes[-1] + 1) == (block.address, block.address + block.count)


@settings(deadline=None)
@given(points=PLACES)
def test_the_plan_does_not_depend_on_the_order_of_the_points(points: dict[str, ModbusPoint]) -> None:
    backwards = dict(reversed(points.items()))
    assert plan(points, ModbusDefaults()) == plan(backwards, ModbusDefaults())
    assert all(isinstance(block.table, Table) for block in plan(points, ModbusDefaults()))

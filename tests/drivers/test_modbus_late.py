"""Answers on a serial line that come even later than time-out and quiet: what is noticed, and what cannot be."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable

import pytest

from drivers.api import DriverError, Garbled, TimedOut
from drivers.modbus.bus import ModbusBus
from drivers.modbus.driver import ModbusDevice
from drivers.profile import Profile, Table
from runtime.config import validate
from tests.support.modbus_peers import Line, connected, rtu_settings

LABEL = {"zh": "点", "en": "point"}
PAIRS = validate(
    "pairs",
    {
        "schema": 1,
        "name": "pairs",
        "version": "1.0.0",
        "kind": "meter",
        "label": LABEL,
        "protocol": "modbus",
        "modbus": {"max_gap": 0},
        "points": {
            f"p{address}": {
                "label": LABEL,
                "modbus": {"table": "holding", "address": address, "type": "uint16"},
                "poll": "1s",
                "sample": 0,
            }
            for address in (10, 11, 12, 13, 20, 21, 22, 23)
        },
    },
    Profile,
)
FIRST, SECOND = ("p10", "p11", "p12", "p13"), ("p20", "p21", "p22", "p23")


def crc(frame: bytes) -> bytes:
    rest = 0xFFFF
    for byte in frame:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ 0xA001 if rest & 1 else rest >> 1
    return frame + rest.to_bytes(2, "little")


def answer(request: bytes) -> bytes:
    """Every register holds its address."""
    address, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
    words = b"".join(at.to_bytes(2, "big") for at in range(address, address + count))
    return crc(request[:2] + bytes([len(words)]) + words)


def one_lost() -> Callable[[bytes], list[tuple[float, bytes]]]:
    """Never answer the first request."""
    asked = itertools.count()
    return lambda request: [(0, answer(request))] if next(asked) else []


def one_very_late() -> Callable[[bytes], list[tuple[float, bytes]]]:
    """Answer the first request when the second has come, which is answered a little later, and the others at once."""
    asked: list[bytes] = []

    def script(request: bytes) -> list[tuple[float, bytes]]:
        asked.append(request)
        if len(asked) > 2:
            return [(0, answer(request))]
        return [(0, answer(asked[0])), (0.03, answer(request))] if len(asked) == 2 else []

    return script


async def seen(device: ModbusDevice, names: tuple[str, ...]) -> dict[str, object]:
    return {name: result.value for name, result in (await device.read(names)).items()}


async def test_a_block_of_the_same_length_does_not_take_a_very_late_answer(line: Line) -> None:
    line.script = one_very_late()
    async with connected(rtu_settings(line.path, timeout="100ms", quiet="60ms")) as bus:
        device = ModbusDevice(bus, unit=1, profile=PAIRS, name="d")
        with pytest.raises(TimedOut):
            await device.read(FIRST)
        with pytest.raises(Garbled, match="4 registers instead of 2"):
            await device.read(SECOND)
        assert await seen(device, SECOND) == {"p20": 20, "p21": 21, "p22": 22, "p23": 23}
        assert await seen(device, FIRST) == {"p10": 10, "p11": 11, "p12": 12, "p13": 13}


async def test_parts_are_asked_for_only_for_a_while(line: Line) -> None:
    line.script = one_lost()
    async with connected(rtu_settings(line.path, timeout="100ms", quiet="20ms")) as bus:
        device = ModbusDevice(bus, unit=1, profile=PAIRS, name="d")
        with pytest.raises(TimedOut):
            await device.read(FIRST)
        for pause_s in (0.0, 0.8, 0.0):
            await asyncio.sleep(pause_s)
            assert await seen(device, FIRST) == {"p10": 10, "p11": 11, "p12": 12, "p13": 13}
    counts = [int.from_bytes(request[4:6], "big") for request in line.heard]
    assert counts == [4, 2, 2, 4, 4]


async def test_a_part_that_is_lost_too_gives_way_to_another_length(line: Line) -> None:
    asked = itertools.count()
    line.script = lambda request: [(0, answer(request))] if next(asked) > 1 else []
    async with connected(rtu_settings(line.path, timeout="100ms", quiet="20ms")) as bus:
        device = ModbusDevice(bus, unit=1, profile=PAIRS, name="d")
        for _ in range(2):
            with pytest.raises(TimedOut):
                await device.read(FIRST)
        assert await seen(device, FIRST) == {"p10": 10, "p11": 11, "p12": 12, "p13": 13}
    assert [int.from_bytes(request[4:6], "big") for request in line.heard] == [4, 2, 1, 3]


async def test_a_single_register_cannot_be_told_apart(line: Line) -> None:
    # The limit of which drivers/modbus/README.md speaks.
    line.script = one_very_late()
    async with connected(rtu_settings(line.path, timeout="100ms", quiet="60ms")) as bus:
        with pytest.raises(TimedOut):
            await bus.read_raw(unit=1, table=Table.HOLDING, address=10, count=1, device="d")
        assert bus.is_doubtful(1, Table.HOLDING, 1)
        assert await bus.read_raw(unit=1, table=Table.HOLDING, address=20, count=1, device="d") == (10,)


@pytest.mark.parametrize("late_s", [0.22, 0.3, 0.35])
async def test_what_comes_within_time_out_and_quiet_is_never_taken(line: Line, late_s: float) -> None:
    asked = itertools.count()
    line.script = lambda request: [(0.03 if next(asked) else late_s, answer(request))]
    got: list[int | None] = []
    async with connected(rtu_settings(line.path, timeout="200ms", quiet="200ms")) as bus:
        for address in (10, 20, 30):
            try:
                got += await _one(bus, address)
            except DriverError:
                got.append(None)
    assert got == [None, 20, 30]


async def test_what_came_while_nobody_looked_is_seen_before_the_line_counts_as_silent(line: Line) -> None:
    line.script = one_lost()
    async with connected(rtu_settings(line.path, timeout="100ms", quiet="100ms")) as bus:
        with pytest.raises(TimedOut):
            await _one(bus, 10)
        following = asyncio.create_task(_one(bus, 20))
        await asyncio.sleep(0)
        elsewhere = threading.Timer(0.05, line.send, [answer(line.heard[0])])
        elsewhere.start()
        time.sleep(0.15)  # noqa: ASYNC251 - this process has no processor for a while, and the line goes on
        elsewhere.join()
        assert await following == (20,)


async def _one(bus: ModbusBus, address: int) -> tuple[int, ...]:
    return await bus.read_raw(unit=1, table=Table.HOLDING, address=address, count=1, device="d")

"""A dead unit on a serial line: how little it costs the others, and that nothing late is ever taken for an answer."""

import asyncio
import time

import pytest

from drivers.api import TimedOut
from drivers.modbus.bus import ModbusBus
from drivers.modbus.patience import FLOOR_S, TIMES, WHOLE_EVERY, Patience
from drivers.profile import Table
from tests.support.modbus_peers import Line, connected, rtu_settings

BYTE_S = 10 / 9600


def crc(text: str) -> bytes:
    frame, rest = bytes.fromhex(text), 0xFFFF
    for byte in frame:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ 0xA001 if rest & 1 else rest >> 1
    return frame + rest.to_bytes(2, "little")


async def read(bus: ModbusBus, unit: int) -> int:
    (word,) = await bus.read_raw(unit=unit, table=Table.HOLDING, address=0, count=1, device=f"unit-{unit}")
    return word


def patience() -> Patience:
    return Patience(timeout_s=1.0, byte_s=BYTE_S)


def test_who_answers_has_the_whole_time() -> None:
    line = patience()
    line.answered(1, took_s=0.02, size=20)
    assert line.wait_s(1, size=20) == 1.0
    assert line.wait_s(2, size=20) == 1.0  # nobody knows it yet


def test_who_was_silent_has_what_it_has_shown_to_need() -> None:
    line = patience()
    line.answered(1, took_s=0.2 + 20 * BYTE_S, size=20)
    line.answered(2, took_s=0.01, size=20)
    for unit in (1, 2):
        line.unanswered(unit)
    assert line.wait_s(1, size=200) == pytest.approx(200 * BYTE_S + TIMES * 0.2)
    assert line.wait_s(2, size=200) == pytest.approx(200 * BYTE_S + FLOOR_S)


def test_who_never_answered_has_what_the_slowest_of_the_others_needs() -> None:
    line = patience()
    line.unanswered(9)
    assert line.wait_s(9, size=20) == 1.0  # nobody has answered yet
    line.answered(1, took_s=0.1 + 20 * BYTE_S, size=20)
    line.answered(2, took_s=0.01, size=20)
    assert line.wait_s(9, size=20) == pytest.approx(20 * BYTE_S + TIMES * 0.1)


def test_a_long_wait_is_never_longer_than_the_time_out() -> None:
    line = patience()
    line.answered(1, took_s=0.9, size=20)
    line.unanswered(1)
    assert line.wait_s(1, size=250) == 1.0


def test_now_and_then_a_silent_unit_has_the_whole_time_all_the_same() -> None:
    line = patience()
    line.answered(1, took_s=0.02, size=20)
    waits = []
    for _ in range(2 * WHOLE_EVERY):
        waits.append(line.wait_s(9, size=20))
        line.unanswered(9)
    assert [wait == 1.0 for wait in waits] == [True, False, False, False] * 2


def test_a_unit_that_is_heard_too_late_has_the_whole_time_again() -> None:
    line = patience()
    line.answered(1, took_s=0.02, size=20)
    line.unanswered(9)
    line.heard(9)
    assert line.wait_s(9, size=20) == 1.0
    line.answered(9, took_s=0.6, size=20)
    assert line.silent == set()


def test_one_slow_answer_is_forgotten_in_time() -> None:
    line = patience()
    line.answered(1, took_s=0.3, size=0)
    for _ in range(200):
        line.answered(1, took_s=0.01, size=0)
    line.unanswered(1)
    assert line.wait_s(1, size=0) == FLOOR_S


ANSWER = crc("01 03 02 00 07")


async def test_a_dead_unit_costs_less_from_the_second_time_on(line: Line) -> None:
    line.script = lambda request: [(0, ANSWER)] if request[0] == 1 else []
    async with connected(rtu_settings(line.path, timeout="1s", quiet="50ms", baudrate=115200)) as bus:
        assert await read(bus, 1) == 7
        with pytest.raises(TimedOut, match="no answer within 1 s"):
            await read(bus, 9)
        assert await read(bus, 1) == 7
        await asyncio.sleep(0.2)
        started = time.monotonic()
        with pytest.raises(TimedOut, match=r"no answer within 0\.2\d* s"):
            await read(bus, 9)
        assert await read(bus, 1) == 7  # who is dead makes nobody wait for a late answer
        assert time.monotonic() - started < 0.9


async def test_a_late_answer_to_a_short_wait_is_not_taken_for_the_next(line: Line) -> None:
    # Unit 9 was off, and its answer to the second request comes after the short wait and before time-out and quiet.
    late = [crc("09 03 02 00 01"), crc("09 03 02 00 02")]
    line.script = lambda request: [(0, ANSWER)] if request[0] == 1 else []
    async with connected(rtu_settings(line.path, timeout="600ms", quiet="200ms", baudrate=115200)) as bus:
        assert await read(bus, 1) == 7
        with pytest.raises(TimedOut):
            await read(bus, 9)
        line.script = lambda request: [(0, ANSWER)] if request[0] == 1 else [(0.7, late.pop(0))]
        with pytest.raises(TimedOut):
            await read(bus, 9)
        asked = len(line.heard)
        line.script = lambda request: [(0, ANSWER)] if request[0] == 1 else [(0, late.pop(0))]
        assert await read(bus, 9) == 2
        assert len(line.heard) == asked + 1


async def test_a_late_answer_in_another_units_time_is_passed_over(line: Line) -> None:
    line.script = lambda request: [(0, ANSWER)] if request[0] == 1 else []
    async with connected(rtu_settings(line.path, timeout="600ms", quiet="50ms", baudrate=115200)) as bus:
        assert await read(bus, 1) == 7
        with pytest.raises(TimedOut):
            await read(bus, 9)
        line.script = lambda request: [(0.3, crc("09 03 02 00 09"))] if request[0] == 9 else [(0.2, ANSWER)]
        with pytest.raises(TimedOut):
            await read(bus, 9)
        assert await read(bus, 1) == 7


async def test_a_slow_unit_that_comes_late_is_waited_for_after_that(line: Line) -> None:
    line.script = lambda request: [(0, ANSWER)] if request[0] == 1 else []
    async with connected(rtu_settings(line.path, timeout="1s", quiet="50ms", baudrate=115200)) as bus:
        assert await read(bus, 1) == 7
        with pytest.raises(TimedOut):
            await read(bus, 9)
        line.script = lambda request: [(0, ANSWER)] if request[0] == 1 else [(0.5, crc("09 03 02 00 09"))]
        with pytest.raises(TimedOut):  # half a second is more than anybody here has needed
            await read(bus, 9)
        assert await read(bus, 9) == 9

"""Turns on a line: commands first, everybody in order, and nobody's cancellation loses a turn."""

import asyncio

import pytest

from drivers.modbus.turns import Turns


async def test_the_urgent_go_first_and_each_kind_in_its_order() -> None:
    turns, order = Turns(), list[str]()

    async def use(name: str, *, urgent: bool) -> None:
        async with turns.turn(urgent=urgent):
            order.append(name)
            for _ in range(5):
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(use(f"poll {number}", urgent=False))
        await asyncio.sleep(0)
        for number in range(2):
            tasks.create_task(use(f"command {number}", urgent=True))
    assert order == ["poll 0", "command 0", "command 1", *(f"poll {number}" for number in range(1, 5))]


async def test_a_cancelled_waiter_loses_nobody_a_turn() -> None:
    turns, held = Turns(), list[int]()

    async def use(number: int) -> None:
        async with turns.turn(urgent=number % 2 == 0):
            held.append(number)
            await asyncio.sleep(0)

    for cancel_after in range(8):
        held.clear()
        users = [asyncio.create_task(use(number)) for number in range(6)]
        for _ in range(cancel_after):
            await asyncio.sleep(0)
        users[2].cancel()
        users[3].cancel()
        await asyncio.gather(*users, return_exceptions=True)
        assert {0, 1, 4, 5} <= set(held)
        async with asyncio.timeout(1), turns.turn(urgent=False):
            pass


async def test_a_failure_within_a_turn_ends_it() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="broken"):
        async with turns.turn(urgent=False):
            raise ValueError("broken")
    async with asyncio.timeout(1), turns.turn(urgent=False):
        pass

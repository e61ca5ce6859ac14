import asyncio

from edge.gate.board import Board
from edge.gate.kiosk.api import KioskState, Phase


async def test_a_reader_gets_the_present_state_and_then_the_newest() -> None:
    board = Board()
    board.show(phase=Phase.LOOKING)
    states: list[KioskState] = []

    async def read() -> None:
        async for state in board.subscribe():
            states.append(state)
            if state.phase is Phase.RESULT:
                return

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    board.show(phase=Phase.WORKING)
    board.show(phase=Phase.RESULT)
    async with asyncio.timeout(5):
        await task
    assert states[0].phase is Phase.LOOKING
    assert states[-1].phase is Phase.RESULT


async def test_nothing_new_wakes_nobody() -> None:
    board = Board()
    seen = board.subscribe()
    assert (await anext(seen)).phase is Phase.IDLE
    waiting = asyncio.ensure_future(anext(seen))
    await asyncio.sleep(0)
    board.show(phase=Phase.IDLE)
    await asyncio.sleep(0.01)
    assert not waiting.done()
    board.show(phase=Phase.LOOKING)
    async with asyncio.timeout(5):
        assert (await waiting).phase is Phase.LOOKING
    await seen.aclose()  # type: ignore[attr-defined]
    assert board._changed == set()

"""A task ends when it is asked to, also where the standard library loses the request."""

import asyncio

from runtime.cancellation import honour_cancellation


async def test_a_cancellation_that_comes_with_the_answer_still_ends_the_loop() -> None:
    answer = asyncio.Event()

    async def serve() -> None:
        while True:
            await asyncio.wait_for(answer.wait(), 10)
            honour_cancellation()

    task = asyncio.create_task(serve())
    await asyncio.sleep(0.01)
    answer.set()
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=5)
    assert task in done
    assert task.cancelled()


async def test_a_task_that_goes_on_is_left_alone() -> None:
    honour_cancellation()

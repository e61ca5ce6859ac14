"""Cancellation that libraries lose."""

import asyncio


def honour_cancellation() -> None:
    """Raise CancelledError when the current task was asked to end and something on the way swallowed that.

    In Python 3.11 `asyncio.wait_for`, which the MQTT and Modbus libraries use, returns normally when its result and the
    cancellation come at the same moment. A loop over such calls asks here once in a round, or it would run for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(*tasks: "asyncio.Task[None]", again_s: float = 1.0) -> None:
    """Cancel tasks until they have ended: a library may lose a cancellation."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=again_s)

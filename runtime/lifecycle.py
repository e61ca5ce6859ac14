"""Starting and stopping a process: one root task, signals that end it cleanly, back-off between attempts."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runtime.logs import get_log


async def until_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, None], *, name: str) -> None:
    """Run `work` until it ends or `stop` is set; then cancel it and wait for its clean end."""
    task = asyncio.create_task(work, name=name)
    stopping = asyncio.create_task(stop.wait(), name=f"{name}:stop")
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not task.done():
            task.cancel()
        results = await asyncio.gather(task, stopping, return_exceptions=True)
    error = results[0]
    if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
        raise error


def run_process(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]], *, name: str) -> None:
    """Run a process's root coroutine until SIGINT or SIGTERM sets the event that it is given."""

    async def root() -> None:
        log = get_log("runtime")
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask(signum: signal.Signals) -> None:
            log.info("stopping", signal=signum.name)
            stop.set()

        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, ask, signum)
        log.info("starting", name=name)
        await until_stopped(stop, main(stop), name=name)
        log.info("stopped", name=name)

    asyncio.run(root())


@dataclass(kw_only=True, slots=True)
class Backoff:
    """Growing pauses between attempts: `first`, then `factor` times more, at most `limit`, each spread by `jitter`.

    `random` gives numbers in [0, 1); it spreads many clients that lost the same server.
    """

    random: Callable[[], float]
    first: timedelta = timedelta(milliseconds=500)
    limit: timedelta = timedelta(seconds=30)
    factor: float = 2.0
    jitter: float = 0.2
    _attempts: int = 0

    def next_pause(self) -> timedelta:
        """Give the pause before the next attempt."""
        pause = min(self.first * self.factor ** min(self._attempts, 32), self.limit)
        self._attempts += 1
        return pause * (1 - self.jitter + 2 * self.jitter * self.random())

    def reset(self) -> None:
        """Say that an attempt has succeeded."""
        self._attempts = 0


async def wait_or(stop: asyncio.Event, seconds: float) -> bool:
    """Sleep, but wake early when `stop` is set; whether it is set."""
    try:
        async with asyncio.timeout(seconds):  # wait_for may lose a cancellation (see runtime.cancellation)
            await stop.wait()
    except TimeoutError:
        return False
    return True


async def every(period: timedelta, action: Callable[[], Awaitable[None]]) -> None:
    """Call `action` again and again, a period after each start (at once when it took longer)."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        await action()
        due = max(due + period.total_seconds(), loop.time())
        await asyncio.sleep(due - loop.time())

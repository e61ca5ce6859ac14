"""The newest of something, handed from reading threads to whoever looks: no queue, so nothing old is waited for."""

import asyncio
import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Newest(Generic[Item]):
    """Holds the newest item and its number, from 1. Any thread may put and look; coroutines may wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._item: Item | None = None
        self._number = 0
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def number(self) -> int:
        """The number of the newest item; 0 before the first."""
        with self._lock:
            return self._number

    def put(self, item: Item, number: int) -> None:
        """Replace an older item, and wake all who wait."""
        with self._lock:
            if number <= self._number:
                return
            self._item, self._number = item, number
            waiting, self._waiting = self._waiting, set()
        for loop, event in waiting:
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # the loop was closed while it waited: nobody is there any more
                continue

    def get(self) -> Item | None:
        """Give the newest item; None before the first."""
        with self._lock:
            return self._item

    async def wait_newer(self, than: int) -> Item:
        """Wait for an item with a number above `than`, and give the newest there is then."""
        while True:
            event = asyncio.Event()
            waiter = (asyncio.get_running_loop(), event)
            with self._lock:
                if self._item is not None and self._number > than:
                    return self._item
                self._waiting.add(waiter)
            try:
                await event.wait()
            finally:
                with self._lock:
                    self._waiting.discard(waiter)

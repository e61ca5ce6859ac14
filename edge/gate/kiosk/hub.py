"""One subscription to the gate, for any number of pages."""

import asyncio

from edge.gate.kiosk.api import KioskModel, KioskState


class Hub:
    """Keeps the newest state of the gate, and wakes whoever waits for a newer one."""

    def __init__(self, model: KioskModel) -> None:
        self._model = model
        self._state: KioskState | None = None
        self._number = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow the gate until cancelled, or until it has nothing more to say."""
        async for state in self._model.subscribe():
            self._state = state
            self._number += 1
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    async def newer(self, after: int, *, within_s: float) -> tuple[int, KioskState] | None:
        """Give the newest state when its number is not `after`, waiting for it; None when nothing came in time."""
        if self._number == after or self._state is None:
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), within_s)
            except TimeoutError:
                return None
        return None if self._state is None else (self._number, self._state)

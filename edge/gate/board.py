"""What the kiosk shows at this moment: one state, and everybody who looks at it gets the newest."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from edge.gate.kiosk.api import KioskState


class Board:
    """The state, and those who look at it. Belongs to one event loop."""

    def __init__(self) -> None:
        self._state = KioskState()
        self._changed: set[asyncio.Event] = set()

    @property
    def state(self) -> KioskState:
        """What is shown."""
        return self._state

    def show(self, **changes: Any) -> None:  # noqa: ANN401 - fields of KioskState; TypeError for any other
        """Change what is shown."""
        state = replace(self._state, **changes)
        if state != self._state:
            self._state = state
            for one in self._changed:
                one.set()

    async def subscribe(self) -> AsyncIterator[KioskState]:
        """Give the present state at once, and each later one; a slow reader misses some, never the newest."""
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            while True:
                changed.clear()
                yield self._state
                await changed.wait()
        finally:
            self._changed.discard(changed)

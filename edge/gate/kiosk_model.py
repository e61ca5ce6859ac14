"""The gate as its kiosk sees it: the board, a small live picture, and the ways in that the page itself offers."""

import threading
from collections.abc import AsyncIterator

from drivers.profile import Label
from edge.gate.api import Way
from edge.gate.gate import Gate
from edge.gate.kiosk.api import KioskFacts, KioskState, Picture
from edge.gate.pictures import as_jpeg

_WIDEST = 640


class GateKiosk:
    """A `KioskModel` over a gate that runs."""

    def __init__(self, gate: Gate, *, community: Label) -> None:
        self._gate = gate
        self._lock = threading.Lock()
        self._last: Picture | None = None
        settings = gate.settings
        ways = {Way(reader.way) for reader in settings.readers} | {Way.PIN}  # the page itself has a key pad
        if gate.lookout is not None:
            ways.add(Way.FACE)
        self._facts = KioskFacts(
            gate=gate.name,
            label_zh=settings.label.zh,
            label_en=settings.label.en,
            community_zh=community.zh,
            community_en=community.en,
            ways=tuple(way for way in Way if way in ways),
            thermal=settings.eyes is not None and settings.eyes.thermal is not None,
            keeps_snapshots=settings.keep_snapshots is not None,
        )

    @property
    def facts(self) -> KioskFacts:
        """Give what stays the same."""
        return self._facts

    def subscribe(self) -> AsyncIterator[KioskState]:
        """Give the present state at once, and each later one."""
        return self._gate.front.board.subscribe()

    def picture(self, after: int) -> Picture | None:
        """Give the newest picture as a small JPEG, encoded once for all who look."""
        seen = None if self._gate.lookout is None else self._gate.lookout.seen
        if seen is None or seen.frame.number == after:
            return None
        with self._lock:
            if self._last is None or self._last.number != seen.frame.number:
                jpeg = as_jpeg(seen.frame.image, widest=_WIDEST)
                self._last = Picture(number=seen.frame.number, jpeg=jpeg)
            return self._last

    async def present(self, way: Way, text: str) -> None:
        """Take a PIN that was typed on the screen."""
        self._gate.present(way, text)

    async def call_staff(self) -> None:
        """Call staff."""
        self._gate.front.call_staff()

"""Requests that a device leaves unanswered although it lives: many say nothing to a table they lack. Pure; seconds."""

from collections.abc import Sequence
from typing import TypeVar

from drivers.modbus.blocks import Block

SILENCES_UNTIL_REST = 3
"""So often in a row a block goes unanswered, while others are answered, before it is asked only now and then."""
FIRST_REST_S = 60.0
LAST_REST_S = 3600.0

Decoder = TypeVar("Decoder")


class Mutes:
    """The blocks of one device that were not answered: asked last, so that the others are read, and then seldom."""

    def __init__(self) -> None:
        self._silences: dict[Block, int] = {}
        self._rests: dict[Block, tuple[float, float]] = {}  # how long, until when

    def order(self, requests: Sequence[tuple[Block, Decoder]], *, now: float) -> Sequence[tuple[Block, Decoder]]:
        """Give the requests to send now, those first that were answered; at least one."""
        if not self._silences:
            return requests
        awake = [one for one in requests if self._rests.get(one[0], (0.0, now))[1] <= now] or requests[:1]
        return sorted(awake, key=lambda one: self._silences.get(one[0], 0))

    def answered(self, block: Block) -> None:
        """Say that a block was answered."""
        if self._silences:
            self._silences.pop(block, None)
            self._rests.pop(block, None)

    def silent(self, block: Block, *, others_answered: bool, now: float) -> None:
        """Say that a block was not answered, and whether other blocks were in the same round."""
        self._silences[block] = self._silences.get(block, 0) + 1
        if others_answered and self._silences[block] >= SILENCES_UNTIL_REST:
            rest = min(2 * self._rests.get(block, (FIRST_REST_S / 2, 0.0))[0], LAST_REST_S)
            self._rests[block] = (rest, now + rest)

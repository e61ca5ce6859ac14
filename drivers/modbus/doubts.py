"""Reads whose answer may yet come, on lines whose frames have no number. Pure; times are seconds.

The answer to a read says its unit, its function and how much it brings, and nothing of the address. So a late answer is
told from the right one by its length, or not at all.
"""

from drivers.places.modbus import Table

HOLD_TIMES = 5
"""So many times time-out and quiet, a late answer is looked out for."""


class Doubts:
    """What the units of one line may still owe, for `hold_s` after each loss.

    Not until the next good answer only: units answer in order, but gateways need not.
    """

    def __init__(self, *, hold_s: float) -> None:
        self._hold_s = hold_s
        self._lost: dict[int, dict[tuple[Table, int], float]] = {}

    def clear(self) -> None:
        """Forget everything: on a new connection nothing is owed."""
        self._lost.clear()

    def lost(self, unit: int, table: Table, count: int, *, now: float) -> None:
        """Say that a read was given up."""
        self._lost.setdefault(unit, {})[table, _size(table, count)] = now + self._hold_s

    def has(self, unit: int, table: Table, count: int, *, now: float) -> bool:
        """Whether an answer to such a read could be the late one to an earlier read."""
        lost = self._lost.get(unit)
        return lost is not None and now < lost.get((table, _size(table, count)), now)


def _size(table: Table, count: int) -> int:
    """Say by what an answer's length is told: registers, or bytes of bits."""
    return (count + 7) // 8 if table.is_bits else count

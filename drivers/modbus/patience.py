"""How long to wait for an answer on a serial line: long for who answers, short for who seems dead. Pure; seconds.

A dead unit costs its neighbours the whole time-out at each attempt, and the time-out has to suit the slowest of them.
Whoever was silent at the last request is given the time that it has shown to need, or that the line's others need if
it never answered: several times over, and now and then the whole time-out all the same.
"""

from collections.abc import Set as AbstractSet

FLOOR_S = 0.2
"""At least this long beside the time on the wire."""
TIMES = 3.0
"""So many times the slowest answer of late."""
WHOLE_EVERY = 4
"""Of so many attempts in a row that are not answered, the first has the whole time-out."""
_REMEMBERED = 0.98  # what an answer leaves of the slowest one before it


class Patience:
    """What the units of one line have shown. `byte_s` is how long a byte takes on the wire."""

    def __init__(self, *, timeout_s: float, byte_s: float) -> None:
        self._timeout_s = timeout_s
        self._byte_s = byte_s
        self._slowest_s: dict[int, float] = {}
        self._silences: dict[int, int] = {}

    @property
    def silent(self) -> AbstractSet[int]:
        """The units that did not answer their last request."""
        return self._silences.keys()

    def clear(self) -> None:
        """Forget everything: other units may be there now."""
        self._slowest_s.clear()
        self._silences.clear()

    def wait_s(self, unit: int, *, size: int) -> float:
        """Say how long to wait for an answer; `size` counts the bytes of request and answer together."""
        slowest_s = self._slowest_s.get(unit, max(self._slowest_s.values(), default=None))
        if slowest_s is None or self._silences.get(unit, 0) % WHOLE_EVERY == 0:
            return self._timeout_s
        return min(self._timeout_s, size * self._byte_s + max(FLOOR_S, TIMES * slowest_s))

    def answered(self, unit: int, *, took_s: float, size: int) -> None:
        """Say that a request was answered in `took_s`."""
        self._silences.pop(unit, None)
        beside_s = max(took_s - size * self._byte_s, 0.0)
        self._slowest_s[unit] = max(beside_s, _REMEMBERED * self._slowest_s.get(unit, 0.0))

    def unanswered(self, unit: int) -> None:
        """Say that a request was not answered in time."""
        self._silences[unit] = self._silences.get(unit, 0) + 1

    def heard(self, unit: int) -> None:
        """Say that something came from a unit, be it too late: it lives, so it gets the whole time-out."""
        self._silences.pop(unit, None)

"""When to poll what on one bus: earliest deadline first, silent devices seldom. Pure; times are monotonic seconds."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

FAILURES_UNTIL_DOWN = 3
"""So many failures in a row make a device unreachable."""
RETRY_S = 1.0
"""After a first failure a poll is tried again this soon, however seldom it is due."""
PROBE_S = 5.0
"""An unreachable device is asked no more often than this."""
PROBE_LIMIT_S = 60.0
"""It is asked at least this often, while that takes no more than `MOST_LOST` of the bus."""
MOST_LOST = 0.2
"""All unreachable devices of a bus together take at most this part of its time."""
MOST_MISSED = 0.02
"""And where others would miss polls by it, at most this part."""
_REMEMBERED = 0.2  # weight of the latest poll in the average of what a group's polls take


@dataclass(frozen=True, kw_only=True, slots=True)
class PollGroup:
    """The points of one device that have the same poll period: one read."""

    device: str
    points: tuple[str, ...]
    period_s: float


@dataclass(slots=True)
class _DeviceState:
    failures: int = 0
    down: bool = False
    silent: bool = False  # down by itself, and not with its bus
    probe: int = -1  # the only group that is polled while the device is down
    lost_s: float = 0.0  # what the failures cost that made it down


class Schedule:
    """The polls of one bus.

    The group with the earliest deadline comes first; among late ones the one that has waited longest, so no device
    starves another. A device that failed three times in a row is down: one of its groups is tried now and then, until
    it answers.
    """

    def __init__(self, groups: Sequence[PollGroup], *, timeout_s: float, now: float) -> None:
        self._groups = tuple(groups)
        self._timeout_s = timeout_s
        self._due = [now] * len(self._groups)
        self._heap = [(now, turn, turn) for turn in range(len(self._groups))]
        self._turn = len(self._groups)
        self._devices = {group.device: _DeviceState() for group in self._groups}
        self._takes_s = [0.0] * len(self._groups)

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that are polled."""
        return tuple(self._devices)

    @property
    def down(self) -> frozenset[str]:
        """The devices that are unreachable."""
        return frozenset(name for name, state in self._devices.items() if state.down)

    def next(self) -> tuple[float, int]:
        """Give the next poll: when it is due, and the number of its group; never when there are no groups."""
        while self._heap:
            due, _, number = self._heap[0]
            if due == self._due[number]:
                return due, number
            heapq.heappop(self._heap)
        return float("inf"), -1

    def group(self, number: int) -> PollGroup:
        """Give a group by its number."""
        return self._groups[number]

    def succeeded(self, number: int, *, now: float, took: float = 0.0) -> bool:
        """Say that a poll was answered, in `took` seconds; gives whether its device is up again with that."""
        group = self._groups[number]
        state = self._devices[group.device]
        state.failures, state.silent, state.lost_s = 0, False, 0.0
        self._takes_s[number] += _REMEMBERED * (took - self._takes_s[number])
        # Counted from the deadline, so that the period holds on average; a late one does not try to catch up.
        self._set(number, max(self._due[number] + group.period_s, now))
        if not state.down:
            return False
        state.down = False
        for other in self._numbers(group.device):
            if other != number:
                self._set(other, now)
        return True

    def failed(self, number: int, *, now: float, took: float | None = None) -> bool:
        """Say that a poll was not answered, which cost `took` seconds (by default the time-out).

        Gives whether its device is down from now on.
        """
        group = self._groups[number]
        state = self._devices[group.device]
        cost_s = self._timeout_s if took is None else took
        became = self._count_failure(state)
        if not state.down or became:
            state.lost_s += cost_s
        if became:
            state.probe, state.silent = number, True
            for other in self._numbers(group.device):
                self._set(other, float("inf"))
        if state.down:
            self._set(number, now + self._probe_pause(cost_s, debt_s=state.lost_s if became else cost_s))
        else:
            self._set(number, now + min(group.period_s, RETRY_S))
        return became

    def disconnected(self, *, now: float) -> tuple[str, ...]:
        """Say that the bus could not be connected: a failure of every device; gives those that are down from now on."""
        became = tuple(name for name, state in self._devices.items() if self._count_failure(state))
        for name in became:
            numbers = self._numbers(name)
            self._devices[name].probe = numbers[0]
            for number in numbers:
                self._set(number, now if number == numbers[0] else float("inf"))
        return became

    def reconnected(self, *, now: float) -> None:
        """Say that the bus stands again: every device gets its chance at once.

        Those that had been silent by themselves come after the others, and not all in a row.
        """
        later = now
        for number, group in enumerate(self._groups):
            state = self._devices[group.device]
            if not state.down or (state.probe == number and not state.silent):
                self._set(number, now)
        for state in self._devices.values():
            if state.down and state.silent:
                self._set(state.probe, later)
                later += PROBE_S

    def _probe_pause(self, cost_s: float, *, debt_s: float) -> float:
        """Say when to ask an unreachable device again: soon on an idle bus, seldom where others miss polls by it.

        `cost_s` is what an attempt takes; `debt_s` what was lost since the last pause, which others have to make up for
        on a full bus. A poll that comes late by less than its period is made up for; one that comes later is lost.
        """
        up = [number for number, group in enumerate(self._groups) if not self._devices[group.device].down]
        shortest = min((self._groups[number].period_s for number in up), default=float("inf"))
        wanted = sum(self._takes_s[number] / max(self._groups[number].period_s, 1e-3) for number in up)
        idle = max(1.0 - wanted, 0.0)
        down = len(self.down)
        spare = MOST_LOST * idle
        shared = cost_s / spare if spare > MOST_MISSED else debt_s / MOST_MISSED
        gentle = max(down * shared, down * max(cost_s - shortest, 0.0) / MOST_MISSED)
        return max(PROBE_S, min(PROBE_LIMIT_S, gentle), down * cost_s / MOST_LOST)

    @staticmethod
    def _count_failure(state: _DeviceState) -> bool:
        state.failures += 1
        if state.down or state.failures < FAILURES_UNTIL_DOWN:
            return False
        state.down = True
        return True

    def _numbers(self, device: str) -> list[int]:
        return [number for number, group in enumerate(self._groups) if group.device == device]

    def _set(self, number: int, due: float) -> None:
        self._due[number] = due
        self._turn += 1
        if due != float("inf"):
            heapq.heappush(self._heap, (due, self._turn, number))

"""What the devices said against what the store holds: pure comparison, independent of the product's own counts.

The devices' side is the simulators' log of what they answered. A stored sample must be one of those answers, each
answer at most once; an answer that was not stored must have been held back rightly, because it differs from the last
stored value by less than the point's deadband.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

from drivers.api import Value

CLOCK_SLACK_MS = 5.0
"""Both sides read the same clock; a millisecond is lost to rounding, and some to the order of two log calls."""
_EQUAL_WITHIN = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """A value that a simulator handed to its line, at a moment of Unix time in milliseconds.

    `doubtful` when it went out late or with noise beside it, so that the agent may have taken it or not.
    """

    at_ms: float
    value: Value
    doubtful: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A GOOD sample as the store holds it; `at_ms` is the agent's time of reading."""

    at_ms: int
    value: Value


@dataclass(frozen=True, kw_only=True, slots=True)
class PointLedger:
    """The comparison of one point of one device."""

    made: int
    committed: int
    held_back: int
    in_doubt: int
    not_accepted: int
    lost: tuple[Answered, ...]
    duplicated: tuple[Stored, ...]
    invented: tuple[Stored, ...]
    matches: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    """Pairs of (index of the answer, index of the stored sample)."""


def same(left: Value, right: Value) -> bool:
    """Whether two values are one value that went through a scale."""
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    return abs(float(left) - float(right)) <= _EQUAL_WITHIN * max(1.0, abs(float(left)))


def within_deadband(value: Value, reported: Value, deadband: float) -> bool:
    """Whether a value need not be reported after `reported`."""
    if isinstance(value, str) or isinstance(reported, str):
        return value == reported
    distance = abs(float(value) - float(reported))
    return distance < deadband or distance <= _EQUAL_WITHIN * max(1.0, abs(float(reported)))


def compare(
    answers: Sequence[Answered],
    stored: Sequence[Stored],
    *,
    deadband: float,
    in_doubt_after_ms: float,
    agent_absent_ms: Sequence[tuple[float, float]] = (),
) -> PointLedger:
    """Compare one point; both sequences are in order of time.

    An answer given within one of the windows of `agent_absent_ms`, about the moment at which the agent was killed, may
    never have reached its journal, so nobody accepted it: what is not stored of these is counted by itself, and so is a
    doubtful answer that is not stored.

    An answer given after `in_doubt_after_ms` may have been cut off on the line when the simulator was stopped: it
    counts as made, and is not held to be lost.
    """
    times = [answer.at_ms for answer in answers]
    matched: dict[int, int] = {}
    duplicated: list[Stored] = []
    invented: list[Stored] = []
    for number, sample in enumerate(stored):
        index = bisect_right(times, sample.at_ms + CLOCK_SLACK_MS) - 1
        if index < 0 or not same(answers[index].value, sample.value):
            invented.append(sample)
        elif index in matched:
            duplicated.append(sample)
        else:
            matched[index] = number
    lost: list[Answered] = []
    held_back = in_doubt = not_accepted = 0
    reported: Value | None = None
    for index, answer in enumerate(answers):
        if index in matched:
            reported = answer.value
        elif reported is not None and within_deadband(answer.value, reported, deadband):
            held_back += 1
        elif answer.at_ms > in_doubt_after_ms:
            in_doubt += 1
        elif answer.doubtful or any(begin <= answer.at_ms <= end for begin, end in agent_absent_ms):
            not_accepted += 1
        else:
            lost.append(answer)
    return PointLedger(
        made=len(answers),
        committed=len(stored),
        held_back=held_back,
        in_doubt=in_doubt,
        not_accepted=not_accepted,
        lost=tuple(lost),
        duplicated=tuple(duplicated),
        invented=tuple(invented),
        matches=tuple(sorted(matched.items())),
    )


def latencies(
    answers: Sequence[Answered],
    seen_ms: Sequence[float | None],
    changes_ms: Sequence[float],
    ledger: PointLedger,
) -> list[float]:
    """Give, for each committed change of one point, how long the news was under way, in milliseconds.

    From the first change of the register after the last read before (so the wait for the next poll counts in full) to
    the moment at which an observer of the store saw the sample (`seen_ms`, by the sample's index).
    """
    result: list[float] = []
    for (before_answer, _), (answer, number) in pairwise(ledger.matches):
        seen = seen_ms[number]
        if seen is None or same(answers[answer].value, answers[before_answer].value):
            continue
        previous_read = answers[answer - 1].at_ms
        first = bisect_right(changes_ms, previous_read)
        if first < len(changes_ms) and changes_ms[first] <= answers[answer].at_ms:
            result.append(seen - changes_ms[first])
    return result


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below or at which `share` of the values lie (nearest rank); ValueError when there are none."""
    if not values:
        raise ValueError("no values, so no percentile")
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, ceil(share * len(ordered)) - 1))]

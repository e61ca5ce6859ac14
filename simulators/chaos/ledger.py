"""What devices said and journals accepted against what the store holds: pure comparison, reading by reading."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any

from drivers.api import Quality
from simulators.chaos.journal_log import Accepted

NUMBER, CODE = "number", "fault_code"
_EXAMPLES = 20
_MOST_BESIDE = 20
"""So many milliseconds behind its own a reading may lie, where another has its time."""
_WRITTEN_WITHIN_MS = 1000.0
"""From an answer to its place in the journal; the last that a device said before the agent died may lack it."""
_ON_THE_WAY_MS = 500.0
"""An answer may be lost on its way so shortly before a line broke, and a question arrive so shortly after it did."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A sample as the store holds it."""

    device: str
    point: str
    at_ms: int
    value: Any
    quality: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A device answered with this number, at a moment of Unix milliseconds by a clock that nobody steps."""

    device: str
    number: int
    at_ms: float


class Excuse(StrEnum):
    """Why what a device said may be in no journal."""

    AGENT = "the agent died before it was written"
    DISK = "the agent died with a full disk"
    LINE = "the line was broken"
    END = "the run ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """These devices could not be heard (LINE, END), or their agent was dead (AGENT, DISK), in Unix ms.

    `unwritten_ms` is since when a dead agent may have kept readings in its memory alone.
    """

    why: Excuse
    devices: frozenset[str]
    from_ms: float
    to_ms: float
    unwritten_ms: float = 0.0


@dataclass(kw_only=True, slots=True)
class Ledger:
    """The comparison. The lists are sentences with the evidence."""

    said: int = 0
    accepted: int = 0
    stored: int = 0
    too_late: int = 0
    """Accepted after the ledger was closed, and waiting in a journal."""
    excused: Counter[str] = field(default_factory=Counter)
    """Said, in no journal, and in no store, by why that is nobody's fault."""
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    same_time: list[str] = field(default_factory=list)
    """Two readings of a point that an agent gave one time."""


def compare(
    said: Sequence[Said],
    accepted: Sequence[Accepted],
    stored: Sequence[Sample],
    *,
    outages: Sequence[Outage],
    closed_ms: float = inf,
) -> Ledger:
    """Compare everything.

    Every reading that was accepted up to `closed_ms` (Unix ms) is stored, once, as it was accepted, at its time: for
    these there is no excuse. Every number that was said was accepted, unless an outage excuses it. Nothing is stored
    that no journal accepted.
    """
    ledger = Ledger(said=len(said), accepted=len(accepted), stored=len(stored))
    rows = {(one.device, one.point, one.at_ms): one for one in stored}
    used: set[tuple[str, str, int]] = set()
    times: dict[tuple[str, str, int], Accepted] = {}
    for one in accepted:
        reading = one.reading
        key = (one.device, reading.point, reading.at_ms)
        what = (
            f"{one.device}.{reading.point} = {reading.value} at {reading.at_ms}, accepted as {one.agent}#{one.offset}"
        )
        if key in times:
            ledger.same_time.append(f"{what}: that time was given to {one.agent}#{times[key].offset} already")
        times[key] = one
        at_ms = _place(one, rows, used)
        if at_ms is None and one.accepted_ms > closed_ms:
            ledger.too_late += 1
        elif at_ms is None:
            found = rows.get(key)
            instead = f"stored as {found.value}, quality {found.quality}" if found is not None else "not stored"
            ledger.lost.append(f"{what}: {instead}")
        else:
            used.add((one.device, reading.point, at_ms))
    ledger.lost += _unheard(said, accepted, outages, ledger)
    ledger.duplicated += _too_many(said, stored, used)
    return ledger


def _place(one: Accepted, rows: Mapping[tuple[str, str, int], Sample], used: set[tuple[str, str, int]]) -> int | None:
    """Find where a reading is stored: at its own time, or just behind others that have it."""
    for at_ms in range(one.reading.at_ms, one.reading.at_ms + _MOST_BESIDE):
        key = (one.device, one.reading.point, at_ms)
        found = rows.get(key)
        if found is None:
            return None
        alike = found.quality == one.reading.quality and not _differs(found.value, one.reading.value)
        if alike and key not in used:
            return at_ms
    return None


def _unheard(
    said: Sequence[Said], accepted: Sequence[Accepted], outages: Sequence[Outage], ledger: Ledger
) -> Iterator[str]:
    """Give what was said and not accepted, where no outage excuses it."""
    heard: dict[str, list[tuple[int, int]]] = {}
    for taken in accepted:
        value = taken.reading.value
        if taken.reading.point == NUMBER and taken.is_good and isinstance(value, int):
            heard.setdefault(taken.device, []).append((value, taken.accepted_ms))
    for pairs in heard.values():
        pairs.sort()
    for one in said:
        numbers = heard.get(one.device, [])
        place = bisect_right(numbers, one.number, key=lambda pair: pair[0])
        if place and numbers[place - 1][0] == one.number:
            continue
        next_ms = float(numbers[place][1]) if place < len(numbers) else inf
        why = next((outage.why for outage in outages if excuses(outage, one, next_accepted_ms=next_ms)), None)
        if why is None:
            yield f"{one.device}.number = {one.number}: said at {one.at_ms:.0f}, and in no journal"
        else:
            ledger.excused[why.value] += 1


def excuses(outage: Outage, said: Said, *, next_accepted_ms: float) -> bool:
    """Whether an outage excuses that what was said is in no journal.

    `next_accepted_ms` is when the next number of the device was accepted. An agent writes what a device says in its
    order: what comes before something that it had written when it died was lost while it lived.
    """
    if said.device not in outage.devices:
        return False
    if outage.why is Excuse.LINE:
        return outage.from_ms - _ON_THE_WAY_MS <= said.at_ms <= outage.to_ms + _ON_THE_WAY_MS
    since_ms = outage.from_ms - _WRITTEN_WITHIN_MS
    if outage.why is Excuse.DISK:
        since_ms = min(since_ms, outage.unwritten_ms - _WRITTEN_WITHIN_MS)
    return since_ms <= said.at_ms <= outage.to_ms + _ON_THE_WAY_MS and next_accepted_ms > outage.to_ms


def _too_many(said: Sequence[Said], stored: Sequence[Sample], used: set[tuple[str, str, int]]) -> Iterator[str]:
    known = {(one.device, one.number) for one in said}
    places: dict[tuple[str, Any], list[int]] = {}
    for one in stored:
        if (one.device, one.point, one.at_ms) not in used:
            yield f"{one.device}.{one.point} = {one.value} at {one.at_ms} is stored, and no journal accepted it"
        if one.point == NUMBER and one.quality == Quality.GOOD:
            places.setdefault((one.device, one.value), []).append(one.at_ms)
    for (device, number), at in places.items():
        if len(at) > 1:
            yield f"{device}.number = {number} is stored {len(at)} times, at {at}"
        if (device, number) not in known:
            yield f"{device}.number = {number} is stored, and the device never said it"


def _differs(stored: Any, accepted: Any) -> bool:  # noqa: ANN401 - whatever the store holds
    if stored is None or accepted is None:
        return stored is not accepted
    return float(stored) != float(accepted)


def judge_orders(
    accepted: Iterable[Accepted], alarms: Iterable[Mapping[str, Any]], orders: Iterable[Mapping[str, Any]]
) -> tuple[list[str], list[str], int]:
    """Compare the fault codes that were accepted with alarms and orders; gives (missing, double, faults). Pure."""
    faults = {
        (one.device, int(one.reading.value)): one
        for one in accepted
        if one.reading.point == CODE and one.is_good and one.reading.value
    }
    raised: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for alarm in alarms:
        raised.setdefault((alarm["device"], int(str(alarm["rule"]).rpartition(".")[2])), []).append(alarm)
    opened = Counter(order["alarm_id"] for order in orders)
    missing: list[str] = []
    double: list[str] = []
    for key, seen in faults.items():
        found = raised.get(key, [])
        what = f"{key[0]}: fault {key[1]}, first accepted as {seen.agent}#{seen.offset} at {seen.reading.at_ms}"
        count = sum(opened[alarm["id"]] for alarm in found)
        if not found or not count:
            missing.append(f"{what}: {len(found)} alarms, {count} orders")
        elif len(found) > 1 or count > 1 or found[0]["occurrences"] != 1:
            double.append(f"{what}: {len(found)} alarms, {count} orders, {found[0]['occurrences']} occurrences")
    double += [
        f"{device}: fault {code}, never accepted, raised an alarm" for device, code in raised.keys() - faults.keys()
    ]
    return missing, double, len(faults)


def examples(found: Sequence[str]) -> list[str]:
    """Give the first of many."""
    return list(found[:_EXAMPLES])

"""What devices said and journals accepted against what the store holds: pure comparison, reading by reading."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers.api import Quality
from simulators.chaos.journal_log import Accepted

NUMBER, CODE = "number", "fault_code"
_EXAMPLES = 20
_MOST_BESIDE = 20
"""So many milliseconds behind its own a reading may lie, where another has its time."""


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


@dataclass(kw_only=True, slots=True)
class Ledger:
    """The comparison. The lists are sentences with the evidence."""

    said: int = 0
    accepted: int = 0
    stored: int = 0
    excused: int = 0
    """Said while the agent was dead or the line was down, and in no journal."""
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)


def compare(
    said: Sequence[Said],
    accepted: Sequence[Accepted],
    stored: Sequence[Sample],
    *,
    agent_of: Mapping[str, str],
    blind: Iterable[tuple[str, float, float]],
    until_ms: float,
) -> Ledger:
    """Compare everything.

    Every accepted reading is stored, once, as it was accepted, at its time or just behind another that has it. Every
    number that was said was accepted, unless it was said within one of the windows `blind` (agent, from, to), or after
    `until_ms`. Nothing is stored that nobody said.
    """
    ledger = Ledger(said=len(said), accepted=len(accepted), stored=len(stored))
    rows = {(one.device, one.point, one.at_ms): one for one in stored}
    numbers = Counter((one.device, one.value) for one in stored if one.point == NUMBER and one.quality == Quality.GOOD)
    settled: dict[tuple[str, str, int, Any, int], int] = {}
    used: set[tuple[str, str, int]] = set()
    for one in accepted:
        reading = one.reading
        same = (one.device, reading.point, reading.at_ms, reading.value, int(reading.quality))
        if same in settled:
            continue  # the same reading again, which is stored once
        at_ms = _place(one, rows, used)
        if at_ms is None:
            found = rows.get((one.device, reading.point, reading.at_ms))
            instead = f"stored as {found.value}, quality {found.quality}" if found is not None else "not stored"
            what = f"{one.device}.{reading.point} = {reading.value} at {reading.at_ms}"
            ledger.lost.append(f"{what}, accepted as {one.agent}#{one.offset}: {instead}")
            continue
        settled[same] = at_ms
        used.add((one.device, reading.point, at_ms))
    judged = {(one.device, one.reading.value) for one in accepted if one.reading.point == NUMBER and one.is_good}
    unjudged = [one for one in said if (one.device, one.number) not in judged]
    ledger.lost += _unheard(unjudged, numbers, agent_of=agent_of, blind=tuple(blind), until_ms=until_ms, ledger=ledger)
    known = {(one.device, one.number) for one in said}
    for (device, number), times in numbers.items():
        if times > 1:
            at = [one.at_ms for one in stored if (one.device, one.point, one.value) == (device, NUMBER, number)]
            ledger.duplicated.append(f"{device}.number = {number} is stored {times} times, at {at}")
        if (device, number) not in known:
            ledger.duplicated.append(f"{device}.number = {number} is stored, and the device never said it")
    return ledger


def _place(one: Accepted, rows: Mapping[tuple[str, str, int], Sample], used: set[tuple[str, str, int]]) -> int | None:
    """Find where a reading is stored: at its own time, or just behind others whose time a clock gave twice."""
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
    said: Sequence[Said],
    numbers: Mapping[tuple[str, Any], int],
    *,
    agent_of: Mapping[str, str],
    blind: Sequence[tuple[str, float, float]],
    until_ms: float,
    ledger: Ledger,
) -> Iterable[str]:
    for one in said:
        if (one.device, one.number) in numbers:
            continue
        agent = agent_of[one.device]
        if one.at_ms > until_ms or any(who == agent and start <= one.at_ms <= end for who, start, end in blind):
            ledger.excused += 1
        else:
            yield f"{one.device}.number = {one.number}: said at {one.at_ms:.0f}, and not stored"


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

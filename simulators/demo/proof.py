"""The report of the headless demonstration: the ledger, the latencies, and what was expected."""

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from cloud.alarms.domain import PointValue, Rule, holds, rules
from drivers.api import Quality, Value
from drivers.catalog import catalog_profile
from drivers.modbus.blocks import poll_plan
from drivers.profile import Profile, Range
from edge.config import load_site
from runtime.machine import describe_machine
from runtime.version import VERSION
from simulators.demo.director import LIFT, PUMP, RULES, Director, Story
from simulators.demo.layout import AGENT
from simulators.demo.ledger import Answered, PointLedger, Stored, compare, latencies, percentile
from simulators.demo.stack import DEVICES, Stack
from simulators.scene import load_scene
from simulators.witness import decode_answers, read_answers, read_changes, witness_files

IN_DOUBT_MS = 250.0
"""An answer given so shortly before the simulators stopped may have been cut off on its line."""
POLL = timedelta(seconds=1)
GOAL_P99_MS = 2000.0
GOAL_CHANGES_A_MINUTE = 1000
_DRAINED_WITHIN_S = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """The ledgers of all points, added up, and the latencies of all committed changes."""

    made: int
    held_back: int
    in_doubt: int
    not_accepted: int
    """Answered about the moment at which the agent was killed, and in no journal."""
    committed: int
    not_good: int
    lost: list[dict[str, Any]]
    duplicated: list[dict[str, Any]]
    latencies_ms: list[float]
    """Of the points that are polled every `POLL`, the demonstration's poll period."""
    slow_latencies_ms: list[float]
    """Of the points that are polled less often."""
    read_to_store_ms: list[float]


async def drained(stack: Stack) -> bool:
    """Wait until the cloud has acknowledged everything that the agent journalled; whether it has."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DRAINED_WITHIN_S
    while loop.time() < deadline:
        figures = await agent_figures(stack)
        if figures["linli_edge_journal_pending_records"] == 0 and figures["linli_edge_intake_waiting_records"] == 0:
            return True
        await asyncio.sleep(0.2)
    return False


async def agent_figures(stack: Stack) -> dict[str, float]:
    """Read the agent's metrics that have no labels."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        text = (await client.get(f"http://127.0.0.1:{stack.ports.agent}/metrics")).text
    return {name: float(value) for name, value in re.findall(r"^(\w+) ([0-9.e+-]+)$", text, flags=re.MULTILINE)}


def settle(
    stack: Stack,
    devices: Mapping[str, int],
    *,
    since_ms: int,
    born_ms: int,
    stopped_ms: float,
    seen: Mapping[tuple[int, str, int], float],
    agent_absent_ms: Sequence[tuple[float, float]] = (),
) -> Findings:
    """Compare the simulators' own logs with the store, point by point, from `since_ms` on.

    `agent_absent_ms` are the windows about the moments at which the agent was killed (see `compare`).

    Latencies count from `born_ms` on: what is read while the processes start waits for them.
    """
    profiles = {
        device.name: catalog_profile(device.profile)
        for line in load_scene(stack.layout.scene).scene.lines
        for device in line.members
    }
    samples = _samples(stack.layout.telemetry, since_ms=since_ms)
    ledgers: list[tuple[str, str, PointLedger]] = []
    delays: dict[bool, list[float]] = {True: [], False: []}
    on_the_way: list[float] = []
    compared = {devices[name] for name in DEVICES}
    not_good = sum(q != Quality.GOOD for (number, _), rows in samples.items() if number in compared for _, _, q in rows)
    for name in DEVICES:
        profile = profiles[name]
        said = _answers(stack.layout.simulators, name, profile, since_ms=since_ms)
        changes = _changes(stack.layout.simulators, name)
        for point, spec in profile.points.items():
            rows = samples.get((devices[name], point), [])
            kind = spec.value_type
            stored = [Stored(at_ms=at, value=_typed(value, kind)) for at, value, q in rows if q == Quality.GOOD]
            answers = said.get(point, [])
            ledger = compare(
                answers,
                stored,
                deadband=spec.deadband,
                in_doubt_after_ms=stopped_ms - IN_DOUBT_MS,
                agent_absent_ms=agent_absent_ms,
            )
            ledgers.append((name, point, ledger))
            seen_ms = [
                seen.get((devices[name], point, sample.at_ms)) if sample.at_ms >= born_ms else None for sample in stored
            ]
            delays[spec.poll <= POLL] += latencies(answers, seen_ms, changes.get(point, []), ledger)
            on_the_way += [at - answers[a].at_ms for a, n in ledger.matches if (at := seen_ms[n]) is not None]
    return Findings(
        made=sum(ledger.made for _, _, ledger in ledgers),
        held_back=sum(ledger.held_back for _, _, ledger in ledgers),
        in_doubt=sum(ledger.in_doubt for _, _, ledger in ledgers),
        not_accepted=sum(ledger.not_accepted for _, _, ledger in ledgers),
        committed=sum(ledger.committed for _, _, ledger in ledgers),
        not_good=not_good,
        lost=[
            {"device": name, "point": point, "at_ms": one.at_ms, "value": one.value}
            for name, point, ledger in ledgers
            for one in ledger.lost
        ],
        duplicated=[
            {"device": name, "point": point, "at_ms": one.at_ms, "value": one.value}
            for name, point, ledger in ledgers
            for one in (*ledger.duplicated, *ledger.invented)
        ],
        latencies_ms=delays[True],
        slow_latencies_ms=delays[False],
        read_to_store_ms=on_the_way,
    )


def _answers(folder: Path, device: str, profile: Profile, *, since_ms: int) -> dict[str, list[Answered]]:
    """Give what a device said when it was polled, by point.

    "Not available" is no reading, and neither is a number outside its point's range: that makes the point BAD.
    """
    file, _, _ = witness_files(folder, device)
    blocks = [block for group in poll_plan(profile).values() for block in group]
    said: dict[str, list[Answered]] = {}
    recent = (answer for answer in read_answers(file) if answer.at_ms >= since_ms)
    for one in decode_answers(profile, recent, blocks=blocks):
        if one.value is not None and _is_plausible(one.value, profile.points[one.point].range):
            said.setdefault(one.point, []).append(Answered(at_ms=one.at_ms, value=one.value, doubtful=one.doubtful))
    return said


def _is_plausible(value: Value, bounds: Range | None) -> bool:
    return bounds is None or isinstance(value, bool | str) or bounds.low <= value <= bounds.high


def _changes(folder: Path, device: str) -> dict[str, list[float]]:
    _, file, _ = witness_files(folder, device)
    times: dict[str, list[float]] = {}
    for change in read_changes(file):
        if not change.start:
            times.setdefault(change.point, []).append(change.at_ms)
    return times


def _samples(file: Path, *, since_ms: int) -> dict[tuple[int, str], list[tuple[int, Any, int]]]:
    found: dict[tuple[int, str], list[tuple[int, Any, int]]] = {}
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        rows = connection.execute(
            "SELECT device_id, point, at_ms, value, quality FROM sample JOIN series ON series.id = series_id "
            "WHERE at_ms >= ? ORDER BY series_id, at_ms",
            (since_ms,),
        )
        for device, point, at_ms, value, quality in rows:
            found.setdefault((device, point), []).append((at_ms, value, quality))
    return found


def _typed(value: Any, kind: type) -> Value:  # noqa: ANN401 - whatever SQLite holds
    return bool(value) if kind is bool else value


def fault_to_order(stack: Stack, story: Story) -> Iterator[tuple[str, float, float]]:
    """Give, for each device with an order, milliseconds from the fault's first trace in the registers to the order.

    And the alarm's on-delay in milliseconds, which is part of it.
    """
    site = load_site(stack.layout.site)
    for device, seen_ms in story.order_seen_ms.items():
        settings = site.settings.agents[AGENT].devices[device]
        rule = next(one for one in rules(site.profile_of(settings), settings.alarms) if one.id == RULES[device])
        began = first_trace(stack, device, rule, after_ms=story.faulted_ms[device])
        if began is not None:
            yield device, seen_ms - began, rule.on_delay_ms


def first_trace(stack: Stack, device: str, rule: Rule, *, after_ms: float) -> float | None:
    """Find when the registers first met the alarm's condition after the fault was given."""
    values: dict[str, PointValue] = {}
    _, file, _ = witness_files(stack.layout.simulators, device)
    for change in read_changes(file):
        value = float(change.value) if isinstance(change.value, bool | int) else change.value
        values[change.point] = PointValue(value=value, quality=Quality.GOOD, at_ms=int(change.at_ms))
        if change.at_ms >= after_ms and holds(rule, values, held_before=False):
            return change.at_ms
    return None


async def finish(
    stack: Stack,
    director: Director,
    story: Story,
    findings: Findings,
    *,
    devices: Mapping[str, int],
    figures: Mapping[str, float],
    seconds: int,
) -> dict[str, Any]:
    """Check what is left to expect, and give the report."""
    alarms = {device: await director.alarms_of(device) for device in DEVICES}
    compared = {devices[name] for name in DEVICES}
    orders = [order for order in await director.orders() if order["device_id"] in compared]
    for device in (PUMP, LIFT):
        raised = len(alarms[device])
        opened = sum(order["device_id"] == devices[device] for order in orders)
        story.expect(f"{device}: one alarm and one order, no more ({raised} and {opened})", seen=raised == opened == 1)
    quiet = {device: len(alarms[device]) for device in DEVICES if device not in RULES}
    story.expect(f"healthy devices raised no alarm ({quiet})", seen=not any(quiet.values()))
    story.expect("nothing lost", seen=not findings.lost)
    story.expect("nothing duplicated or invented", seen=not findings.duplicated)
    latency = _figures(findings.latencies_ms)
    changes, p99 = latency["changes"], latency["p99"]
    enough = min(GOAL_CHANGES_A_MINUTE, GOAL_CHANGES_A_MINUTE * seconds // 60)
    story.expect(f"at least {enough} changes were measured ({changes})", seen=changes >= enough)
    story.expect(f"99% of changes are committed within {GOAL_P99_MS:g} ms", seen=p99 is not None and p99 <= GOAL_P99_MS)
    states: Counter[str] = Counter(alarm["state"] for rows in alarms.values() for alarm in rows)
    done = sum(command["state"] == "done" for command in story.commands)
    return {
        "demo": "headless",
        "version": VERSION,
        "machine": describe_machine(),
        "readings": {
            "made": findings.made,
            "held_back": findings.held_back,
            "journalled": int(figures["linli_edge_readings_journalled_total"]),
            "committed": findings.committed + findings.not_good,
            "committed_not_good": findings.not_good,
            "in_doubt": findings.in_doubt,
            "lost": len(findings.lost),
            "duplicated": len(findings.duplicated),
        },
        "alarms": dict(states),
        "orders": dict(Counter(order["state"] for order in orders)),
        "commands": {"sent": len(story.commands), "confirmed": done, "failed": len(story.commands) - done},
        **({} if story.gate is None else {"gate": story.gate}),
        "latency_ms": {
            **latency,
            "meaning": "from the first register change after the last read, to the sample seen in the store",
            "poll_ms": POLL / timedelta(milliseconds=1),
            "slower_points": _figures(findings.slow_latencies_ms),
            "read_to_store": _figures(findings.read_to_store_ms),
        },
        "fault_to_order_ms": {
            device: {"from_registers": _rounded(took), "on_delay": delay}
            for device, took, delay in fault_to_order(stack, story)
        },
        "expected": [{"what": one.what, "seen": one.seen} for one in story.expected],
        "details": {"lost": findings.lost[:20], "duplicated": findings.duplicated[:20]},
    }


def _figures(delays_ms: Sequence[float]) -> dict[str, Any]:
    if not delays_ms:
        return {"p50": None, "p99": None, "changes": 0}
    p50, p99 = percentile(delays_ms, 0.5), percentile(delays_ms, 0.99)
    return {"p50": round(p50, 1), "p99": round(p99, 1), "changes": len(delays_ms)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def all_seen(expected: Sequence[Mapping[str, Any]]) -> bool:
    """Whether everything that was expected was seen."""
    return all(one["seen"] for one in expected)

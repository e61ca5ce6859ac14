"""A whole run: everything starts, the schedule is played, everything comes to rest, and the ledger is drawn up."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

import httpx

from simulators.chaos.commander import Commander, all_pages
from simulators.chaos.evidence import Told, Verdict, judge, keep
from simulators.chaos.files import LOGIN
from simulators.chaos.ledger import Excuse, Outage, examples
from simulators.chaos.schedule import DeviceFault, Schedule, Town
from simulators.chaos.stack import Stack, TownFailed, running
from simulators.chaos.troubles import Troublemaker
from simulators.control import ControlError
from simulators.control import tell as tell_devices
from simulators.demo.api import Api
from simulators.demo.layout import ensure_password

_CALM_S = 5.0
"""After the last trouble, so that every device is heard again and shows that its fault is over."""
_RESTED_WITHIN_S = 120.0
_COMMANDS_WITHIN_S = 60.0
_CALM_FIGURES_S = 2.5
"""An agent brings its figures up to date every second."""


@dataclass(kw_only=True, slots=True)
class Outcome:
    """How a run went. Lists are sentences with the evidence; an empty one is as it should be."""

    verdict: Verdict
    commands: dict[str, int]
    vanished: list[str]
    unrested: list[str]
    ended_by_itself: list[str]
    tracebacks: dict[str, int]
    happened: list[dict[str, Any]]
    backlog: list[tuple[float, int]] = field(default_factory=list)

    @property
    def misses(self) -> dict[str, list[str]]:
        """Everything that a working system does not do, by its name in reports."""
        return self.verdict.found | {
            "vanished_from_a_journal": self.vanished,
            "agents_never_acknowledged": self.unrested,
        }


class Saboteur(Protocol):
    """Breaks the product on purpose, so that the ledger has something to find."""

    async def meanwhile(self, stack: Stack) -> None:
        """Do it while the schedule is played."""
        ...

    async def afterwards(self, stack: Stack) -> None:
        """Do it once everything has come to rest, before anything is read."""
        ...


async def run(
    folder: Path,
    town: Town,
    schedule: Schedule,
    *,
    tell: Callable[[str], None],
    saboteur: Saboteur | None = None,
) -> Outcome:
    """Play a schedule against a town in a folder, and judge.

    TownFailed, ChildFailed, NoServer when it does not come up; what does not come up again afterwards is a miss.
    """
    codes = max((fault.number for fault in schedule.faults), default=1)
    async with running(folder, town, codes=codes, tell=tell) as stack, Api(stack.url) as api:
        await stack.until_healthy()
        await api.login(LOGIN, ensure_password(stack.layout, LOGIN))
        devices = await stack.until_born(api)
        tell("everything is up; it begins")
        maker = Troublemaker(stack=stack, random=Random(schedule.seed), tell=tell)  # noqa: S311 - repeatable
        commander = Commander(api=api, devices=devices)
        backlog: list[tuple[float, int]] = []
        began = time.time()
        supervising = asyncio.create_task(stack.supervise(), name="chaos:supervise")
        watching = asyncio.create_task(_watch(stack, backlog, began), name="chaos:watch")
        async with asyncio.TaskGroup() as tasks:
            if saboteur is not None:
                tasks.create_task(saboteur.meanwhile(stack), name="chaos:sabotage")
            await _play(stack, schedule, maker, commander)
        tell("the last trouble is over; waiting until everything has come to rest")
        unwell: list[str] = []
        try:
            await stack.until_healthy()
        except TownFailed as error:
            unwell.append(str(error))
        await asyncio.sleep(_CALM_S)
        stopping_ms = time.time() * 1000
        for line in town.lines:
            await stack.children.stop(stack.child(f"devices-{line}"))
        unrested, closed_ms = await _rest(stack, tell)
        tell("waiting until every command has ended")
        commands = await commander.ended(within_s=_COMMANDS_WITHIN_S)
        watching.cancel()
        supervising.cancel()
        for agent in town.agents:
            await stack.children.stop(stack.child(agent))
            await maker.look(agent)
        if saboteur is not None:
            await saboteur.afterwards(stack)
        ended = Outage(why=Excuse.END, devices=frozenset(town.devices), from_ms=stopping_ms, to_ms=time.time() * 1000)
        told = Told(
            devices=devices,
            alarms=await all_pages(api, "/alarms", state="all"),
            orders=await all_pages(api, "/work-orders", state="all"),
            commands=commands,
            asked=commander.asked,
            outages=[*maker.outages, ended],
            closed_ms=closed_ms,
        )
        return await asyncio.to_thread(
            _outcome, stack, maker, commander, told, unrested=unwell + unrested, backlog=backlog, began_ms=began * 1000
        )


async def _play(stack: Stack, schedule: Schedule, maker: Troublemaker, commander: Commander) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def at(when: float, action: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(max(0.0, start + when - loop.time()))
        await action()

    async def fault(one: DeviceFault) -> None:
        with suppress(ControlError):
            simulators = stack.layout.simulators
            await asyncio.to_thread(tell_devices, simulators, one.device, "fault", f"code:{one.number}")
            await asyncio.sleep(one.lasts)
            await asyncio.to_thread(tell_devices, simulators, one.device, "clear", "code")

    async with asyncio.TaskGroup() as tasks:
        for trouble in schedule.troubles:
            tasks.create_task(at(trouble.at, lambda one=trouble: maker.play(one)))  # type: ignore[misc]
        for one in schedule.faults:
            tasks.create_task(at(one.at, lambda one=one: fault(one)))  # type: ignore[misc]
        for order in schedule.orders:
            tasks.create_task(at(order.at, lambda one=order: commander.send(one)))  # type: ignore[misc]


async def _watch(stack: Stack, backlog: list[tuple[float, int]], began: float) -> None:
    """Note every second how many records wait in the journals."""
    while True:
        await asyncio.sleep(1)
        waiting = 0
        for log in stack.logs.values():
            with suppress(sqlite3.DatabaseError):
                waiting += await asyncio.to_thread(log.waiting)
        backlog.append((round(time.time() - began, 1), waiting))


async def _rest(stack: Stack, tell: Callable[[str], None]) -> tuple[list[str], float]:
    """Wait until the cloud has everything that the agents journalled; gives what it has not, and since when it has all.

    The time is in Unix ms. What an agent accepts later (that a device that was stopped is silent) is not waited for.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _RESTED_WITHIN_S
    told = loop.time()
    calm_since: float | None = None
    while loop.time() < deadline:
        left = {agent: what for agent in stack.town.agents if (what := await _unfinished(stack, agent))}
        if left:
            calm_since = None
        else:
            calm_since = calm_since or time.time()
            if time.time() - calm_since > _CALM_FIGURES_S:
                return [], calm_since * 1000
        if loop.time() - told > 5:  # noqa: PLR2004 - seconds between two lines on a terminal
            told = loop.time()
            tell(f"not acknowledged yet: {left}")
        await asyncio.sleep(0.2)
    return [f"{agent}: {what}" for agent, what in left.items()], time.time() * 1000


async def _unfinished(stack: Stack, agent: str) -> str:
    """Say what an agent still has to do; empty when nothing."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        try:
            text = (await client.get(f"http://127.0.0.1:{stack.places.probes[agent]}/metrics")).text
        except httpx.HTTPError:
            return "it does not answer"
    names = ("linli_edge_journal_pending_records", "linli_edge_intake_waiting_records")
    waiting = sum(int(float(line.split()[1])) for line in text.splitlines() if line.startswith(names))
    return f"{waiting} records were never acknowledged" if waiting else ""


def _outcome(
    stack: Stack,
    maker: Troublemaker,
    commander: Commander,
    told: Told,
    *,
    unrested: list[str],
    backlog: list[tuple[float, int]],
    began_ms: float,
) -> Outcome:
    keep(stack.layout.data, [one for log in stack.logs.values() for one in log.accepted], told)
    states: dict[str, int] = {"taken": commander.taken}
    states |= {f"not taken: {why}": count for why, count in commander.not_taken.items()}
    for rows in told.commands.values():
        for row in rows:
            states[row["state"]] = states.get(row["state"], 0) + 1
    tracebacks = {
        file.stem: count
        for file in sorted(stack.layout.logs.glob("*.log"))
        if (count := file.read_text(errors="replace").count("Traceback (most recent"))
    }
    return Outcome(
        verdict=judge(stack.layout.data),
        commands=states,
        vanished=maker.vanished,
        unrested=unrested,
        ended_by_itself=[
            f"{(one.at_ms - began_ms) / 1000:.1f} s: {one.name} ended with {one.status}: {one.last_words}"
            for one in stack.ended
        ],
        tracebacks=tracebacks,
        happened=[{"at": round((at - began_ms) / 1000, 2), "what": what} for at, what in maker.happened],
        backlog=backlog,
    )


def describe(outcome: Outcome) -> dict[str, Any]:
    """Give the parts of the report that a run adds to the shape of all benchmarks."""
    verdict = outcome.verdict
    ledger = verdict.ledger
    return {
        "ledger": {
            "said": ledger.said,
            "accepted": ledger.accepted,
            "stored": ledger.stored,
            "not_accepted": dict(ledger.excused),
            "accepted_after_the_end": ledger.too_late,
            "faults": verdict.faults,
            **{name: len(found) for name, found in verdict.found.items()},
        },
        "commands": outcome.commands,
        "faults": outcome.happened,
        "misses": {name: examples(found) for name, found in outcome.misses.items()},
        "ended_by_itself": outcome.ended_by_itself,
        "tracebacks": outcome.tracebacks,
        "backlog": [{"at": at, "records": records} for at, records in outcome.backlog],
    }


def write_schedule(schedule: Schedule) -> list[str]:
    """Say a schedule in words, a line for each trouble."""
    return [f"{one.at:7.2f} s  {one.words}" for one in schedule.troubles]


def small_town(*, postgresql: bool) -> Town:
    """Give the town of a run: three agents, devices over TCP and on serial lines."""
    return Town(
        lines={
            "edge-1-net": ("meter-1", "meter-2"),
            "edge-1-serial": ("meter-3",),
            "edge-2-net": ("meter-4", "meter-5"),
            "edge-3-serial": ("meter-6", "meter-7"),
        },
        postgresql=postgresql,
    )


def dump(report: dict[str, Any], file: Path) -> None:
    """Write a report."""
    file.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

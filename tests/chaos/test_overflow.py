"""An outage that is longer than a journal is large: alarms and orders outlive it, and what is lost is told exactly."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from simulators.chaos.run import run
from simulators.chaos.schedule import DeviceFault, Kind, Schedule, Town, Trouble
from simulators.chaos.stack import Stack

TOWN = Town(
    lines={"edge-1-net": tuple(f"meter-{number}" for number in range(1, 9))},
    journal="{ max_records = 100, reserved = 0.5 }",
)
SCHEDULE = Schedule(
    seed=1,
    seconds=14.0,
    troubles=(Trouble(at=2.0, lasts=10.0, kind=Kind.CUT, target="edge-1:broker"),),
    faults=tuple(
        DeviceFault(at=2.5 + place % 4 + 3.0 * (number - 1), lasts=1.5, device=device, number=number)
        for place, device in enumerate(TOWN.devices)
        for number in (1, 2)
    ),
    orders=(),
)


class GapsTold:
    """Reads what the service knows of lost records."""

    offsets: frozenset[int] = frozenset()

    async def meanwhile(self, stack: Stack) -> None:
        pass

    async def afterwards(self, stack: Stack) -> None:
        with closing(sqlite3.connect(stack.layout.data / "linli.db", timeout=20)) as db:
            gaps = db.execute("SELECT first_offset, last_offset FROM journal_gap").fetchall()
        self.offsets = frozenset(offset for first, last in gaps for offset in range(first, last + 1))


@pytest.mark.system
@pytest.mark.timeout(240)
async def test_alarms_outlive_a_full_journal_and_every_lost_record_is_told(tmp_path: Path) -> None:
    told = GapsTold()
    outcome = await run(tmp_path / "run", TOWN, SCHEDULE, tell=lambda _: None, saboteur=told)
    verdict = outcome.verdict
    lost = verdict.ledger.lost
    assert verdict.faults == len(SCHEDULE.faults)
    assert (verdict.missing_orders, verdict.double_orders, verdict.ledger.duplicated) == ([], [], [])
    assert len(lost) > 20
    assert not [one for one in lost if re.search(r"\.fault_code = [1-9]", one)], lost
    assert {int(found[1]) for one in lost if (found := re.search(r"edge-1#(\d+)", one))} == told.offsets

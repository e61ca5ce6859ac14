"""A running product is broken on purpose, from outside: the ledger of a whole run finds and counts each of these."""

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from simulators.chaos.run import run
from simulators.chaos.schedule import DeviceFault, Order, Schedule, Town
from simulators.chaos.stack import Stack
from tests.support.spoilt_store import in_store

TOWN = Town(lines={"edge-1-net": ("meter-1", "meter-2")})
SCHEDULE = Schedule(
    seed=1,
    seconds=9.0,
    troubles=(),
    faults=tuple(DeviceFault(at=1.0, lasts=1.5, device=device, number=1) for device in TOWN.devices),
    orders=tuple(Order(at=0.5 + value, device="meter-1", value=value) for value in range(1, 4)),
)
SKIPPED = 5


class Saboteur:
    """Acknowledges records that were never committed, loses a sample, and opens an order twice."""

    async def meanwhile(self, stack: Stack) -> None:
        await asyncio.sleep(4.0)
        await stack.kill("ingest")
        while stack.logs["edge-1"].waiting() < 2 * SKIPPED:  # noqa: ASYNC110 - another process's file
            await asyncio.sleep(0.1)
        self.in_database(stack, f"UPDATE journal SET watermark = watermark + {SKIPPED}")  # noqa: S608 - a number
        await stack.revive("ingest")

    async def afterwards(self, stack: Stack) -> None:
        in_store(stack.layout.data, "DELETE FROM THE_TABLE WHERE THE_ROW")
        copied = "CREATE TABLE copied AS SELECT * FROM work_order"  # without the rule of one order for an alarm
        self.in_database(stack, copied, "DROP TABLE work_order", "ALTER TABLE copied RENAME TO work_order")
        columns = self.in_database(stack, "SELECT group_concat(name) FROM pragma_table_info('work_order')")
        again = ", ".join("10000 + id" if name == "id" else name for name in str(columns).split(","))
        self.in_database(stack, f"INSERT INTO work_order SELECT {again} FROM work_order ORDER BY id LIMIT 1")  # noqa: S608

    @staticmethod
    def in_database(stack: Stack, *statements: str) -> object:
        with closing(sqlite3.connect(stack.layout.data / "linli.db", isolation_level=None, timeout=20)) as db:
            for statement in statements:
                found = db.execute(statement).fetchone()
        return None if found is None else found[0]


@pytest.mark.system
@pytest.mark.timeout(240)
async def test_what_is_acknowledged_before_it_is_committed_shows_as_lost(tmp_path: Path) -> None:
    outcome = await run(tmp_path / "run", TOWN, SCHEDULE, tell=lambda _: None, saboteur=Saboteur())
    verdict = outcome.verdict
    offsets = sorted({int(found[1]) for one in verdict.ledger.lost if (found := re.search(r"edge-1#(\d+)", one))})
    assert len(offsets) == SKIPPED + 1, verdict.ledger.lost
    assert offsets[-1] - offsets[1] == SKIPPED - 1
    assert len(verdict.double_orders) == 1, verdict.double_orders
    assert (verdict.ledger.duplicated, verdict.missing_orders, verdict.late_commands) == ([], [], [])

"""The intake: nobody waits for the disk, and what it cannot keep shows as a gap."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from drivers.api import Quality, Reading
from edge.intake import DeviceMark, Intake, Mark, Written
from edge.journal import Journal, open_journal
from edge.journal_file import Limits
from edge.records import CommandResult, Draft, Gap, Record
from runtime.lifecycle import Backoff
from wire.contract import Outcome

ROOMY = Limits(max_records=10_000, max_bytes=100_000_000)
Told = list[Written | Mark]


def draft(number: int, *, result: CommandResult | None = None) -> Draft:
    return Draft(device="pump-1", at_ms=number, result=result)


def heavy(number: int) -> Draft:
    reading = Reading(point="p", value=None, quality=Quality.BAD, at_ms=number, reason="x" * 100_000)
    return Draft(device="pump-1", at_ms=number, readings=(reading,))


def intake_of(journal: Journal, told: Told, *, capacity: int = 100) -> Intake:
    def listen(items: Sequence[Written | Mark]) -> None:
        told.extend(items)

    return Intake(journal=journal, on_written=listen, backoff=Backoff(random=lambda: 0.0), capacity=capacity)


async def set_pages(journal: Journal, pages: int) -> None:
    await journal._call(journal._file._db.execute, f"PRAGMA max_page_count = {pages}")


async def test_drafts_and_marks_keep_their_order_in_one_transaction(tmp_path: Path) -> None:
    told: Told = []
    async with open_journal(tmp_path, new_id="j", limits=ROOMY, at_ms=0) as journal:
        intake = intake_of(journal, told)
        down = DeviceMark(device="pump-1", reachable=False)
        for item in (draft(1), draft(2), down, draft(3)):
            intake.put(item)
        await intake.write_next()
        assert intake.waiting == 0
    assert told == [
        Written(offset=1, device="pump-1", readings=0),
        Written(offset=2, device="pump-1", readings=0),
        down,
        Written(offset=3, device="pump-1", readings=0),
    ]


async def test_a_full_disk_holds_drafts_in_memory_and_drops_the_oldest_reading_as_a_gap(tmp_path: Path) -> None:
    told: Told = []
    result = CommandResult(command_id="x", outcome=Outcome.DONE, detail="")
    async with open_journal(tmp_path, new_id="j", limits=ROOMY, at_ms=0) as journal:
        intake = intake_of(journal, told, capacity=3)
        intake.put(draft(0))
        await intake.write_next()
        await set_pages(journal, 1)
        intake.put(draft(1, result=result))
        for number in range(2, 7):
            intake.put(heavy(number))
        await intake.write_next()
        assert intake.problem
        assert intake.waiting == 3
        await set_pages(journal, 1_000_000)
        await intake.write_next()
        assert intake.problem == ""
        entries = await journal.read(after=0, limit=1000)
    assert any(isinstance(one, Record) and one.result == result for one in entries)
    lost = sum(one.last - one.first + 1 for one in entries if isinstance(one, Gap))
    assert lost == intake.lost == 3


async def test_what_waits_is_written_when_the_agent_stops(tmp_path: Path) -> None:
    told: Told = []
    async with open_journal(tmp_path, new_id="j", limits=ROOMY, at_ms=0) as journal:
        intake = intake_of(journal, told, capacity=1000)
        task = asyncio.create_task(intake.run())
        await asyncio.sleep(0)
        for number in range(600):
            intake.put(draft(number))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await journal.status()).last == 600

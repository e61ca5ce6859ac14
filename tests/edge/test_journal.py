"""The journal on real SQLite files: what it promised survives kills, full disks, overflow and damage."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import Quality, Reading
from edge.clock import TimeQuality
from edge.journal import FILE_NAME, JournalInUse, open_journal
from edge.journal_file import JournalFile, JournalFull, Limits, look_into
from edge.losses import Loss, Reason, RecordClass
from edge.records import CommandResult, Draft, Entry, Gap, Record
from wire.contract import Outcome

ROOMY = Limits(max_records=10_000, max_bytes=100_000_000)


def draft(number: int = 0, *, device: str = "pump-1", result: CommandResult | None = None) -> Draft:
    reading = Reading(point="pressure", value=float(number), quality=Quality.GOOD, at_ms=number)
    return Draft(device=device, at_ms=number, readings=(reading,), result=result)


def opened(folder: Path, *, limits: Limits = ROOMY, new_id: str = "journal-1") -> JournalFile:
    return JournalFile(folder / FILE_NAME, new_id=new_id, limits=limits)


def lost(count: int) -> Loss:
    return Loss(reason=Reason.FULL_DISK, counts={RecordClass.TELEMETRY: count}, from_ms=0, to_ms=0)


def covered(entries: tuple[Entry, ...]) -> list[int]:
    offsets: list[int] = []
    for one in entries:
        offsets += [one.offset] if isinstance(one, Record) else range(one.first, one.last + 1)
    return offsets


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    readings = (
        Reading(point="a", value=True, quality=Quality.GOOD, at_ms=1),
        Reading(point="b", value=-3, quality=Quality.STALE, at_ms=2),
        Reading(point="c", value=1.0, quality=Quality.BAD, at_ms=3, reason="线路断开"),
        Reading(point="d", value=None, quality=Quality.BAD, at_ms=4),
        Reading(point="e", value="文", quality=Quality.GOOD, at_ms=5),
    )
    result = CommandResult(command_id="x", outcome=Outcome.DONE, detail="shown")
    journal = opened(tmp_path)
    assert journal.append([Draft(device="pump-1", at_ms=9, readings=readings, result=result)]) == (1,)
    journal.close()
    (found,) = opened(tmp_path).read(after=0, limit=10)
    assert found == Record(
        offset=1, device="pump-1", at_ms=9, readings=readings, result=result, kind=RecordClass.COMMAND
    )
    assert isinstance(found, Record)
    assert [type(reading.value) for reading in found.readings] == [bool, int, float, type(None), str]


def test_acknowledged_records_are_gone_and_offsets_are_never_used_again(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append([draft(1), draft(2)])
    assert journal.acknowledge("journal-1", 2)
    journal.close()
    journal = opened(tmp_path, new_id="never used")
    assert journal.journal_id == "journal-1"
    assert journal.status().records == 0
    assert journal.append([draft(3)]) == (3,)


def test_a_foreign_or_impossible_acknowledgement_changes_nothing(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append([draft(1), draft(2)])
    assert not journal.acknowledge("another", 1)
    assert not journal.acknowledge("journal-1", 3)
    assert journal.acknowledge("journal-1", 1)
    assert not journal.acknowledge("journal-1", 1)
    assert covered(journal.read(after=0, limit=10)) == [2]


def test_overflow_turns_the_oldest_into_one_gap(tmp_path: Path) -> None:
    journal = opened(tmp_path, limits=Limits(max_records=100, max_bytes=100_000_000))
    for number in range(130):
        journal.append([draft(number)])
    entries = journal.read(after=0, limit=1000)
    assert isinstance(entries[0], Gap)
    assert not any(isinstance(one, Gap) for one in entries[1:])
    assert covered(entries) == list(range(1, 131))
    status = journal.status()
    assert status.records <= 100
    assert status.dropped == entries[0].last
    assert status.first == 1


def test_the_limit_on_bytes_holds_too(tmp_path: Path) -> None:
    journal = opened(tmp_path, limits=Limits(max_records=10_000, max_bytes=20_000))
    for number in range(500):
        journal.append([draft(number)])
    assert journal.status().bytes <= 20_000
    assert covered(journal.read(after=0, limit=1000)) == list(range(1, 501))


def test_a_gap_is_acknowledged_like_a_record(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append([draft(1)], lost=lost(10))
    assert journal.read(after=4, limit=10)[0] == Gap(first=5, last=10)
    journal.acknowledge("journal-1", 3)
    assert journal.read(after=0, limit=10)[0] == Gap(first=4, last=10)
    journal.acknowledge("journal-1", 10)
    assert covered(journal.read(after=0, limit=10)) == [11]


def test_a_command_id_is_noted_once_and_finished_with_its_record(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert journal.begin_command(command_id="x", device="pump-1", name="start", at_ms=1)
    assert not journal.begin_command(command_id="x", device="pump-1", name="start", at_ms=1)
    assert [one.command_id for one in journal.unfinished_commands()] == ["x"]
    result = CommandResult(command_id="x", outcome=Outcome.REFUSED, detail="no")
    journal.append([draft(result=result)])
    assert journal.unfinished_commands() == ()
    noted = journal.command("x")
    assert noted is not None
    assert noted.result == result
    assert journal.command("y") is None


def test_old_finished_commands_are_forgotten_and_open_ones_are_not(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for name in ("done", "open"):
        journal.begin_command(command_id=name, device="pump-1", name="start", at_ms=0)
    journal.append([draft(result=CommandResult(command_id="done", outcome=Outcome.DONE, detail=""))])
    journal.begin_command(command_id="new", device="pump-1", name="start", at_ms=8 * 86_400_000)
    assert journal.command("done") is None
    assert journal.command("open") is not None


def test_bdseq_counts_over_restarts_and_wraps(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert [journal.next_bdseq() for _ in range(3)] == [0, 1, 2]
    journal.close()
    journal = opened(tmp_path)
    assert [journal.next_bdseq() for _ in range(255)][-3:] == [255, 0, 1]


def test_a_full_disk_changes_nothing_and_passes(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append([draft(1)])
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalFull):
        journal.append([draft(number) for number in range(1000)])
    assert journal.status().records == 1
    journal._db.execute("PRAGMA max_page_count = 1000000")
    assert journal.append([draft(2)]) == (2,)


async def test_a_damaged_file_is_moved_aside_and_a_new_journal_begins(tmp_path: Path) -> None:
    async with open_journal(tmp_path, new_id="first", limits=ROOMY, at_ms=1) as journal:
        await journal.append([draft(number) for number in range(500)])
    file = tmp_path / FILE_NAME
    content = bytearray(file.read_bytes())
    content[4096:12288] = b"\xa5" * 8192
    file.write_bytes(content)
    async with open_journal(tmp_path, new_id="second", limits=ROOMY, at_ms=77) as journal:
        assert journal.journal_id == "second"
        assert await journal.append([draft(1)]) == (1,)
    assert (tmp_path / f"{FILE_NAME}.damaged-77").read_bytes() == bytes(content)


async def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is no database " * 500)
    async with open_journal(tmp_path, new_id="second", limits=ROOMY, at_ms=5) as journal:
        assert journal.journal_id == "second"


async def test_a_second_agent_is_kept_off(tmp_path: Path) -> None:
    async with open_journal(tmp_path, new_id="one", limits=ROOMY, at_ms=1):
        with pytest.raises(JournalInUse):
            async with open_journal(tmp_path, new_id="two", limits=ROOMY, at_ms=1):
                pass


async def test_the_figures_can_be_read_while_the_journal_is_open(tmp_path: Path) -> None:
    async with open_journal(tmp_path, new_id="one", limits=ROOMY, at_ms=1) as journal:
        await journal.append([draft(5), draft(6)])
        assert await asyncio.to_thread(look_into, tmp_path / FILE_NAME) == await journal.status()


def test_the_floor_of_the_clock_follows_records_but_not_a_clock_that_was_just_set_forward(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    floors = []
    for at_ms, quality in ((100, "good"), (900, "stepped"), (50, "stepped"), (70, "unsynchronised")):
        journal.append([replace(draft(at_ms), time=TimeQuality(quality))])
        floors.append(journal.clock_ms)
    assert floors == [100, 100, 50, 70]
    journal.close()
    assert opened(tmp_path).clock_ms == 70


_APPENDER = """
import sys
from pathlib import Path
from tests.edge.test_journal import draft, opened
journal = opened(Path(sys.argv[1]))
number = journal.status().last
while True:
    offsets = journal.append([draft(number), draft(number + 1), draft(number + 2)])
    number += 3
    print(offsets[-1], flush=True)
"""


def test_every_append_that_returned_survives_kill_9(tmp_path: Path) -> None:
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", _APPENDER, tmp_path], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.wait()
        process.stdout.close()
        returned = int([line for line in "".join([*said, rest]).splitlines(keepends=True) if line.endswith("\n")][-1])
        journal = opened(tmp_path)
        entries = journal.read(after=0, limit=1_000_000)
        assert [one.offset for one in entries if isinstance(one, Record)] == list(range(1, len(entries) + 1))
        assert len(entries) >= returned
        assert len(entries) % 3 == 0, "a transaction is there as a whole or not at all"
        journal.close()


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 40)),
            st.tuples(st.just("lost"), st.integers(1, 5)),
            st.tuples(st.just("ack"), st.integers(0, 200)),
            st.tuples(st.just("reopen"), st.just(0)),
        ),
        max_size=25,
    )
)
def test_every_offset_is_a_record_or_in_a_gap(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    limits = Limits(max_records=100, max_bytes=100_000_000)
    journal = opened(folder, limits=limits)
    for kind, number in steps:
        match kind:
            case "append":
                journal.append([draft(one) for one in range(number)])
            case "lost":
                journal.append([draft()], lost=lost(number))
            case "ack":
                journal.acknowledge("journal-1", number)
            case _:
                journal.close()
                journal = opened(folder, limits=limits)
        status = journal.status()
        entries = journal.read(after=status.acknowledged, limit=10_000)
        assert covered(entries) == list(range(status.acknowledged + 1, status.last + 1))
        assert status.records == sum(isinstance(one, Record) for one in entries) <= 100
        (size,) = journal._db.execute("SELECT total(length(body) + 48) FROM records").fetchone()
        assert status.bytes == size
    journal.close()


def test_look_into_refuses_what_is_no_journal(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    file.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        look_into(file)

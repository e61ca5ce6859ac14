"""What a power cut and a failing disk leave: files that end in the middle, bytes that are not what was written."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.journal import FILE_NAME, open_journal
from edge.journal_file import JournalFile, Limits
from edge.losses import Reason
from edge.records import Gap, Record
from tests.edge.test_journal import ROOMY, covered, draft, opened

WAL = FILE_NAME + "-wal"

_WRITER = """
import os, sys
from pathlib import Path
from tests.edge.test_journal import draft, opened
folder = Path(sys.argv[1])
journal = opened(folder)
for number in range(int(sys.argv[2])):
    offsets = journal.append([draft(3 * number), draft(3 * number + 1), draft(3 * number + 2)])
    print(offsets[-1], (folder / "journal.sqlite-wal").stat().st_size, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int]]]:
    """A journal whose process was killed, and after each append (its last offset, the size of the WAL)."""
    folder = tmp_path_factory.mktemp("written")
    done = subprocess.run(
        [sys.executable, "-c", _WRITER, folder, "25"], check=False, capture_output=True, text=True, cwd=Path.cwd()
    )
    assert done.returncode == -9, done.stderr
    return folder, [(int(a), int(b)) for a, b in (line.split() for line in done.stdout.splitlines())]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_was_synced_before_the_tear_is_there_and_no_half_transaction_is(
    written: tuple[Path, list[tuple[int, int]]], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    source, appends = written
    folder = tmp_path_factory.mktemp("torn")
    for part in (FILE_NAME, WAL):
        shutil.copyfile(source / part, folder / part)
    wal = folder / WAL
    content = bytearray(wal.read_bytes())
    # All up to here is on the disk, because an append had returned; what comes after may be anything or nothing.
    synced = data.draw(st.sampled_from(appends))
    torn = content[: data.draw(st.integers(synced[1], len(content)))]
    for _ in range(data.draw(st.integers(0, 8))):
        if len(torn) > synced[1]:
            torn[data.draw(st.integers(synced[1], len(torn) - 1))] ^= data.draw(st.integers(1, 255))
    wal.write_bytes(torn + data.draw(st.binary(max_size=40)))
    journal = opened(folder, new_id="another")
    entries = journal.read(after=0, limit=1000)
    assert journal.journal_id == "journal-1"
    assert covered(entries) == list(range(1, len(entries) + 1))
    assert len(entries) >= synced[0]
    assert len(entries) % 3 == 0
    assert all(isinstance(one, Record) and one.readings[0].value == one.offset - 1 for one in entries)
    assert journal.append([draft(1)]) == (len(entries) + 1,)
    journal.close()


async def test_a_damaged_file_stands_aside_untouched_and_the_new_journal_names_it(tmp_path: Path) -> None:
    async with open_journal(tmp_path, new_id="first", limits=ROOMY, at_ms=1) as journal:
        await journal.append([draft(number) for number in range(3000)])
    file = tmp_path / FILE_NAME
    content = bytearray(file.read_bytes())
    assert not (tmp_path / WAL).exists()
    half = len(content) // 2 // 4096 * 4096
    content[half : half + 4096] = b"\xa5" * 4096
    file.write_bytes(content)
    async with open_journal(tmp_path, new_id="second", limits=ROOMY, at_ms=77) as journal:
        assert journal.journal_id == "second"
        assert json.loads(journal.former) == {"id": "first", "last": 3000, "reason": "damaged"}
    assert (tmp_path / f"{FILE_NAME}.damaged-77").read_bytes() == bytes(content)
    async with open_journal(tmp_path, new_id="third", limits=ROOMY, at_ms=78) as journal:
        assert journal.journal_id == "second"
        assert json.loads(journal.former)["id"] == "first"


def test_a_record_that_is_not_what_was_written_is_a_gap_and_its_neighbours_are_there(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append([draft(number) for number in range(5)])
    with sqlite3.connect(tmp_path / FILE_NAME) as db:  # the page is sound, its content is not
        db.execute("UPDATE records SET body = replace(CAST(body AS TEXT), '2.0', '9.0') WHERE offset = 3")
        db.execute("UPDATE records SET body = x'ff' WHERE offset = 4")
    db.close()
    first, second, third, fourth, fifth = journal.read(after=0, limit=10)
    assert [one.offset for one in (first, second, fifth) if isinstance(one, Record)] == [1, 2, 5]
    for one in (third, fourth):
        assert isinstance(one, Gap)
        assert one.loss is not None
        assert one.loss.reason is Reason.DAMAGED
    assert journal.acknowledge("journal-1", 5)


def test_a_journal_of_the_first_version_goes_on(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    with sqlite3.connect(file) as db:
        db.executescript("""
            CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE records (
                offset INTEGER PRIMARY KEY, device TEXT NOT NULL, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
            CREATE TABLE gaps (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
            INSERT INTO meta VALUES ('journal_id', 'old'), ('last', '9'), ('acknowledged', '2'), ('dropped', '4');
            INSERT INTO gaps VALUES (3, 6);
        """)
        body = b'{"r":[["pressure",4.0,192,5,""]]}'
        db.executemany("INSERT INTO records VALUES (?, 'pump-1', 5, ?)", [(o, body) for o in (7, 8, 9)])
    db.close()
    journal = JournalFile(file, new_id="new", limits=Limits(max_records=100, max_bytes=1_000_000))
    assert journal.journal_id == "old"
    assert covered(journal.read(after=2, limit=100)) == list(range(3, 10))
    assert journal.append([draft(1)]) == (10,)
    assert journal.status().dropped == 4
    journal.append([draft(number) for number in range(150)])
    assert journal.status().dropped == 4 + sum(journal.status().lost.values())
    assert covered(journal.read(after=2, limit=1000)) == list(range(3, 161))

"""`linli journal`: a running agent's journal, a dead one's, and a damaged one, as people and programs see them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edge.inspection.cli import app
from edge.journal import FILE_NAME
from edge.journal_file import JournalFile, Limits
from edge.losses import RecordClass
from edge.records import CommandResult, Draft
from tests.edge.test_journal import draft, lost
from wire.contract import Outcome

GOOD = Path(__file__).parent / "site.toml"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in words])


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalFile]:
    file = tmp_path / "data" / "edge-1" / FILE_NAME
    journal = JournalFile(file, new_id="abc", limits=Limits(max_records=10_000, max_bytes=10_000_000))
    result = CommandResult(command_id="x", outcome=Outcome.DONE, detail="shown")
    event = Draft(device="door-1", at_ms=7, kind=RecordClass.EVENT)
    journal.append([draft(1), draft(2), event, draft(3, result=result)], lost=lost(3))
    journal.acknowledge("abc", 2)
    yield journal
    journal.close()


def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "edge-1"


def test_the_status_of_an_open_journal_for_programs(tmp_path: Path, journal: JournalFile) -> None:
    said = json.loads(run("status", folder(tmp_path), "--json").output)
    assert said["oldest_age_s"] > 0
    del said["oldest_age_s"]
    assert said == {
        "file": str(folder(tmp_path) / FILE_NAME),
        "journal": "abc",
        "records": 4,
        "bytes": journal.status().bytes,
        "first": 3,
        "last": 7,
        "acknowledged": 2,
        "held": {"telemetry": 2, "event": 1, "command": 1},
        "oldest_ms": 1,
        "gaps": 1,
        "dropped": 3,
        "lost": {"telemetry": 3},
        "commands_without_outcome": 0,
        "integrity": "ok",
    }


def test_the_status_by_site_file_for_people(tmp_path: Path, journal: JournalFile) -> None:
    site = tmp_path / "site.toml"
    text = GOOD.read_text().replace('"profiles"', f'"{GOOD.parent}/profiles"')
    site.write_text(text.replace('"secrets/', f'"{GOOD.parent}/secrets/'))
    result = run("status", site, "--agent", "edge-1")
    assert result.exit_code == 0
    assert "journal: abc" in result.output.splitlines()
    assert any(line.startswith("held: 2 telemetry, 1 ") for line in result.output.splitlines())
    assert "there is no agent `edge-9`" in run("status", site, "--agent", "edge-9").output
    assert run("status", site).exit_code == 2
    assert journal.status().records == 4


def test_a_sound_journal_is_sound(tmp_path: Path, journal: JournalFile) -> None:
    journal.append([draft(number) for number in range(500)])
    result = run("check", folder(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["sound"] is True


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM records WHERE offset = 5", "offsets 5 to 5 are neither a record nor a gap"),
        ("UPDATE records SET at_ms = 9 WHERE offset = 5", "its checksum is wrong"),
        ("UPDATE gaps SET last = 4", "offset 4 is there twice"),
        ("DELETE FROM records WHERE offset = 7", "what is held ends with 6"),
        ("DELETE FROM meta WHERE key = 'last'", "not readable"),
    ],
)
def test_every_broken_promise_is_named(tmp_path: Path, journal: JournalFile, damage: str, said: str) -> None:
    journal._db.execute(damage)
    result = run("check", folder(tmp_path))
    assert result.exit_code == 1
    assert said in result.output


def test_a_dead_agents_journal_is_written_out_in_order(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom tests.edge.test_journal import draft, lost, opened\n"
        "journal = opened(Path(sys.argv[1]))\njournal.append([draft(1), draft(2)])\n"
        "journal.append([draft(3)], lost=lost(2))\nos.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False, cwd=Path.cwd())
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir() if not one.name.endswith("-shm")}
    target = tmp_path / "out.jsonl"
    result = run("export", tmp_path, "--to", target)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [one.get("offset") or one["gap"] for one in lines] == [1, 2, [3, 4], 5]
    assert lines[0]["readings"] == [{"point": "pressure", "value": 1.0, "quality": "GOOD", "at_ms": 1, "reason": ""}]
    assert lines[2]["loss"]["lost"] == {"telemetry": 2}
    target.unlink()
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir() if not one.name.endswith("-shm")} == before


def test_what_can_be_read_of_a_damaged_journal_is_written_out(tmp_path: Path, journal: JournalFile) -> None:
    journal.append([draft(number) for number in range(3000)])
    journal.close()
    file = folder(tmp_path) / FILE_NAME
    content = bytearray(file.read_bytes())
    half = len(content) // 2 // 4096 * 4096
    content[half : half + 4096] = os.urandom(4096)
    file.write_bytes(content)
    target = tmp_path / "out.jsonl"
    result = run("export", file, "--to", target)
    assert result.exit_code == 1
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    offsets = [one["offset"] for one in lines if "offset" in one]
    assert offsets == sorted(set(offsets))
    assert 2500 < len(offsets) < 3004
    assert any("unreadable" in one for one in lines)
    assert run("status", file).exit_code == 1
    assert "there already" in run("export", file, "--to", target).output


def test_a_place_without_a_journal_is_named(tmp_path: Path) -> None:
    result = run("status", tmp_path)
    assert result.exit_code == 1
    assert "there is no journal" in result.output

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.gate.ledger import GateLedger, LedgerError, Unfinished


def opening(number: int) -> Unfinished:
    return Unfinished(id=f"o{number}", gate="north", at_ms=number, said="{}")


def test_an_opening_is_unfinished_until_it_was_told(tmp_path: Path) -> None:
    with GateLedger(tmp_path / "gates.sqlite") as ledger:
        ledger.begin(opening(2))
        ledger.begin(opening(1))
        ledger.end("o2")
        assert ledger.unfinished("north") == (opening(1),)
        assert ledger.unfinished("south") == ()


def test_what_was_noted_outlives_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "gates.sqlite"
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from edge.gate.ledger import GateLedger, Unfinished\n"
        "ledger = GateLedger(Path(sys.argv[1]))\n"
        "ledger.begin(Unfinished(id='o1', gate='north', at_ms=1, said='{}'))\n"
        "ledger.enter('public', 'p1', 1)\n"
        "assert ledger.use_order('c1', 1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(file)], check=False)
    assert done.returncode == -signal.SIGKILL
    with GateLedger(file) as ledger:
        assert [one.id for one in ledger.unfinished("north")] == ["o1"]
        assert ledger.is_inside("public", "p1")
        assert not ledger.use_order("c1", 2)


def test_an_order_is_used_once_and_forgotten_after_a_day(tmp_path: Path) -> None:
    day = 24 * 3600 * 1000
    with GateLedger(tmp_path / "gates.sqlite") as ledger:
        assert ledger.use_order("c1", 0)
        assert not ledger.use_order("c1", day)
        assert ledger.use_order("c2", day + 1)
        assert ledger.use_order("c1", day + 1)


def test_who_went_in_is_inside_until_they_leave(tmp_path: Path) -> None:
    with GateLedger(tmp_path / "gates.sqlite") as ledger:
        ledger.enter("public", "p1", 1)
        ledger.enter("garage", "p1", 1)
        ledger.leave("public", "p1")
        assert not ledger.is_inside("public", "p1")
        assert ledger.is_inside("garage", "p1")
        assert ledger.forget_inside("garage") == 1
        assert not ledger.is_inside("garage", "p1")


def test_a_file_that_is_no_ledger_says_so(tmp_path: Path) -> None:
    file = tmp_path / "gates.sqlite"
    file.write_bytes(b"this is no database, however long it may be" * 100)
    with pytest.raises(LedgerError, match=r"gates\.sqlite"):
        GateLedger(file)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with GateLedger(tmp_path / "gates.sqlite") as ledger:
        ledger._db.execute("PRAGMA max_page_count = 1")  # what SQLite says of a disk that takes nothing more
        with pytest.raises(LedgerError, match="full"):
            ledger.begin(Unfinished(id="o1", gate="north", at_ms=1, said="x" * 100_000))
        assert ledger.unfinished("north") == ()

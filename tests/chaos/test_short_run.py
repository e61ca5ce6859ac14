"""A short run of everything; `linli bench chaos --option for=10m` is the long one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SEED, SECONDS = 144, 25


@pytest.mark.system
@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_whatever_dies(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = [f"seed={SEED}", f"for={SECONDS}", f"folder={tmp_path / 'run'}"]
    words = [word for option in options for word in ("--option", option)]
    done = subprocess.run(
        [sys.executable, "-m", "linli", "bench", "chaos", "--report", str(report), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), done.stderr
    found = json.loads(report.read_text(encoding="utf-8"))
    assert not any(found["misses"].values()), done.stderr
    assert done.returncode == 0, done.stderr
    ledger = found["ledger"]
    assert ledger["said"] > 200
    assert ledger["stored"] >= ledger["accepted"] > 200
    assert ledger["faults"] > 5
    assert found["commands"]["taken"] > 0
    assert len(found["schedule"]) > 5
    assert (tmp_path / "run" / "timeline.svg").read_text(encoding="utf-8").startswith("<svg")

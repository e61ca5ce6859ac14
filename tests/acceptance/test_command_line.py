"""The command line where a newcomer's machine or typing is not as expected: words, not tracebacks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def linli(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "linli", *words],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_without_chinese_characters_shows_help_all_the_same(encoding: str) -> None:
    result = linli("--help", PYTHONIOENCODING=encoding)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"Linli" in result.stdout


def test_a_report_that_cannot_be_written_is_refused_before_anything_starts(tmp_path: Path) -> None:
    report = tmp_path / "nowhere" / "report.json"
    result = linli("demo", "--headless", "--data", str(tmp_path / "demo"), "--report", str(report))
    assert result.returncode == 1
    assert b"there is no folder" in result.stderr
    assert not (tmp_path / "demo").exists()

"""A file is replaced whole, whatever refuses or ends in between."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.files import write_whole

FULL_AT = 1000
KILLED = """
import os, signal, sys
from pathlib import Path
from runtime.files import write_whole
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
write_whole(Path(sys.argv[1]), b"new")
"""
FULL = f"""
import resource, signal, sys
from pathlib import Path
from runtime.files import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({FULL_AT}, {FULL_AT}))
try:
    write_whole(Path(sys.argv[1]), bytes({2 * FULL_AT}))
except OSError as error:
    print("refused", error.errno)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    there = tmp_path / "settings"
    there.write_bytes(b"old")
    return there


def test_a_file_is_replaced_with_its_mode(file: Path) -> None:
    write_whole(file, b"new", mode=0o640)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o640)
    assert [one.name for one in file.parent.iterdir()] == ["settings"]


def test_a_file_that_was_not_there_is_its_owners_alone(tmp_path: Path) -> None:
    write_whole(tmp_path / "new", b"1")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_a_disk_that_refuses_leaves_the_old_file_and_nothing_beside_it(file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(file)], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("refused")
    assert file.read_bytes() == b"old"
    assert [one.name for one in file.parent.iterdir()] == ["settings"]


def test_a_process_that_ends_in_between_leaves_the_old_file(file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old"

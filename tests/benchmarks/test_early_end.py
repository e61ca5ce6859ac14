"""Benchmarks that are ended early leave nothing running, also where a part of one has started programs itself."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]


def marked(mark: str) -> dict[int, str]:
    """Give all processes that have inherited a variable of the environment: their numbers and commands."""
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\x00", " ")
    return found


@pytest.mark.parametrize(
    ("tell", "number", "status"),
    [(os.kill, signal.SIGTERM, 143), (os.killpg, signal.SIGINT, 130)],
    ids=["told-alone", "ctrl-c-in-a-terminal"],
)
def test_the_servers_of_a_part_end_with_the_benchmark(
    tell: Callable[[int, int], None], number: signal.Signals, status: int
) -> None:
    mark = f"LINLI_TEST_MARK={uuid.uuid4()}"
    name, _, value = mark.partition("=")
    command = [sys.executable, "-m", "linli", "bench", "bus", "--only", "dead"]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, name: value}, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until = time.monotonic() + 60
        while sum("bus_parts.server " in one for one in marked(mark).values()) < 3:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        tell(process.pid, number)
        assert process.wait(60) == status
        assert marked(mark) == {}
    finally:
        for pid in marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

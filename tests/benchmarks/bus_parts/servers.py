"""Starting the servers of `server.py`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def start(*options: object) -> tuple[subprocess.Popen[str], str]:
    """Start a server; gives its process, and its port or line once it serves."""
    command = [sys.executable, "-m", "tests.benchmarks.bus_parts.server", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    place = process.stdout.readline().strip()
    if not place:
        raise OSError("a server of the benchmark did not start")
    return process, place


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def serving(*options: object) -> Iterator[str]:
    """Run a server for the time of the context; gives its port or line."""
    process, place = start(*options)
    try:
        yield place
    finally:
        end(process)

"""Starting the servers of `server.py`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving(*options: object) -> Iterator[str]:
    """Run a server for the time of the context; gives its port or line once it serves."""
    command = [sys.executable, "-m", "tests.benchmarks.bus_parts.server", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            place = process.stdout.readline().strip()
            if not place:
                raise OSError("a server of the benchmark did not start")
            yield place
        finally:
            process.kill()
            process.wait()

"""Programs that a benchmark starts: none outlives the context that it was started for."""

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def started(
    command: Sequence[str], *, cores: Iterable[int] | None = None, patience_s: float = 20.0, **options: Any
) -> Iterator["subprocess.Popen[Any]"]:
    """Run a program, on some `cores`, for the time of the context; then ask it to end, and kill it when it does not.

    `options` are Popen's. It has a session of its own, so that Ctrl-C comes from here and only once: it is not
    interrupted again while it ends what it has started itself.
    """
    with subprocess.Popen(command, start_new_session=True, **options) as process:
        try:
            if cores is not None:
                os.sched_setaffinity(process.pid, cores)  # before it has threads
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.communicate(timeout=patience_s)  # one whose pipe is full and is not read would not end
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

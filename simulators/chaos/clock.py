"""A wall clock that can be stepped for one process, and the start of a process under it.

`python -m simulators.chaos.clock FILE WORDS…` runs `linli WORDS…` with the offset that FILE holds (a double, seconds)
added to `time.time` and `time.time_ns`. Monotonic clocks go on as they do, which is what a step of a real clock looks
like to a process. The file is mapped, so that a step shows at once.
"""

import mmap
import struct
import sys
import time
from pathlib import Path

_OFFSET = struct.Struct("<d")
_NS = 1_000_000_000


def step_clock(file: Path, seconds: float) -> None:
    """Let the clock of whoever runs under this file be wrong by so many seconds from now on."""
    with file.open("r+b" if file.exists() else "w+b") as target:
        target.write(_OFFSET.pack(seconds))


def run_under(file: Path) -> None:
    """Let this process's wall clock follow the file; before anything else is imported that reads it."""
    with file.open("rb") as source:
        mapped = mmap.mmap(source.fileno(), _OFFSET.size, prot=mmap.PROT_READ)
    true_time, true_time_ns = time.time, time.time_ns

    def offset() -> float:
        return float(_OFFSET.unpack_from(mapped)[0])

    time.time = lambda: true_time() + offset()
    time.time_ns = lambda: true_time_ns() + int(offset() * _NS)


def main() -> None:
    """Run `linli` under a clock."""
    file, words = sys.argv[1], sys.argv[2:]
    run_under(Path(file))
    from linli import main as linli  # noqa: PLC0415 - only now: what it imports takes the clock as it is then

    sys.argv = ["linli", *words]
    linli()


if __name__ == "__main__":
    main()

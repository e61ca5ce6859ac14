import subprocess
import sys
import time
from pathlib import Path

from simulators.chaos.clock import step_clock

WATCH = """
import sys, time
from pathlib import Path
from simulators.chaos.clock import run_under
run_under(Path(sys.argv[1]))
from cloud.platform.clock import system_clock
from edge.app import now_ms
for _ in sys.stdin:
    print(time.time(), system_clock(), now_ms(), time.monotonic(), flush=True)
"""


def test_a_step_shows_at_once_in_the_clocks_of_the_product_and_not_in_monotonic_time(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    step_clock(file, 0.0)
    with subprocess.Popen(
        [sys.executable, "-c", WATCH, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for seconds in (0.0, 900.0, -90.0):
            step_clock(file, seconds)
            process.stdin.write("\n")
            process.stdin.flush()
            wall, cloud_ms, edge_ms, monotonic = (float(word) for word in process.stdout.readline().split())
            for shown in (wall, cloud_ms / 1000, edge_ms / 1000):
                assert abs(shown - time.time() - seconds) < 10
            assert abs(monotonic - time.monotonic()) < 10
        process.stdin.close()

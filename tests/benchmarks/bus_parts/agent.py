"""The real agent (`linli edge run`) with one Modbus bus of ten units, on one core, watched from outside.

Usage: `agent.py POLL SECONDS`. Its broker does not exist: what is measured ends in the journal. Prints JSON.
"""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from runtime.bench import leaving_nothing
from tests.benchmarks.bus_parts.points import POINTS, document
from tests.benchmarks.bus_parts.servers import serving
from tests.support.programs import started

_UNITS = 10
_WARM_UP_S = 3.0
_READS_WITHIN_S = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def write_site(folder: Path, *, port: int, poll: str, http: int, broker: int | None = None) -> Path:
    """Write the site; without the port of a `broker` it names one that does not exist."""
    profiles = folder / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "bench-floats.toml").write_text(_toml(document(POINTS, poll=poll)), encoding="utf-8")
    lines = [
        "schema = 1",
        "[site]",
        'community = "bench"',
        'time_zone = "UTC"',
        'profiles = "profiles"',
        "[broker]",
        'host = "127.0.0.1"',
        f"port = {broker or free_port()}",
        "[agents.edge-1]",
        'data = "data"',
        f'http = {{ host = "127.0.0.1", port = {http} }}',
    ]
    lines += ["[agents.edge-1.buses.b]", 'protocol = "modbus-tcp"', 'host = "127.0.0.1"', f"port = {port}"]
    for unit in range(1, _UNITS + 1):
        lines += [
            f"[agents.edge-1.devices.d{unit}]",
            'profile = "bench-floats"',
            'bus = "b"',
            f"unit = {unit}",
            'label = { zh = "点", en = "points" }',
            'place = "bench"',
        ]
    site = folder / "site.toml"
    site.write_text("\n".join(lines), encoding="utf-8")
    return site


def _toml(value: dict[str, object]) -> str:
    """Write a profile: inline tables of JSON-like values are TOML but for the colons."""
    lines = [f"{key} = {_inline(one)}" for key, one in value.items() if key != "points"]
    points = value["points"]
    assert isinstance(points, dict)
    for name, point in points.items():
        lines += [f"[points.{name}]", *(f"{key} = {_inline(one)}" for key, one in point.items())]
    return "\n".join(lines) + "\n"


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The agent at one moment: what it journalled and polled since its start, its processor time, its memory."""

    at: float
    readings: float
    made: float
    polls: float
    cpu_s: float
    rss_mb: float

    def rate(self, before: "Sample", figure: str) -> float:
        return float((getattr(self, figure) - getattr(before, figure)) / (self.at - before.at))


class Agent:
    def __init__(self, process: subprocess.Popen[bytes], http: int) -> None:
        self._process = process
        self._http = http

    def until_it_reads(self) -> None:
        """Wait until it has journalled something; OSError when it ends or takes too long."""
        deadline = time.monotonic() + _READS_WITHIN_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):
                if self.sample().readings > 0:
                    return
            time.sleep(0.2)
        raise OSError("the agent of the benchmark does not read")

    def sample(self) -> Sample:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._http}/metrics", timeout=10) as page:
            text = page.read().decode()
        at = time.monotonic()
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        resident = re.search(r"VmRSS:\s+(\d+)", status)
        assert resident is not None
        return Sample(
            at=at,
            readings=_sum(text, "linli_edge_readings_journalled_total"),
            made=_sum(text, "linli_edge_readings_made_total"),
            polls=_sum(text, r'linli_edge_bus_polls_total\{[^}]*result="ok"[^}]*\}'),
            cpu_s=(int(stat[11]) + int(stat[12])) / _TICKS,
            rss_mb=int(resident[1]) * 1024 / 1e6,
        )


def _sum(text: str, pattern: str) -> float:
    return sum(float(number) for number in re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE))


@contextmanager
def running_agent(site: Path, *, http: int, cores: set[int]) -> Iterator[Agent]:
    """Run the agent on the given cores until the end of the context; it is not waited for."""
    command = [sys.executable, "-m", "linli", "edge", "run", str(site), "--agent", "edge-1", "--log-level", "error"]
    with started(command, cores=cores, stdout=subprocess.DEVNULL) as process:
        yield Agent(process, http)


def gaps_s(journal: Path) -> list[float]:
    """Give the seconds between the records of each device, as its journal has them."""
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT device, at_ms FROM records ORDER BY device, offset").fetchall()
    database.close()
    return [(b[1] - a[1]) / 1000 for a, b in pairwise(rows) if a[0] == b[0]]


def measure(poll: str, seconds: float) -> dict[str, float]:
    with serving() as port, tempfile.TemporaryDirectory() as name:
        folder, http = Path(name), free_port()
        site = write_site(folder, port=int(port), poll=poll, http=http)
        with running_agent(site, http=http, cores={max(os.sched_getaffinity(0))}) as agent:
            agent.until_it_reads()
            time.sleep(_WARM_UP_S)
            first = agent.sample()
            time.sleep(seconds)
            last = agent.sample()
        gaps = sorted(gaps_s(folder / "data" / "journal.sqlite"))
    return {
        "journalled_per_s": last.rate(first, "readings"),
        "polls_per_s": last.rate(first, "polls"),
        "core_share": last.rate(first, "cpu_s"),
        "rss_mb": last.rss_mb,
        "gap_p50_s": gaps[len(gaps) // 2],
        "gap_p99_s": gaps[int(len(gaps) * 0.99)],
        "gap_max_s": gaps[-1],
    }


if __name__ == "__main__":
    with leaving_nothing():
        print(json.dumps(measure(sys.argv[1], float(sys.argv[2]))))

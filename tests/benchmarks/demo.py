"""The headless demonstration for 60 s: what was lost, and how long news takes from a register to the store."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from runtime.bench import Bench, CannotRun, Result
from tests.support.programs import started

_ENDS_WITHIN_S = 120.0  # it gives each of a dozen programs ten seconds
OPTIONS = {"for": "how many seconds it lasts; 60 without it"}


def measure(bench: Bench) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [
            sys.executable,
            "-m",
            "linli",
            "demo",
            "--headless",
            "--no-gate",
            "--data",
            f"{folder}/demo",
            "--report",
            str(file),
        ]
        command += ["--for", bench.options.get("for", "60")]
        with started(command, patience_s=_ENDS_WITHIN_S, stdout=subprocess.DEVNULL) as demo:
            demo.wait()
        if not file.exists():
            raise CannotRun("the demonstration did not come up; what it said stands above")
        report = json.loads(file.read_text(encoding="utf-8"))
    readings, latency = report["readings"], report["latency_ms"]
    for name in ("made", "held_back", "journalled", "committed"):
        bench.add(Result(name=f"readings_{name}", value=readings[name], unit="readings"))
    for name in ("lost", "duplicated"):
        bench.add(
            Result(name=f"readings_{name}", value=readings[name], unit="readings", goal="0", met=readings[name] == 0)
        )
    changes = latency["changes"]
    bench.add(Result(name="changes_measured", value=changes, unit="changes", goal=">= 1000", met=changes >= 1000))
    if changes:
        bench.add(Result(name="register_to_store_p50", value=latency["p50"], unit="ms"))
        p99 = latency["p99"]
        bench.add(Result(name="register_to_store_p99", value=p99, unit="ms", goal="<= 2000", met=p99 <= 2000))
    for device, took in report["fault_to_order_ms"].items():
        bench.add(Result(name=f"fault_to_order_{device}", value=took["from_registers"], unit="ms"))
        bench.add(Result(name=f"of_which_on_delay_{device}", value=took["on_delay"], unit="ms"))
    missed = sum(not one["seen"] for one in report["expected"])
    bench.add(Result(name="expectations_missed", value=missed, unit="", goal="0", met=missed == 0))

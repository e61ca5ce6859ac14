"""The demonstration itself: the whole product, every process real, judged by the devices' own log."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.videos import write_video

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]


AT_THE_GATE = {
    "gate: resident let in by face",
    "gate: stranger refused",
    "gate: fever passed to staff",
    "gate: printed photo refused",
    "gate: resident let in by card",
    "gate: card that nobody has refused",
    "gate: visitor let in by a signed pass",
    "gate: the call of staff became a work order for the guard",
    "gate: the guard accepted it",
}


def linli(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "linli", *words], capture_output=True, text=True, check=False, timeout=500, **options
    )


def headless(data: Path, report: Path, seconds: int, *more: str) -> dict[str, Any]:
    result = linli("demo", "--headless", "--for", str(seconds), "--data", str(data), "--report", str(report), *more)
    assert report.exists(), result.stderr
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    missed = [one["what"] for one in found["expected"] if not one["seen"]]
    assert missed == [], f"{missed}\n{json.dumps(found['details'], indent=1)}\n{result.stderr}"
    assert result.returncode == 0, result.stderr
    return found


def test_headless_demo_sees_everything_it_expects_and_goes_on_with_its_data(tmp_path: Path) -> None:
    report = headless(tmp_path / "demo", tmp_path / "first.json", 60)
    readings = report["readings"]
    assert readings["made"] > 3000
    assert readings["journalled"] == readings["committed"]
    good = readings["committed"] - readings["committed_not_good"]
    assert readings["made"] == readings["held_back"] + good + readings["in_doubt"]
    assert (readings["lost"], readings["duplicated"]) == (0, 0)
    assert report["orders"] == {"verified": 2}
    assert report["commands"] == {"sent": 1, "confirmed": 1, "failed": 0}
    assert report["latency_ms"]["changes"] >= 1000
    assert set(report["fault_to_order_ms"]) == {"pump-1", "lift-1"}
    assert all(one["on_delay"] == 2000 for one in report["fault_to_order_ms"].values())

    assert {one["what"] for one in report["expected"]} >= AT_THE_GATE
    gate = report["gate"]
    assert gate["decisions"] == gate["opened"] + gate["refused"] + gate["staff"]
    assert gate["opened"] >= 3
    assert gate["refused"] >= 3
    assert gate["staff"] >= 1
    assert gate["p50_ms"] > 0

    notices = [json.loads(line) for line in (tmp_path / "demo" / "notices.jsonl").read_text().splitlines()]
    assert any("WO-" in json.dumps(notice, ensure_ascii=False) for notice in notices)

    password = (tmp_path / "demo" / "secrets" / "demo.password").read_text()
    second = headless(tmp_path / "demo", tmp_path / "second.json", 40)
    assert second["orders"] == {"verified": 2}
    assert {one["what"] for one in second["expected"]} >= AT_THE_GATE
    assert (tmp_path / "demo" / "secrets" / "demo.password").read_text() == password
    logs = "".join(file.read_text(errors="replace") for file in (tmp_path / "demo" / "logs").glob("*.log"))
    assert password not in logs
    assert not any(secret in logs for secret in ("LINLI1:", "0008000031", "李明"))
    assert "Traceback" not in logs


def test_a_real_camera_takes_the_place_of_the_simulated_ones(tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.avi")
    report = headless(tmp_path / "demo", tmp_path / "report.json", 30, "--camera", str(video))
    gate = {one["what"] for one in report["expected"] if one["what"].startswith("gate: ")}
    others = ("resident let in by card", "visitor let in by a signed pass", "opened from afar by a signed order")
    assert {f"gate: {one}" for one in others} <= gate
    assert "gate: resident let in by face" not in gate
    assert report["gate"]["opened"] == len(others)
    site = (tmp_path / "demo" / "gate.toml").read_text()
    assert "thermal-1" not in site
    assert "Traceback" not in (tmp_path / "demo" / "logs" / "edge-gate.log").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--camera", "nowhere.avi"), "no video file nowhere.avi"), (("--camera", "0", "--no-gate"), "leaves out")],
)
def test_a_camera_that_cannot_be_is_said_to_before_anything_starts(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    result = linli("demo", "--data", str(tmp_path / "demo"), *words)
    assert result.returncode == 1
    assert said in result.stderr
    assert not (tmp_path / "demo").exists()


def test_the_gate_can_be_left_out(tmp_path: Path) -> None:
    report = headless(tmp_path / "demo", tmp_path / "report.json", 30, "--no-gate")
    assert "gate" not in report
    assert not (tmp_path / "demo" / "gate.toml").exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(stat.parent.name)
            found |= {child} | descendants(child)
    return found


def test_the_demo_with_a_browser_says_where_to_look_and_ends_cleanly_at_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    output = tmp_path / "output"
    with output.open("w") as target:
        process = subprocess.Popen(
            [sys.executable, "-m", "linli", "demo", "--data", str(tmp_path / "demo"), "--port", str(port)],
            stdout=target,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        deadline = time.monotonic() + 300
        while "Ctrl-C ends everything" not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)
        text = output.read_text()
        assert f"http://127.0.0.1:{port}" in text
        assert (tmp_path / "demo" / "secrets" / "demo.password").read_text() in text
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"
        kiosk = re.search(r"Its page +http://127\.0\.0\.1:(\d+)/", text)
        assert kiosk is not None
        with urllib.request.urlopen(f"http://127.0.0.1:{kiosk[1]}/", timeout=60) as answer:
            assert b"<html" in answer.read().lower()
        children = descendants(process.pid)
        assert len(children) >= 7
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()
    assert {pid for pid in children if Path(f"/proc/{pid}").exists()} == set()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
    assert "Traceback" not in output.read_text()

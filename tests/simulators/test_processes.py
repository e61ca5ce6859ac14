"""Whole processes: the command line, lines that start, answer, take faults, stop, and start again."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from simulators.control import running, tell
from simulators.witness import read_answers, read_changes, witness_files

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
SCENE = """
schema = 1
time_scale = 60

[[lines]]
name = "pump-line"
protocol = "tcp"
port = 0
devices = [
    { name = "pump-1", profile = "grundfos-hydro-mpc", unit = 1 },
    { name = "pump-2", profile = "grundfos-hydro-mpc", unit = 2 },
]

[[lines]]
name = "lift-line"
protocol = "rtu"
link = "lift-line"
devices = [{ name = "lift-1", profile = "nice3000-elevator", unit = 1 }]

[[steps]]
at = "200ms"
do = "fault"
device = "pump-2"
fault = "dry-run"

[[steps]]
at = "400ms"
do = "fault"
device = "lift-1"
fault = "trapped"

[[steps]]
at = "600ms"
do = "clear"
device = "pump-2"
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "simulators", *arguments]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env=plain()
    )


def plain() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}


@contextmanager
def scene_running(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    scene, data = folder / "scene.toml", folder / "data"
    scene.write_text(SCENE)
    with (folder / "run.log").open("ab") as log:
        process = subprocess.Popen(
            command("run", str(scene), "--data", str(data)), cwd=ROOT, stdout=log, stderr=log, env=plain()
        )
    try:
        wait_for(lambda: len(running(data)) == 2, folder / "run.log")
        yield process, data
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def wait_for(condition: Any, log: Path, within_s: float = 40) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def state(data: Path, line: str) -> dict[str, Any]:
    return next(state for state in running(data) if state["line"] == line)


async def read_pump(endpoint: str) -> tuple[int, ...]:
    host, _, port = endpoint.partition(":")
    client = AsyncModbusTcpClient(host, port=int(port), timeout=3, retries=0)
    assert await client.connect()
    try:
        reply = await client.read_input_registers(314, count=1, device_id=1)
        assert not reply.isError()
        return tuple(reply.registers)
    finally:
        client.close()


def test_a_scene_runs_takes_commands_stops_and_runs_again(tmp_path: Path) -> None:
    with scene_running(tmp_path) as (process, data):
        words = asyncio.run(read_pump(state(data, "pump-line")["endpoint"]))
        assert [answer.words for answer in read_answers(witness_files(data, "pump-1")[0])] == [words]
        assert (data / "lift-line").is_symlink()
        # The steps of the scene.
        wait_for(lambda: state(data, "lift-line")["devices"]["lift-1"]["active"] == ["trapped"], tmp_path / "run.log")
        wait_for(lambda: state(data, "pump-line")["devices"]["pump-2"]["active"] == [], tmp_path / "run.log")
        # The commands of a person.
        done = call("fault", "pump-1", "dry-run", "--data", str(data))
        assert (done.returncode, done.stdout) == (0, "pump-1: dry-run\n")
        assert tell(data, "pump-1", "values")["active"] == ["dry-run"]
        assert "dry-run" in call("status", "--data", str(data)).stdout
        assert re.search(r"setpoint +48\.82", call("status", "pump-1", "--data", str(data)).stdout)
        assert call("clear", "pump-1", "--data", str(data)).stdout == "pump-1: no fault\n"
        unknown = call("fault", "pump-1", "dryrun", "--data", str(data))
        assert unknown.returncode == 1
        assert "there are: dry-run" in unknown.stderr
        # A second one on the same folder is refused, and does no harm.
        second = call("process", str(tmp_path / "scene.toml"), "lift-line", "--data", str(data))
        assert second.returncode == 1
        assert "already runs" in second.stderr
        assert len(running(data)) == 2
        assert (data / "lift-line").exists()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert list(data.glob("*.sock")) == []
    assert not (data / "lift-line").is_symlink()
    assert "Traceback" not in (tmp_path / "run.log").read_text()
    for log in (data / "logs").iterdir():
        assert "Traceback" not in log.read_text()
        assert "stopped" in log.read_text()
    with scene_running(tmp_path) as (_, data):
        asyncio.run(read_pump(state(data, "pump-line")["endpoint"]))
    assert len(list(read_answers(witness_files(data, "pump-1")[0]))) == 2


def test_a_killed_line_ends_the_scene_and_a_new_start_takes_its_socket_over(tmp_path: Path) -> None:
    with scene_running(tmp_path) as (process, data):
        pid = int(re.findall(r"child=simulator-lift-line pid=(\d+)", (tmp_path / "run.log").read_text())[0])
        os.kill(pid, signal.SIGKILL)
        assert process.wait(timeout=30) == 1
        assert "simulator-lift-line ended with status" in (tmp_path / "run.log").read_text()
        assert (data / "lift-line.sock").exists()
    with scene_running(tmp_path):
        pass
    assert not (data / "lift-line.sock").exists()
    for device in ("pump-1", "pump-2", "lift-1"):
        starts = [change for change in read_changes(witness_files(data, device)[1]) if change.start]
        assert len(starts) == 2 * len({change.point for change in starts})


def test_clear_errors_when_nothing_runs(tmp_path: Path) -> None:
    for arguments in (("status",), ("fault", "pump-1", "dry-run"), ("clear", "pump-1")):
        done = call(*arguments, "--data", str(tmp_path))
        assert done.returncode == 1
        assert "start one with" in done.stderr


def test_the_list_names_scenes_and_faults() -> None:
    done = call("list")
    assert done.returncode == 0
    assert "community" in done.stdout
    assert re.search(r"nice3000-elevator +trapped", done.stdout)


def test_a_bad_scene_is_refused_with_its_reason(tmp_path: Path) -> None:
    done = call("run", str(ROOT / "tests/simulators/bad/bad.step-fault.toml"), "--data", str(tmp_path))
    assert done.returncode == 1
    assert "did you mean `dry-run`?" in done.stderr


def test_a_taken_port_ends_the_scene_with_the_line_s_own_words(tmp_path: Path) -> None:
    import socket  # noqa: PLC0415 - only here

    with socket.create_server(("127.0.0.1", 0)) as taken:
        scene = tmp_path / "scene.toml"
        scene.write_text(SCENE.replace("port = 0", f"port = {taken.getsockname()[1]}"))
        done = call("run", str(scene), "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "change the scene's `port`" in done.stderr
    assert "Traceback" not in done.stderr

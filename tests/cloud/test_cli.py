"""The command line as people use it: real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.broker import free_port

ROOT = Path(__file__).parents[2]
PROVISION = """
schema = 1
[[companies]]
name = "Sunshine"
[[companies.projects]]
name = "North"
[[companies.projects.communities]]
code = "garden"
label = { zh = "花园", en = "Garden" }
time_zone = "Asia/Shanghai"
[[accounts]]
login = "wang"
name = "Wang"
roles = [{ role = "engineer", scope = "community", of = "garden" }]
"""


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", "from cloud.cli import app; app()", *map(str, arguments)]


def _run(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments), cwd=ROOT, input=given, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "cloud.toml"
    file.write_text(f'schema = 1\n[broker]\npassword_file = "pw"\n[web]\nport = {free_port()}\n')
    return file


def test_from_nothing_to_accounts(config: Path, tmp_path: Path) -> None:
    plan = tmp_path / "provision.toml"
    plan.write_text(PROVISION)
    assert "run `linli cloud migrate" in _run("provision", plan, "--config", config).stderr
    assert "now at revision" in _run("migrate", "--config", config).stdout
    assert "already at revision" in _run("migrate", "--config", config).stdout
    assert "password of wang: " in _run("provision", plan, "--config", config).stdout
    assert "password of" not in _run("provision", plan, "--config", config).stdout

    add = ("account", "add", "boss", "--config", config, "--role", "admin", "--scope", "company", "--of", "Sunshine")
    assert _run(*add, given="short\n").returncode == 1
    assert _run(*add, given="correct horse\n").returncode == 0
    taken = _run(*add, given="correct horse\n")
    assert (taken.returncode, "is taken" in taken.stderr) == (1, True)
    changed = _run("account", "password", "wang", "--config", config, "--generate")
    assert changed.stdout.splitlines()[-1].startswith("password of wang: ")
    assert "no account `nobody`" in _run("account", "password", "nobody", "--config", config, "--generate").stderr
    listed = _run("account", "list", "--config", config).stdout
    assert "boss\tboss\tactive\tadmin of company 1" in listed


def test_a_password_is_never_an_argument(config: Path) -> None:
    for command in (("account", "add"), ("account", "password")):
        assert "--password" not in _run(*command, "--help").stdout
    unknown = _run("account", "password", "wang", "--config", config, "--password", "x")
    assert "No such option" in unknown.stderr


def test_check_config_says_what_is_wrong(config: Path) -> None:
    good = _run("check-config", config)
    assert (good.returncode, "good" in good.stdout) == (0, True)
    config.write_text("schema = 1\n")
    bad = _run("check-config", config)
    assert (bad.returncode, bad.stderr) == (1, f"{config}: broker: missing (add `broker`)\n")


@pytest.mark.parametrize("process", ["web", "ingest", "worker"])
def test_a_process_refuses_to_start_without_its_database(config: Path, process: str) -> None:
    result = _run(process, "--config", config)
    assert result.returncode == 1
    assert f"{process} cannot run: the database has not been set up" in result.stderr


@pytest.mark.system
def test_the_web_process_serves_and_stops_cleanly(config: Path) -> None:
    port = int(config.read_text().rsplit("port = ", 1)[1])
    assert _run("migrate", "--config", config).returncode == 0
    with subprocess.Popen(_command("web", "--config", config), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                        assert answer.status == 200
                    break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            second = _run("web", "--config", config)
            assert (second.returncode, "in use" in second.stderr) == (1, True)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/login", timeout=10) as answer:
                assert "<form" in answer.read().decode()
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            if process.poll() is None:
                process.kill()
        errors = process.stderr.read() if process.stderr else ""
    assert "Traceback" not in errors
    assert "stopping" in errors


@pytest.mark.system
def test_the_broker_command_becomes_mosquitto(tmp_path: Path) -> None:
    port = free_port()
    command = _command("broker", "--folder", tmp_path / "b", "--port", str(port), "--node", "a=garden/edge-1")
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            assert b"mosquitto" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
            assert (tmp_path / "b" / "secrets" / "a.password").exists()
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.wait(10)


def test_a_broker_node_that_is_misspelt_is_explained(tmp_path: Path) -> None:
    result = _run("broker", "--folder", tmp_path, "--node", "edge-1")
    assert result.returncode == 2
    assert "cannot be" in result.stderr

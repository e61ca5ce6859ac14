"""Logs, health, probe, back-off, children: the parts that every process is made of."""

import asyncio
import json
import logging
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from runtime.children import ChildFailed, Children
from runtime.health import Beat, Check, Health, Status
from runtime.lifecycle import Backoff, until_stopped
from runtime.logs import redact
from runtime.messages import Language, load_messages
from runtime.probe import probe_server


def test_secrets_never_reach_a_log_line() -> None:
    event = redact(None, "info", {"event": "login", "password": "a", "nested": {"api_token": "b", "user": "c"}})
    assert event == {"event": "login", "password": "[redacted]", "nested": {"api_token": "[redacted]", "user": "c"}}


def test_health_is_as_bad_as_its_worst_check() -> None:
    health = Health(process="edge", version="1")
    assert health.report()["status"] == "ok"
    health.add("a", lambda: Check(status=Status.OK))
    health.add("b", lambda: Check(status=Status.DEGRADED, detail="slow"))
    assert health.report()["status"] == "degraded"
    health.add("c", lambda: Check(status=Status.DOWN, detail="gone"))
    assert health.report()["status"] == "down"


def test_a_silent_loop_is_down() -> None:
    now = 100.0
    beat = Beat(clock=lambda: now, silence_s=5)
    assert beat().status is Status.OK
    now = 106.0
    assert beat().status is Status.DOWN
    beat.turn()
    assert beat().status is Status.OK


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - a fixed local address
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_probe_serves_health_and_metrics() -> None:
    registry = CollectorRegistry()
    Counter("linli_things", "Things.", registry=registry).inc(3)
    health = Health(process="edge", version="1")
    down = False
    health.add("bus", lambda: Check(status=Status.DOWN if down else Status.OK))
    with probe_server(host="127.0.0.1", port=0, health=health, registry=registry) as port:
        status, body = fetch(f"http://127.0.0.1:{port}/health")
        assert (status, json.loads(body)["status"]) == (200, "ok")
        down = True
        assert fetch(f"http://127.0.0.1:{port}/health")[0] == 503
        assert b"linli_things_total 3.0" in fetch(f"http://127.0.0.1:{port}/metrics")[1]
        assert fetch(f"http://127.0.0.1:{port}/else")[0] == 404


def test_backoff_grows_to_its_limit_and_starts_again_after_success() -> None:
    backoff = Backoff(random=lambda: 0.5, first=timedelta(seconds=1), limit=timedelta(seconds=8))
    assert [backoff.next_pause().total_seconds() for _ in range(5)] == [1, 2, 4, 8, 8]
    backoff.reset()
    assert backoff.next_pause() == timedelta(seconds=1)


def test_backoff_is_spread() -> None:
    low = Backoff(random=lambda: 0.0, first=timedelta(seconds=10)).next_pause()
    high = Backoff(random=lambda: 1.0, first=timedelta(seconds=10)).next_pause()
    assert (low.total_seconds(), high.total_seconds()) == (8, 12)


async def eventually(condition: Callable[[], bool], *, within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.02)


def ended(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().split()[2] == "Z"


async def test_work_is_cancelled_and_cleaned_up_when_asked_to_stop() -> None:
    stop = asyncio.Event()
    cleaned = False

    async def work() -> None:
        nonlocal cleaned
        try:
            await asyncio.sleep(60)
        finally:
            cleaned = True

    asyncio.get_running_loop().call_later(0.05, stop.set)
    await until_stopped(stop, work(), name="work")
    assert cleaned


async def test_a_failure_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await until_stopped(asyncio.Event(), work(), name="work")


async def test_children_are_stopped_in_order_and_their_output_is_kept(tmp_path: Path) -> None:
    script = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (print('bye'), sys.exit(0)))\n"
        "print('hi', flush=True)\n"
        "time.sleep(60)"
    )
    async with Children(logs=tmp_path) as children:
        child = await children.start("talker", [sys.executable, "-c", script])
        await eventually(lambda: "hi" in child.log.read_text())
        children.check()
    assert child.process.returncode == 0
    assert child.log.read_text().split() == ["hi", "bye"]


async def test_a_child_that_ends_by_itself_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    async with Children(logs=tmp_path) as children:
        await children.start("short", [sys.executable, "-c", "print('no such port'); raise SystemExit(7)"])
        with pytest.raises(ChildFailed, match=r"(?s)short ended with status 7.*no such port"):
            await asyncio.wait_for(children.watch(), 20)


async def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    script = "import signal,time\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"
    async with Children(logs=tmp_path, patience=timedelta(milliseconds=200)) as children:
        child = await children.start("deaf", [sys.executable, "-c", script])
        await eventually(lambda: "up" in child.log.read_text())
    assert child.process.returncode == -signal.SIGKILL


async def test_a_killed_child_is_not_missed_and_can_be_started_again(tmp_path: Path) -> None:
    script = "import os, time\nprint(os.environ['WORD'], flush=True)\ntime.sleep(60)"
    async with Children(logs=tmp_path) as children:
        first = await children.start("crasher", [sys.executable, "-c", script], environment={"WORD": "up"})
        await eventually(lambda: "up" in first.log.read_text())
        await children.kill(first)
        assert first.process.returncode == -signal.SIGKILL
        children.check()
        with pytest.raises(KeyError):
            children.named("crasher")
        second = await children.start_again(first)
        assert children.named("crasher") is second
        await eventually(lambda: second.log.read_text().count("up") == 2)


async def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom runtime.children import Children\n"
        "async def main():\n"
        "    async with Children(logs=Path(sys.argv[1])) as children:\n"
        "        child = await children.start('sleeper', ['sleep', '60'])\n"
        "        print(child.process.pid, file=sys.stderr, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert supervisor.stderr is not None
    pid = int(await supervisor.stderr.readline())
    await asyncio.sleep(0.5)  # the guard becomes the command
    supervisor.kill()
    await supervisor.wait()
    try:
        await eventually(lambda: ended(pid))
    finally:
        if not ended(pid):
            os.kill(pid, signal.SIGKILL)


def test_messages_exist_in_both_languages(tmp_path: Path) -> None:
    file = tmp_path / "messages.toml"
    file.write_text('[door]\nopen = { zh = "开 {name}", en = "open {name}" }\n', encoding="utf-8")
    messages = load_messages(file)
    assert messages.text("door.open", Language.ZH, name="1") == "开 1"
    assert messages.text("door.open", Language.EN, name="1") == "open 1"
    file.write_text('[door]\nopen = { zh = "开" }\n', encoding="utf-8")
    with pytest.raises(Exception, match="both languages"):
        load_messages(file)


def _fail_with_a_secret_at_hand() -> None:
    key = "hunter" + str(1 + 1)
    raise ValueError(f"wrong door {len(key)}")


def test_logging_can_be_configured_twice(capsys: pytest.CaptureFixture[str]) -> None:
    from runtime.logs import LogFormat, configure_logs, get_log  # noqa: PLC0415 - configured here on purpose

    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure_logs(process="test", fmt=LogFormat.JSON)
        get_log("area").warning("happened", token="x", count=2)
        line = json.loads(capsys.readouterr().err.splitlines()[-1])
        assert line["event"] == "happened"
        assert line["count"] == 2
        assert line["token"] == "[redacted]"
        assert line["process"] == "test"
        for fmt in LogFormat:
            configure_logs(process="test", fmt=fmt)
            try:
                _fail_with_a_secret_at_hand()
            except ValueError:
                get_log("area").exception("failed")
            written = capsys.readouterr().err
            assert "wrong door" in written
            assert "hunter2" not in written
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)

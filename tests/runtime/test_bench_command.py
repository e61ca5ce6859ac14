"""The command that runs benchmarks: what it understands, and what it refuses."""

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from linli import app
from runtime.bench import UnknownOption, describe_options, take_options

KNOWN = {"for": "how long", "seed": "a number"}
ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = sorted((ROOT / "tests" / "benchmarks").glob("*.py"))


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["for=10m", "seed=7"], []),
        ([], ["--for", "10m", "--seed", "7"]),
        ([], ["--for=10m", "--seed=7"]),
        (["seed=7"], ["--for", "10m"]),
    ],
)
def test_all_forms_say_the_same(pairs: list[str], words: list[str]) -> None:
    assert take_options("x", KNOWN, pairs=pairs, words=words) == {"for": "10m", "seed": "7"}


@pytest.mark.parametrize(
    ("pairs", "words", "says"),
    [
        ([], ["--sed", "7"], "has no option --sed; it takes --for, --seed"),
        (["sed=7"], [], "has no option --sed"),
        (["seed"], [], "'seed' has no value"),
        ([], ["--seed"], "--seed needs a value: a number"),
        ([], ["--seed", "--for", "1"], "--seed needs a value"),
        ([], ["7"], "takes no '7'"),
        (["seed=1"], ["--seed", "2"], "given twice"),
    ],
)
def test_what_a_benchmark_does_not_know_is_refused(pairs: list[str], words: list[str], says: str) -> None:
    with pytest.raises(UnknownOption, match=says):
        take_options("x", KNOWN, pairs=pairs, words=words)


@pytest.mark.parametrize("words", [["10m", "--seed", "7"], ["--seed", "7", "10m"], ["--seed=7", "--for", "10m"]])
def test_one_option_may_stand_without_its_name(words: list[str]) -> None:
    assert take_options("x", KNOWN, pairs=[], words=words, bare="for") == {"for": "10m", "seed": "7"}


@pytest.mark.parametrize(
    ("pairs", "words"),
    [([], ["10m", "--for", "10m"]), ([], ["--for=10m", "10m"]), (["for=10m"], ["10m"]), ([], ["10m", "20m"])],
)
def test_what_stands_without_its_name_is_given_once(pairs: list[str], words: list[str]) -> None:
    with pytest.raises(UnknownOption, match="--for is given twice"):
        take_options("x", KNOWN, pairs=pairs, words=words, bare="for")


def test_an_option_may_have_a_value_that_looks_like_a_pair() -> None:
    assert take_options("x", KNOWN, pairs=["for=a=b"], words=["--seed=c=d"]) == {"for": "a=b", "seed": "c=d"}


def test_a_benchmark_without_options_says_so() -> None:
    assert "no options" in describe_options("x", "What it measures.", {})


def test_help_says_what_may_stand_without_its_name() -> None:
    told = CliRunner().invoke(app, ["bench", "faces", "--help"])
    assert told.exit_code == 0
    [line] = [line for line in told.stdout.splitlines() if "without its name" in line]
    assert line.split()[0] == "--dir"
    assert "without its name" not in CliRunner().invoke(app, ["bench", "chaos", "--help"]).stdout


def test_the_folder_of_faces_needs_no_name(tmp_path: Path) -> None:
    folder = tmp_path / "people"
    for words in ([str(folder)], ["--dir", str(folder)]):
        told = CliRunner().invoke(app, ["bench", "faces", *words])
        assert told.exit_code == 3
        assert f"{folder} is no folder" in told.stderr


def test_help_lists_the_options_of_the_benchmark_that_is_named() -> None:
    told = CliRunner().invoke(app, ["bench", "chaos", "--help"])
    assert told.exit_code == 0
    for name in ("--report", "--for", "--seed", "--database"):
        assert name in told.stdout
    general = CliRunner().invoke(app, ["bench", "--help"])
    assert general.exit_code == 0
    assert "chaos" in general.stdout
    assert "--seed" not in general.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["chaos", "--sed", "7"], "no option --sed"),
        (["chaos", "--seed", "seven"], "--seed NUMBER"),
        (["chaos", "10m"], "takes no '10m'"),
        (["faces", "here", "--dir", "there"], "--dir is given twice"),
        (["faces", "here", "there"], "--dir is given twice"),
        (["nothing"], "no benchmark 'nothing'"),
        (["--seed", "7", "chaos"], "no benchmark '--seed'"),
    ],
)
def test_a_wrong_call_is_told_before_anything_runs(words: list[str], says: str) -> None:
    told = CliRunner().invoke(app, ["bench", *words])
    assert told.exit_code in {2, 3}
    assert says in told.stderr


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_every_option_that_a_benchmark_reads_is_declared(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    said = {
        name: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and (name := getattr(node.targets[0], "id", "")) in {"OPTIONS", "BARE"}
    }
    declared = set(said.get("OPTIONS", {}))
    read = {
        one.args[0].value
        for one in ast.walk(tree)
        if isinstance(one, ast.Call)
        and isinstance(one.func, ast.Attribute)
        and one.func.attr == "get"
        and ast.unparse(one.func.value) == "bench.options"
        and isinstance(one.args[0], ast.Constant)
    }
    assert read | ({said["BARE"]} if "BARE" in said else set()) <= declared


WAITER = '''"""Starts two programs, one of them in a task, and waits until it is ended."""

import asyncio
import subprocess
import time
from pathlib import Path

OPTIONS = {"folder": "where it writes", "loop": "1: wait within the event loop"}
SLEEP = ("sleep", "600")


def measure(bench):
    folder = Path(bench.options["folder"])
    with subprocess.Popen(SLEEP, start_new_session=True) as outer:
        try:
            if bench.options["loop"] == "1":
                asyncio.run(in_loop(folder, outer.pid))
            else:
                say(folder, outer.pid)
                time.sleep(600)
        finally:
            outer.terminate()


async def in_loop(folder, outer):
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(owner(folder, outer))
            while True:
                await asyncio.sleep(0)  # so that the signal meets the loop at work
    finally:
        await asyncio.sleep(0.2)
        (folder / "closed").write_text("closed")


async def owner(folder, outer):
    inner = await asyncio.create_subprocess_exec(*SLEEP, start_new_session=True)
    try:
        say(folder, outer, inner.pid)
        await inner.wait()
    finally:
        inner.terminate()
        await inner.wait()


def say(folder, *pids):
    (folder / "pids.part").write_text(" ".join(map(str, pids)))
    (folder / "pids.part").rename(folder / "pids")
'''
RUN = (
    "import runtime.cli, pathlib, sys; runtime.cli._FOLDER = pathlib.Path(sys.argv.pop(1)); import linli; linli.main()"
)
IN_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$0" "$@"')
"""As a shell starts what runs in the background: SIGINT is ignored."""


@contextmanager
def waiting(folder: Path, *before: str, loop: bool) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """Run a benchmark that waits; give its process, and the numbers of those that it has started."""
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "waiter.py").write_text(WAITER)
    words = ["bench", "waiter", "--folder", str(folder), "--loop", str(int(loop))]
    command = [*before, sys.executable, "-c", RUN, str(folder / "benchmarks"), *words]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    pids: list[int] = []
    try:
        until = time.monotonic() + 60
        while not (folder / "pids").exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        pids += map(int, (folder / "pids").read_text().split())
        assert asleep(pids) == pids
        yield process, pids
    finally:
        process.kill()
        process.wait()
        for pid in asleep(pids):
            os.kill(pid, signal.SIGKILL)


def asleep(pids: list[int]) -> list[int]:
    """Give those that still run what the benchmark has started."""
    found: list[int] = []
    for pid in pids:
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00600\x00":
                found.append(pid)
    return found


@pytest.mark.parametrize("before", [(), IN_BACKGROUND], ids=["foreground", "background"])
@pytest.mark.parametrize("loop", [False, True], ids=["plain", "in-an-event-loop"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_benchmark_that_is_ended_leaves_nothing_running(
    tmp_path: Path, *, before: tuple[str, ...], loop: bool, number: signal.Signals, status: int
) -> None:
    with waiting(tmp_path, *before, loop=loop) as (process, pids):
        process.send_signal(number)
        assert process.wait(60) == status
        assert asleep(pids) == []
    assert len(pids) == 1 + loop
    assert (tmp_path / "closed").exists() == loop


def test_a_second_request_to_end_does_not_cut_the_closing_short(tmp_path: Path) -> None:
    with waiting(tmp_path, loop=True) as (process, pids):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
        assert asleep(pids) == []
    assert (tmp_path / "closed").exists()


def test_what_was_ignored_stays_ignored(tmp_path: Path) -> None:
    nohup = ("sh", "-c", 'trap "" HUP; exec "$0" "$@"')
    with waiting(tmp_path, *nohup, loop=False) as (process, _):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143

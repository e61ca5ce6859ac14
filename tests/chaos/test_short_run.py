"""A short run of everything (`linli bench chaos --for 10m` is the long one), and proof that its judge is awake.

The run's folder is copied, the copy is spoilt in one way, and judged again: each way must show, and count.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from simulators.chaos.commander import LATE_AFTER_MS
from simulators.chaos.evidence import judge
from tests.support.spoilt_store import in_store

SEED, SECONDS = 144, 25

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a run; `report.json` and `said.txt` are in it."""
    folder = tmp_path_factory.mktemp("chaos") / "run"
    folder.mkdir()
    words = ["--seed", str(SEED), "--for", str(SECONDS), "--folder", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "linli", "bench", "chaos", "--report", str(folder / "report.json"), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    (folder / "said.txt").write_text(f"exit status {done.returncode}\n{done.stderr}", encoding="utf-8")
    assert (folder / "report.json").exists(), done.stderr
    return folder


def test_nothing_is_lost_or_doubled_whatever_dies(played: Path) -> None:
    found = json.loads((played / "report.json").read_text(encoding="utf-8"))
    said = (played / "said.txt").read_text(encoding="utf-8")
    assert not any(found["misses"].values()), said
    assert said.startswith("exit status 0\n"), said
    ledger = found["ledger"]
    assert ledger["said"] > 200
    assert ledger["stored"] == ledger["accepted"] - ledger["accepted_after_the_end"] > 200
    assert ledger["faults"] > 5
    assert found["commands"]["taken"] > 0
    assert len(found["schedule"]) > 5
    assert (played / "timeline.svg").read_text(encoding="utf-8").startswith("<svg")


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    return found


def tell(folder: Path, **changed: Any) -> None:
    (folder / "told.json").write_text(json.dumps(told(folder) | changed), encoding="utf-8")


def carried_out(folder: Path) -> tuple[str, dict[str, Any]]:
    """Give a command that is done, with its device."""
    return next(
        (name, row) for name, rows in told(folder)["commands"].items() for row in rows if row["state"] == "done"
    )


def write_again(folder: Path, *, later_ms: float) -> None:
    device, row = carried_out(folder)
    asked = told(folder)["asked"][str(int(row["value"]))]
    line = {"at": asked + later_ms, "point": "level", "value": int(row["value"]), "taken": True}
    with (folder / "simulators" / f"{device}.writes.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def delete_a_sample(folder: Path) -> None:
    in_store(folder, "DELETE FROM THE_TABLE WHERE THE_ROW")


def change_a_sample(folder: Path) -> None:
    in_store(folder, "UPDATE THE_TABLE SET value = value + 0.5 WHERE THE_ROW")


def move_a_sample(folder: Path) -> None:
    in_store(folder, "UPDATE THE_TABLE SET at_ms = at_ms + 1 WHERE THE_ROW")


def store_a_sample_twice(folder: Path) -> None:
    in_store(folder, "INSERT INTO THE_TABLE SELECT A_COPY FROM THE_TABLE WHERE THE_ROW")


def double_an_order(folder: Path) -> None:
    orders = told(folder)["orders"]
    tell(folder, orders=[*orders, orders[0] | {"id": 10**9}])


def forget_an_order(folder: Path) -> None:
    tell(folder, orders=told(folder)["orders"][1:])


def raise_an_alarm_twice(folder: Path) -> None:
    alarms = told(folder)["alarms"]
    tell(folder, alarms=[alarms[0] | {"occurrences": 2}, *alarms[1:]])


def execute_a_command_late(folder: Path) -> None:
    write_again(folder, later_ms=LATE_AFTER_MS + 1)


def execute_a_command_twice(folder: Path) -> None:
    write_again(folder, later_ms=1.0)


def call_a_refused_command_done(folder: Path) -> None:
    commands = told(folder)["commands"]
    row = next(row for rows in commands.values() for row in rows if row["state"] != "done")
    row["state"] = "done"
    device = next(name for name, rows in commands.items() if row in rows)
    log = folder / "simulators" / f"{device}.writes.jsonl"
    kept = [one for one in log.read_text().splitlines() if json.loads(one)["value"] != int(row["value"])]
    log.write_text("".join(one + "\n" for one in kept))
    tell(folder, commands=commands)


def forget_what_a_device_said(folder: Path) -> None:
    """Take one number out of a journal's log and out of the store, between others that were accepted."""
    log = folder / "accepted.jsonl"
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    numbers = sorted(
        (row["reading"]["value"], row["reading"]["at_ms"], place)
        for place, row in enumerate(rows)
        if row["device"] == "meter-1" and row["reading"]["point"] == "number" and row["reading"]["quality"] == 192
    )
    outages = [one for one in told(folder)["outages"] if "meter-1" in one["devices"]]
    place = next(
        place
        for _, _, place in numbers[1:-1]
        if not any(one["from_ms"] - 2000 < rows[place]["accepted_ms"] < one["to_ms"] + 2000 for one in outages)
    )
    log.write_text("".join(json.dumps(row) + "\n" for number, row in enumerate(rows) if number != place))


@pytest.mark.parametrize(
    ("spoil", "shows"),
    [
        (delete_a_sample, {"lost": 1}),
        (change_a_sample, {"lost": 1, "duplicated": 2}),
        (move_a_sample, {"lost": 1, "duplicated": 1}),
        (store_a_sample_twice, {"duplicated": 2}),
        (double_an_order, {"double_orders": 1}),
        (forget_an_order, {"missing_orders": 1}),
        (raise_an_alarm_twice, {"double_orders": 1}),
        (execute_a_command_late, {"late_commands": 1, "wrong_command_outcomes": 1}),
        (execute_a_command_twice, {"wrong_command_outcomes": 1}),
        (call_a_refused_command_done, {"wrong_command_outcomes": 1}),
        (forget_what_a_device_said, {"lost": 1, "duplicated": 1}),
    ],
)
def test_the_judge_finds_what_is_spoilt(
    played: Path, tmp_path: Path, spoil: Callable[[Path], None], shows: Mapping[str, int]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(played, folder, ignore=shutil.ignore_patterns("*.sock", "*.tty"))
    before = {name: len(found) for name, found in judge(folder).found.items()}
    spoil(folder)
    after = {name: len(found) for name, found in judge(folder).found.items()}
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == shows

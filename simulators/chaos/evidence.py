"""What is known of a run when it is over, in files outside the product, and the judgement of these.

`python -m simulators.chaos.evidence FOLDER` judges a run's folder again. Nothing of the product runs meanwhile.
"""

import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drivers.api import Quality, Reading
from drivers.profile import load_profile
from simulators.chaos.commander import judge_commands
from simulators.chaos.journal_log import Accepted
from simulators.chaos.ledger import (
    NUMBER,
    Excuse,
    Ledger,
    Outage,
    Said,
    Sample,
    compare,
    examples,
    judge_orders,
)
from simulators.demo.layout import Layout
from simulators.witness import decode_answers, read_answers, read_writes, witness_files

_ACCEPTED, _TOLD = "accepted.jsonl", "told.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What the service told in the end, over its REST API, and what the run knows itself.

    `devices` are their ids in the service, by name; `commands` by device; `asked` is when each command was given
    (Unix ms), by its value. Up to `closed_ms` everything that was accepted had been acknowledged.
    """

    devices: Mapping[str, int]
    alarms: Sequence[Mapping[str, Any]]
    orders: Sequence[Mapping[str, Any]]
    commands: Mapping[str, Sequence[Mapping[str, Any]]]
    asked: Mapping[int, float]
    outages: Sequence[Outage]
    closed_ms: float


@dataclass(kw_only=True, slots=True)
class Verdict:
    """What a run's evidence says. Lists are sentences; an empty one is as it should be."""

    ledger: Ledger
    faults: int
    missing_orders: list[str]
    double_orders: list[str]
    wrong_commands: list[str]
    late_commands: list[str]

    @property
    def found(self) -> dict[str, list[str]]:
        """Everything that a working system does not do, by its name in reports."""
        return {
            "lost": self.ledger.lost,
            "duplicated": self.ledger.duplicated,
            "readings_of_one_time": self.ledger.same_time,
            "missing_orders": self.missing_orders,
            "double_orders": self.double_orders,
            "late_commands": self.late_commands,
            "wrong_command_outcomes": self.wrong_commands,
        }


def keep(folder: Path, accepted: Sequence[Accepted], told: Told) -> None:
    """Write the evidence beside what the run has left in its folder: the store, and the devices' own logs."""
    with (folder / _ACCEPTED).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in accepted)
    outages = [asdict(one) | {"devices": sorted(one.devices)} for one in told.outages]
    text = json.dumps(asdict(told) | {"outages": outages}, ensure_ascii=False, indent=1)
    (folder / _TOLD).write_text(text, encoding="utf-8")


def judge(folder: Path) -> Verdict:
    """Judge the evidence in a run's folder."""
    layout, told = Layout(data=folder), _told(folder)
    accepted = list(_accepted(folder))
    profile = load_profile(folder / "profile.toml")
    said = [
        Said(device=device, number=int(one.value), at_ms=one.at_ms)
        for device in told.devices
        for one in decode_answers(profile, read_answers(witness_files(layout.simulators, device)[0]))
        if one.point == NUMBER and one.value is not None
    ]
    names = {number: name for name, number in told.devices.items()}
    ledger = compare(
        said, accepted, list(_samples(layout.telemetry, names)), outages=told.outages, closed_ms=told.closed_ms
    )
    missing, double, faults = judge_orders(accepted, told.alarms, told.orders)
    wrong: list[str] = []
    late: list[str] = []
    for device, rows in told.commands.items():
        writes = [one for one in read_writes(witness_files(layout.simulators, device)[2]) if one.taken]
        found_wrong, found_late = judge_commands(({**row, "device": device} for row in rows), writes, told.asked)
        wrong += found_wrong
        late += found_late
    return Verdict(
        ledger=ledger,
        faults=faults,
        missing_orders=missing,
        double_orders=double,
        wrong_commands=wrong,
        late_commands=late,
    )


def _accepted(folder: Path) -> Iterator[Accepted]:
    for line in (folder / _ACCEPTED).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        reading = row.pop("reading")
        yield Accepted(**row, reading=Reading(**(reading | {"quality": Quality(reading["quality"])})))


def _told(folder: Path) -> Told:
    row = json.loads((folder / _TOLD).read_text(encoding="utf-8"))
    outages = tuple(
        Outage(**(one | {"why": Excuse(one["why"]), "devices": frozenset(one["devices"])})) for one in row["outages"]
    )
    asked = {int(value): at_ms for value, at_ms in row["asked"].items()}
    return Told(**(row | {"outages": outages, "asked": asked}))


def _samples(file: Path, names: Mapping[int, str]) -> Iterator[Sample]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        for device, point, at_ms, value, quality in connection.execute(
            "SELECT device_id, point, at_ms, value, quality FROM sample JOIN series ON series.id = series_id"
        ):
            yield Sample(device=names[device], point=point, at_ms=at_ms, value=value, quality=quality)


def main() -> None:
    """Judge a folder; 1 when something is missed."""
    verdict = judge(Path(sys.argv[1]))
    ledger = verdict.ledger
    lines = [f"said {ledger.said}, accepted {ledger.accepted}, stored {ledger.stored}"]
    lines += [f"said and not accepted, because {why}: {count}" for why, count in ledger.excused.items()]
    for name, found in verdict.found.items():
        lines += [f"{name}: {len(found)}", *(f"  {sentence}" for sentence in examples(found))]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(int(any(verdict.found.values())))


if __name__ == "__main__":
    main()

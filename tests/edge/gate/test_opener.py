"""What an opening leaves behind when the disk refuses or the power goes; the door is one that answers by hand."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.api import Value
from edge.gate.door import Door, Opening, OpeningOutcome
from edge.gate.ledger import GateLedger
from edge.gate.opener import Opener


class Leaf:
    """A door that opens, and counts."""

    def __init__(self) -> None:
        self.pulses = 0

    async def open(self) -> Opening:
        self.pulses += 1
        return Opening(outcome=OpeningOutcome.CONFIRMED, detail="", took_ms=20.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[GateLedger]:
    with GateLedger(tmp_path / "gates.sqlite") as one:
        yield one


def opener_of(
    leaf: Leaf, ledger: GateLedger, told: list[Mapping[str, Value]], ended: list[str] | None = None
) -> Opener:
    door, ended = cast("Door", cast("Any", leaf)), [] if ended is None else ended
    return Opener("north", door=door, ledger=ledger, tell=told.append, clock_ms=lambda: 1, told=ended)


def said(opened: str, door_ms: float) -> str:
    return json.dumps({"id": "o1", "opened": opened, "ms": door_ms})


async def test_nothing_is_opened_when_the_disk_takes_no_note(ledger: GateLedger) -> None:
    leaf, told = Leaf(), list[Mapping[str, Value]]()
    ledger._db.execute("PRAGMA max_page_count = 1")  # what SQLite says of a disk that takes nothing more
    opening = await opener_of(leaf, ledger, told).open("o1", lambda opened, ms: said(opened, ms) + " " * 100_000)
    assert opening.outcome is OpeningOutcome.FAILED
    assert leaf.pulses == 0
    assert json.loads(str(told[0]["decision"]))["opened"] == "failed"


async def test_the_note_stays_until_the_journal_has_the_event(ledger: GateLedger) -> None:
    leaf, told = Leaf(), list[Mapping[str, Value]]()
    opener = opener_of(leaf, ledger, told)
    await opener.open("o1", said)
    assert [one.id for one in ledger.unfinished("north")] == ["o1"], "killed here, the next start tells it"
    await opener.durable()
    assert ledger.unfinished("north") == ()


async def test_an_opening_that_was_cut_off_is_told_as_unknown_and_not_repeated(ledger: GateLedger) -> None:
    await opener_of(Leaf(), ledger, []).open("o1", said)  # and the process ends before the journal has it
    leaf, told = Leaf(), list[Mapping[str, Value]]()
    later = opener_of(leaf, ledger, told)
    await later.report_interrupted()
    assert [json.loads(str(one["decision"]))["opened"] for one in told] == ["unknown"]
    assert leaf.pulses == 0
    await later.durable()
    assert ledger.unfinished("north") == ()


async def test_a_note_that_cannot_be_ended_is_ended_later(ledger: GateLedger) -> None:
    opener = opener_of(Leaf(), ledger, [])
    await opener.open("o1", said)
    ledger._db.execute("PRAGMA query_only=ON")
    await opener.durable()
    ledger._db.execute("PRAGMA query_only=OFF")
    assert len(ledger.unfinished("north")) == 1
    await opener.durable()
    assert ledger.unfinished("north") == ()


def test_the_ledger_is_its_owners_alone(tmp_path: Path) -> None:
    with GateLedger(tmp_path / "gates.sqlite"):
        assert (tmp_path / "gates.sqlite").stat().st_mode & 0o077 == 0


async def test_a_gate_that_is_started_anew_tells_no_opening_twice(ledger: GateLedger) -> None:
    told, ended = list[Mapping[str, Value]](), list[str]()
    await opener_of(Leaf(), ledger, told, ended).open("o1", said)  # the journal does not have it yet
    later = opener_of(Leaf(), ledger, told, ended)
    await later.report_interrupted()
    assert [json.loads(str(one["decision"]))["opened"] for one in told] == ["confirmed"]
    await later.durable()
    assert ledger.unfinished("north") == ()

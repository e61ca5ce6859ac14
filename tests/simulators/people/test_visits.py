"""A visit goes its way in time, for every camera alike, and its truth is written down."""

import json
from datetime import timedelta
from pathlib import Path

from simulators.people.attempts import Kind, read_act
from simulators.people.play import moment_of
from simulators.people.stage import WALKS_AWAY, WALKS_UP, Stage, Stages, truth_file

BEGIN = 1_700_000_000_000
UP, AWAY = WALKS_UP // timedelta(milliseconds=1), WALKS_AWAY // timedelta(milliseconds=1)


def test_somebody_walks_up_and_grows_stands_and_walks_away() -> None:
    visit = Stage("north").begin(read_act("resident 7 for 2s"), BEGIN)
    halves = [moment_of(visit, BEGIN + ms).pose.half for ms in range(0, UP + 1, 100)]
    assert halves == sorted(halves)
    assert halves[-1] > 2.5 * halves[0]
    stands = [moment_of(visit, BEGIN + UP + ms) for ms in range(0, 2000, 100)]
    assert all(abs(one.pose.half - stands[0].pose.half) < 0.02 for one in stands)
    assert all(one.pose.half * 480 * 2 >= 100 for one in stands)
    assert abs(moment_of(visit, BEGIN + UP + 2000 + AWAY - 50).pose.x) > 1
    assert moment_of(visit, BEGIN + UP + 2000 + AWAY).act.kind is Kind.NOBODY
    assert moment_of(visit, BEGIN - 1).act.kind is Kind.NOBODY


def test_at_once_there_is_no_walking() -> None:
    visit = Stage("north").begin(read_act("resident 7 at-once for 1s"), BEGIN)
    assert moment_of(visit, BEGIN).pose.half > 0.13
    assert moment_of(visit, BEGIN + 1000).act.kind is Kind.NOBODY


def test_nobody_sends_away_whoever_stands_there() -> None:
    stage = Stage("north")
    stage.begin(read_act("resident 7"), BEGIN)
    visit = stage.begin(read_act("nobody"), BEGIN + 60_000)
    assert moment_of(visit, BEGIN + 60_000 + AWAY // 2).act.number == 7
    assert moment_of(visit, BEGIN + 60_000 + AWAY).act.kind is Kind.NOBODY


def test_who_has_gone_does_not_come_back_to_be_sent_away() -> None:
    stage = Stage("north")
    stage.begin(read_act("resident 7 for 1s"), BEGIN)
    visit = stage.begin(read_act("nobody"), BEGIN + 60_000)
    assert moment_of(visit, BEGIN + 60_100).act.kind is Kind.NOBODY


def test_until_a_visit_begins_the_one_before_goes_on() -> None:
    stage = Stage("north")
    stage.begin(read_act("resident 7"), BEGIN)
    visit = stage.begin(read_act("resident 8"), BEGIN + 10_000)
    assert [moment_of(visit, BEGIN + ms).act.number for ms in (9_999, 10_000)] == [7, 8]
    assert [stage.standing(BEGIN + ms).number for ms in (9_999, 10_000)] == [7, 8]


def test_two_cameras_see_the_same_moment() -> None:
    one, other = (
        Stage("north").begin(read_act("resident 7"), BEGIN),
        Stage("north").begin(read_act("resident 7"), BEGIN),
    )
    assert moment_of(one, BEGIN + 5000) == moment_of(other, BEGIN + 5000)
    elsewhere = Stage("south").begin(read_act("resident 7"), BEGIN)
    assert moment_of(one, BEGIN + 5000) != moment_of(elsewhere, BEGIN + 5000)


def test_the_witness_writes_who_stood_there_when(tmp_path: Path) -> None:
    stages = Stages(tmp_path, write=lambda name: name == "north")
    for name in ("north", "south"):
        stages.get(name).begin(read_act("resident 7 fever for 2s"), BEGIN)
        stages.get(name).begin(read_act("print resident 8"), BEGIN + 9000)
    rows = [json.loads(line) for line in truth_file(tmp_path, "north").read_text().splitlines()]
    assert not truth_file(tmp_path, "south").exists()
    assert rows[0] == {
        "at": BEGIN,
        "act": "resident 7 fever for 2s",
        "kind": "person",
        "person": "resident-7",
        "shown": "resident-7",
        "fever": True,
        "mask": False,
        "stands_from": BEGIN + UP,
        "stands_until": BEGIN + UP + 2000,
    }
    assert (rows[1]["person"], rows[1]["shown"], rows[1]["stands_until"]) == (None, "resident-8", None)


def test_a_visit_that_is_over_is_nobody() -> None:
    stage = Stage("north")
    stage.begin(read_act("resident 7 for 1s"), BEGIN)
    assert stage.standing(BEGIN + 1500).number == 7
    assert stage.standing(BEGIN + UP + 1000 + AWAY).kind is Kind.NOBODY

from pathlib import Path

import pytest

from drivers.catalog import catalog_profile
from drivers.modbus.blocks import Block
from drivers.profile import Table
from simulators.witness import (
    Answer,
    AnsweredPoint,
    Change,
    Witness,
    WrittenPoint,
    decode_answers,
    read_answers,
    read_changes,
    read_writes,
    witness_files,
)
from tests.support.simulated_line import PUMP


def clock() -> float:
    return 1_700_000_000.123456


AT = 1_700_000_000_123.456


def test_what_is_noted_can_be_read(tmp_path: Path) -> None:
    answers, changes, writes = witness_files(tmp_path, "pump-1")
    with Witness(tmp_path, "pump-1", clock=clock) as witness:
        witness.answer(unit=1, function=4, address=314, words=(3100,))
        assert list(read_answers(answers)) == [Answer(at_ms=AT, unit=1, function=4, address=314, words=(3100,))]
        witness.write("setpoint", 40.0, taken=True)
        assert list(read_writes(writes)) == [WrittenPoint(at_ms=AT, point="setpoint", value=40.0, taken=True)]
        witness.changes({"flow": 30.7}, start=True)
        witness.changes({"flow": 30.8, "label": "泵"})
        assert list(read_changes(changes)) == []
        witness.flush()
        assert list(read_changes(changes)) == [
            Change(at_ms=AT, point="flow", value=30.7, start=True),
            Change(at_ms=AT, point="flow", value=30.8),
            Change(at_ms=AT, point="label", value="泵"),
        ]
        witness.changes({"flow": 1.0})
    assert [change.value for change in read_changes(changes)][-1] == 1.0


def test_a_restart_appends_and_cuts_a_half_written_line_off(tmp_path: Path) -> None:
    answers, _, _ = witness_files(tmp_path, "pump-1")
    with Witness(tmp_path, "pump-1", clock=clock) as witness:
        witness.answer(unit=1, function=4, address=1, words=(1,))
    with answers.open("a") as file:
        file.write('{"at": 17')
    assert len(list(read_answers(answers))) == 1
    with Witness(tmp_path, "pump-1", clock=clock) as witness:
        witness.answer(unit=1, function=4, address=2, words=(2,))
    assert [answer.address for answer in read_answers(answers)] == [1, 2]


def test_a_file_that_is_not_there_yet_is_empty_and_a_strange_line_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "x.answers.jsonl"
    assert list(read_answers(file)) == []
    file.write_text("hello\n")
    with pytest.raises(ValueError, match=r"x\.answers\.jsonl:1"):
        list(read_answers(file))


def test_an_answer_means_every_point_that_lies_in_it() -> None:
    # Recorded from a real set: see the catalogue's cases (G3).
    answer = Answer(at_ms=AT, unit=1, function=4, address=301, words=(307, 9134))
    assert list(decode_answers(catalog_profile(PUMP), [answer])) == [
        AnsweredPoint(at_ms=AT, point="flow", value=30.7),
        AnsweredPoint(at_ms=AT, point="speed", value=91.34),
    ]


def test_an_answer_to_a_planned_block_means_its_points_alone() -> None:
    answer = Answer(at_ms=AT, unit=1, function=4, address=301, words=(307, 9134))
    block = Block(table=Table.INPUT, address=301, count=2, points=("speed",))
    points = decode_answers(catalog_profile(PUMP), [answer], blocks=[block])
    assert [point.point for point in points] == ["speed"]


def test_not_available_and_half_a_value() -> None:
    profile = catalog_profile(PUMP)
    absent = Answer(at_ms=AT, unit=1, function=4, address=314, words=(65535,))
    half = Answer(at_ms=AT, unit=1, function=4, address=311, words=(0,))
    other_table = Answer(at_ms=AT, unit=1, function=3, address=314, words=(3100,))
    assert list(decode_answers(profile, [absent, half, other_table])) == [
        AnsweredPoint(at_ms=AT, point="suction_pressure", value=None)
    ]

"""The ledger itself: it must see every kind of miss, or a run without misses means nothing."""

from typing import Any

import pytest

from drivers.api import Quality, Reading
from simulators.chaos.commander import LATE_AFTER_MS, judge_commands
from simulators.chaos.journal_log import Accepted
from simulators.chaos.ledger import Ledger, Said, Sample, compare, judge_orders
from simulators.witness import WrittenPoint


def accepted(value: int, at_ms: int, *, point: str = "number", offset: int = 1) -> Accepted:
    reading = Reading(point=point, value=value, quality=Quality.GOOD, at_ms=at_ms, reason="")
    return Accepted(agent="edge-1", journal="j", offset=offset, device="m", reading=reading)


def sample(value: int, at_ms: int, *, point: str = "number") -> Sample:
    return Sample(device="m", point=point, at_ms=at_ms, value=value, quality=Quality.GOOD)


def said(*numbers: int) -> list[Said]:
    return [Said(device="m", number=number, at_ms=1000.0 * number) for number in numbers]


def ledger(
    heard: list[Said],
    taken: list[Accepted],
    stored: list[Sample],
    *,
    blind: list[tuple[str, float, float]] | None = None,
    until_ms: float = 1e9,
) -> Ledger:
    return compare(heard, taken, stored, agent_of={"m": "edge-1"}, blind=blind or [], until_ms=until_ms)


def test_what_was_said_accepted_and_stored_once_is_no_miss() -> None:
    found = ledger(said(1, 2), [accepted(1, 1000), accepted(2, 2000)], [sample(1, 1000), sample(2, 2000)])
    assert (found.lost, found.duplicated, found.excused) == ([], [], 0)


def test_an_accepted_reading_that_is_not_stored_is_lost_even_in_an_outage() -> None:
    found = ledger(said(1), [accepted(1, 1000)], [], blind=[("edge-1", 0, 5000)])
    assert len(found.lost) == 1
    assert "edge-1#1" in found.lost[0]


def test_a_reading_that_is_stored_with_another_value_is_lost() -> None:
    assert ledger(said(1, 2), [accepted(1, 1000)], [sample(2, 1000)]).lost


def test_two_readings_at_one_moment_are_a_loss_unless_both_are_stored_side_by_side() -> None:
    taken = [accepted(1, 1000), accepted(2, 1000, offset=2)]
    assert len(ledger(said(1, 2), taken, [sample(2, 1000)]).lost) == 1
    assert ledger(said(1, 2), taken, [sample(1, 1000), sample(2, 1001)]).lost == []
    assert len(ledger(said(1, 2), taken, [sample(1, 1000), sample(2, 1002)]).lost) == 1


def test_a_number_that_nobody_accepted_is_lost_unless_the_agent_was_away() -> None:
    assert ledger(said(1), [], []).lost
    away = ledger(said(1), [], [], blind=[("edge-1", 500, 1500)])
    assert (away.lost, away.excused) == ([], 1)
    assert ledger(said(1), [], [], blind=[("edge-2", 500, 1500)]).lost
    assert not ledger(said(1), [], [], until_ms=500).lost


def test_a_number_that_is_stored_twice_or_was_never_said_is_told() -> None:
    twice = ledger(said(1), [accepted(1, 1000), accepted(1, 1500)], [sample(1, 1000), sample(1, 1500)])
    assert "2 times" in twice.duplicated[0]
    assert "never said" in ledger([], [accepted(9, 1)], [sample(9, 1)]).duplicated[0]


def alarm(number: int, *, code: int, occurrences: int = 1) -> dict[str, Any]:
    return {"id": number, "device": "m", "rule": f"fault.{code}", "occurrences": occurrences}


def test_every_fault_is_one_alarm_and_one_order() -> None:
    fault = [accepted(3, 1000, point="fault_code"), accepted(3, 1500, point="fault_code")]
    assert judge_orders(fault, [alarm(1, code=3)], [{"alarm_id": 1}]) == ([], [], 1)
    assert judge_orders(fault, [], [])[0]
    assert judge_orders(fault, [alarm(1, code=3)], [])[0]
    assert judge_orders(fault, [alarm(1, code=3), alarm(2, code=3)], [{"alarm_id": 1}, {"alarm_id": 2}])[1]
    assert judge_orders(fault, [alarm(1, code=3)], [{"alarm_id": 1}, {"alarm_id": 1}])[1]
    assert judge_orders(fault, [alarm(1, code=3, occurrences=2)], [{"alarm_id": 1}])[1]
    assert judge_orders([], [alarm(1, code=3)], [{"alarm_id": 1}])[1]


def write(value: int, at_ms: float) -> WrittenPoint:
    return WrittenPoint(at_ms=at_ms, point="level", value=value, taken=True)


@pytest.mark.parametrize(
    ("state", "heard", "right"),
    [
        ("done", 1, True),
        ("done", 0, False),
        ("done", 2, False),
        ("refused", 0, True),
        ("refused", 1, False),
        ("timed out", 0, True),
        ("timed out", 1, True),
        ("unknown", 1, True),
        ("unknown", 2, False),
        ("sent", 0, False),
    ],
)
def test_a_command_ended_as_its_device_confirms(state: str, heard: int, *, right: bool) -> None:
    row = {"device": "m", "value": 5.0, "state": state, "detail": ""}
    wrong, late = judge_commands([row], [write(5, 1000)] * heard, {5: 900.0})
    assert (not wrong) is right
    assert not late


def test_a_late_command_and_one_that_nobody_gave_are_told() -> None:
    row = {"device": "m", "value": 5, "state": "done", "detail": ""}
    assert judge_commands([row], [write(5, 1000 + LATE_AFTER_MS + 1)], {5: 1000.0})[1]
    assert judge_commands([], [write(6, 1000)], {})[0]

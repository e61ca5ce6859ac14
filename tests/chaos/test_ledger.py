"""The ledger itself: it must see every kind of miss, or a run without misses means nothing."""

from typing import Any

import pytest

from drivers.api import Quality, Reading
from simulators.chaos.commander import LATE_AFTER_MS, judge_commands
from simulators.chaos.journal_log import Accepted
from simulators.chaos.ledger import Excuse, Ledger, Outage, Said, Sample, compare, judge_orders
from simulators.witness import WrittenPoint


def accepted(
    value: int, at_ms: int, *, point: str = "number", offset: int = 1, accepted_ms: int | None = None
) -> Accepted:
    reading = Reading(point=point, value=value, quality=Quality.GOOD, at_ms=at_ms, reason="")
    when = at_ms if accepted_ms is None else accepted_ms
    return Accepted(agent="edge-1", journal="j", offset=offset, device="m", reading=reading, accepted_ms=when)


def sample(value: int, at_ms: int, *, point: str = "number") -> Sample:
    return Sample(device="m", point=point, at_ms=at_ms, value=value, quality=Quality.GOOD)


def said(*numbers: int) -> list[Said]:
    return [Said(device="m", number=number, at_ms=1000.0 * number) for number in numbers]


def outage(why: Excuse, from_ms: float, to_ms: float, *, device: str = "m", unwritten_ms: float = 0.0) -> Outage:
    return Outage(why=why, devices=frozenset({device}), from_ms=from_ms, to_ms=to_ms, unwritten_ms=unwritten_ms)


def ledger(heard: list[Said], taken: list[Accepted], stored: list[Sample], *outages: Outage) -> Ledger:
    return compare(heard, taken, stored, outages=outages)


def test_what_was_said_accepted_and_stored_once_is_no_miss() -> None:
    found = ledger(said(1, 2), [accepted(1, 1000), accepted(2, 2000)], [sample(1, 1000), sample(2, 2000)])
    assert (found.lost, found.duplicated, found.same_time, found.excused) == ([], [], [], {})


@pytest.mark.parametrize("why", list(Excuse))
def test_an_accepted_reading_that_is_not_stored_is_lost_and_no_outage_excuses_it(why: Excuse) -> None:
    found = ledger(said(1), [accepted(1, 1000)], [], outage(why, 0, 5000))
    assert len(found.lost) == 1
    assert "edge-1#1" in found.lost[0]


def test_what_was_accepted_after_the_end_is_not_waited_for() -> None:
    taken = [accepted(1, 1000), accepted(2, 2000)]
    late = compare(said(1, 2), taken, [sample(1, 1000)], outages=[], closed_ms=1999.0)
    assert (late.lost, late.too_late) == ([], 1)
    assert len(compare(said(1, 2), taken, [sample(1, 1000)], outages=[], closed_ms=2000.0).lost) == 1


def test_a_reading_that_is_stored_with_another_value_is_lost() -> None:
    assert ledger(said(1, 2), [accepted(1, 1000)], [sample(2, 1000)]).lost


def test_two_readings_of_one_time_are_told_and_one_of_them_is_lost_unless_both_are_stored() -> None:
    taken = [accepted(1, 1000), accepted(2, 1000, offset=2)]
    first = ledger(said(1, 2), taken, [sample(2, 1000)])
    assert (len(first.lost), len(first.same_time)) == (1, 1)
    beside = ledger(said(1, 2), taken, [sample(1, 1000), sample(2, 1001)])
    assert (len(beside.lost), len(beside.same_time)) == (0, 1)
    assert len(ledger(said(1, 2), taken, [sample(1, 1000), sample(2, 1002)]).lost) == 1


def test_a_number_that_no_journal_has_is_lost() -> None:
    assert ledger(said(1), [], []).lost
    assert ledger(said(1), [], [], outage(Excuse.AGENT, 500, 1500, device="another")).lost
    assert ledger(said(1), [], [], outage(Excuse.LINE, 2000, 3000)).lost


@pytest.mark.parametrize(
    ("why", "at", "excused"),
    [
        (Excuse.LINE, (1400, 2000), True),
        (Excuse.LINE, (1600, 2000), False),
        (Excuse.LINE, (0, 600), True),
        (Excuse.LINE, (0, 400), False),
        (Excuse.AGENT, (1900, 3000), True),
        (Excuse.AGENT, (2100, 3000), False),
        (Excuse.AGENT, (0, 600), True),
        (Excuse.AGENT, (0, 400), False),
        (Excuse.END, (1900, 3000), True),
        (Excuse.END, (2100, 3000), False),
    ],
)
def test_an_outage_excuses_what_may_have_been_on_its_way(why: Excuse, at: tuple[int, int], *, excused: bool) -> None:
    found = ledger(said(1), [], [], outage(why, *at))
    assert bool(found.lost) is not excused
    assert found.excused == ({why.value: 1} if excused else {})


@pytest.mark.parametrize("why", [Excuse.AGENT, Excuse.DISK, Excuse.END])
def test_what_lies_before_something_that_was_accepted_was_lost_while_the_agent_lived(why: Excuse) -> None:
    after = [accepted(2, 1100, accepted_ms=1150)]
    stored = [sample(2, 1100)]
    two = [Said(device="m", number=1, at_ms=1000), Said(device="m", number=2, at_ms=1100)]
    assert len(ledger(two, after, stored, outage(why, 1200, 1500)).lost) == 1
    in_the_next_life = [accepted(2, 1100, accepted_ms=1600)]
    assert ledger(two, in_the_next_life, stored, outage(why, 1200, 1500)).excused == {why.value: 1}


def test_an_agent_that_died_with_a_full_disk_may_forget_what_it_could_not_write() -> None:
    assert ledger(said(1), [], [], outage(Excuse.DISK, 9000, 9500, unwritten_ms=1500)).excused
    assert ledger(said(1), [], [], outage(Excuse.DISK, 9000, 9500, unwritten_ms=2500)).lost


def test_a_number_that_is_stored_twice_or_was_never_said_or_accepted_is_told() -> None:
    twice = ledger(said(1), [accepted(1, 1000), accepted(1, 1500)], [sample(1, 1000), sample(1, 1500)])
    assert "2 times" in twice.duplicated[0]
    assert "never said" in ledger([], [accepted(9, 1)], [sample(9, 1)]).duplicated[0]
    assert "no journal accepted" in ledger(said(1), [accepted(1, 1)], [sample(1, 1), sample(1, 2)]).duplicated[0]


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

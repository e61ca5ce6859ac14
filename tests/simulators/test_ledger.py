import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.demo.ledger import Answered, Stored, compare, latencies, percentile

NEVER = float("inf")


def answers(*pairs: tuple[float, float]) -> list[Answered]:
    return [Answered(at_ms=at, value=value) for at, value in pairs]


def stored(*pairs: tuple[int, float]) -> list[Stored]:
    return [Stored(at_ms=at, value=value) for at, value in pairs]


def test_every_answer_stored_once_is_a_clean_ledger() -> None:
    ledger = compare(
        answers((1000, 1.0), (2000, 2.0)), stored((1003, 1.0), (2004, 2.0)), deadband=0, in_doubt_after_ms=NEVER
    )
    assert (ledger.made, ledger.committed, ledger.held_back) == (2, 2, 0)
    assert not ledger.lost
    assert not ledger.duplicated
    assert not ledger.invented


def test_a_small_change_is_held_back_and_a_large_one_is_lost() -> None:
    ledger = compare(
        answers((1000, 1.0), (2000, 1.05), (3000, 2.0)), stored((1001, 1.0)), deadband=0.1, in_doubt_after_ms=NEVER
    )
    assert ledger.held_back == 1
    assert [answer.at_ms for answer in ledger.lost] == [3000]


def test_small_steps_that_add_up_beyond_the_deadband_are_a_loss() -> None:
    said = answers((1000, 1.0), (2000, 1.06), (3000, 1.12))
    ledger = compare(said, stored((1001, 1.0)), deadband=0.1, in_doubt_after_ms=NEVER)
    assert [answer.value for answer in ledger.lost] == [1.12]


def test_one_answer_stored_twice_is_a_duplicate() -> None:
    ledger = compare(answers((1000, 1.0)), stored((1001, 1.0), (1002, 1.0)), deadband=0, in_doubt_after_ms=NEVER)
    assert [sample.at_ms for sample in ledger.duplicated] == [1002]


def test_a_value_that_no_device_said_is_invented() -> None:
    ledger = compare(answers((1000, 1.0)), stored((900, 1.0), (1001, 7.0)), deadband=0, in_doubt_after_ms=NEVER)
    assert len(ledger.invented) == 2
    assert len(ledger.lost) == 1


def test_an_answer_cut_off_at_the_end_is_in_doubt_and_not_lost() -> None:
    said = answers((1000, 1.0), (2000, 5.0))
    ledger = compare(said, stored((1001, 1.0)), deadband=0, in_doubt_after_ms=1500)
    assert (ledger.lost, ledger.in_doubt) == ((), 1)


def test_a_doubtful_answer_may_be_stored_or_not() -> None:
    said = [Answered(at_ms=1000, value=1.0), Answered(at_ms=2000, value=5.0, doubtful=True)]
    without = compare(said, stored((1001, 1.0)), deadband=0, in_doubt_after_ms=NEVER)
    assert (without.lost, without.not_accepted) == ((), 1)
    taken = compare(said, stored((1001, 1.0), (2001, 5.0)), deadband=0, in_doubt_after_ms=NEVER)
    assert (taken.lost, taken.invented, taken.not_accepted) == ((), (), 0)


def test_latency_counts_from_the_first_change_after_the_previous_read() -> None:
    said = answers((1000, 1.0), (2000, 3.0))
    samples = stored((1001, 1.0), (2001, 3.0))
    ledger = compare(said, samples, deadband=0, in_doubt_after_ms=NEVER)
    changes = [900.0, 1100.0, 1900.0]
    assert latencies(said, [1010.0, 2030.0], changes, ledger) == [930.0]


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([7.0], 0.99) == 7
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@given(
    values=st.lists(st.integers(-50, 50), min_size=1, max_size=60),
    deadband=st.integers(0, 10),
    drop=st.sets(st.integers(0, 59)),
)
def test_a_reporter_by_exception_is_clean_and_each_dropped_report_is_noticed(
    values: list[int], deadband: int, drop: set[int]
) -> None:
    said = [Answered(at_ms=1000.0 * n, value=value) for n, value in enumerate(values)]
    reports: list[Stored] = []
    last: int | None = None
    for n, value in enumerate(values):
        if last is None or (abs(value - last) >= deadband and value != last):
            reports.append(Stored(at_ms=1000 * n + 2, value=value))
            last = value
    clean = compare(said, reports, deadband=deadband, in_doubt_after_ms=NEVER)
    assert not clean.lost
    assert clean.held_back + clean.committed == clean.made
    kept = [report for n, report in enumerate(reports) if n not in drop]
    torn = compare(said, kept, deadband=deadband, in_doubt_after_ms=NEVER)
    assert len(torn.matches) == len(kept)
    if 0 in drop:
        assert torn.lost


def test_what_was_answered_while_the_agent_was_killed_is_not_accepted_and_all_else_is_lost() -> None:
    said = answers((1000, 1.0), (2000, 2.0), (3000, 3.0), (4000, 4.0), (5000, 5.0))
    samples = stored((1001, 1.0), (3001, 3.0), (5001, 5.0))
    ledger = compare(said, samples, deadband=0, in_doubt_after_ms=NEVER, agent_absent_ms=[(1500, 3500)])
    assert ledger.not_accepted == 1
    assert [answer.at_ms for answer in ledger.lost] == [4000]

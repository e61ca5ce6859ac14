import itertools

from hypothesis import given
from hypothesis import strategies as st

from edge.gate.api import Answer, Check, CheckPolicy, CheckResult, Demand, Reason, Standing
from edge.gate.config import DEFAULT_CHECKS
from edge.gate.decision import decide

_ALL_REQUIRED = {check: CheckPolicy(demand=Demand.REQUIRED) for check in Check}
_policies = st.builds(
    CheckPolicy, demand=st.sampled_from(Demand), failed=st.sampled_from(Answer), unchecked=st.sampled_from(Answer)
)
_results = st.builds(
    CheckResult, check=st.sampled_from(Check), standing=st.sampled_from(Standing), reason=st.sampled_from(Reason)
)


def test_all_checks_passed_open_the_gate() -> None:
    decision = decide(_ALL_REQUIRED, [CheckResult.passed(check) for check in Check])
    assert decision.answer is Answer.OPEN
    assert decision.reasons == ()


def test_a_required_check_that_says_nothing_is_unchecked() -> None:
    decision = decide(_ALL_REQUIRED, [CheckResult.passed(check) for check in Check if check is not Check.MASK])
    assert decision.answer is Answer.STAFF
    assert decision.reasons == ((Check.MASK, Reason.NOT_ASKED),)


def test_refuse_is_told_before_staff_and_identity_first() -> None:
    policy = _ALL_REQUIRED | {Check.TEMPERATURE: CheckPolicy(demand=Demand.REQUIRED, failed=Answer.STAFF)}
    failed = [
        CheckResult.failed(Check.TEMPERATURE, Reason.FEVER),
        CheckResult.failed(Check.MASK, Reason.NO_MASK),
        CheckResult.failed(Check.IDENTITY, Reason.UNKNOWN_FACE),
    ]
    passed = [CheckResult.passed(check) for check in Check if check not in {one.check for one in failed}]
    for order in itertools.permutations(failed):
        decision = decide(policy, [*order, *passed])
        assert decision.answer is Answer.REFUSE
        assert [check for check, _ in decision.reasons] == [Check.IDENTITY, Check.MASK, Check.TEMPERATURE]


def test_an_advisory_check_is_told_and_stops_nobody() -> None:
    policy = _ALL_REQUIRED | {Check.MASK: CheckPolicy(demand=Demand.ADVISORY)}
    results = [CheckResult.passed(check) for check in Check if check is not Check.MASK]
    decision = decide(policy, [*results, CheckResult.failed(Check.MASK, Reason.NO_MASK)])
    assert decision.answer is Answer.OPEN
    assert decision.advice == ((Check.MASK, Reason.NO_MASK),)


def test_by_default_a_gate_without_any_result_stays_closed() -> None:
    assert decide(DEFAULT_CHECKS, []).answer is Answer.REFUSE


@given(st.dictionaries(st.sampled_from(Check), _policies), st.lists(_results))
def test_open_only_when_every_required_check_passed_or_its_policy_says_open(
    policy: dict[Check, CheckPolicy], results: list[CheckResult]
) -> None:
    decision = decide(policy, results)
    standings = {
        check: {one.standing for one in results if one.check is check} or {Standing.UNCHECKED} for check in Check
    }
    answers = set()
    for check, one in policy.items():
        if one.demand is Demand.REQUIRED and standings[check] != {Standing.PASSED}:
            answers.add(one.failed if Standing.FAILED in standings[check] else one.unchecked)
    worst = next((answer for answer in (Answer.REFUSE, Answer.STAFF) if answer in answers), Answer.OPEN)
    assert decision.answer is worst

"""From the results of the checks to what the gate does. Pure."""

from collections.abc import Iterable, Mapping

from edge.gate.api import Answer, Check, CheckPolicy, CheckResult, Decision, Demand, Reason, Standing

_WORSE = {Answer.OPEN: 0, Answer.STAFF: 1, Answer.REFUSE: 2}


def decide(policy: Mapping[Check, CheckPolicy], results: Iterable[CheckResult]) -> Decision:
    """Decide by a gate's policy. The gate opens only when every required check has passed.

    A required check without a result counts as unchecked; of two results of one check the worse counts. The worst
    answer wins: refuse before staff before open.
    """
    by_check = _worst(results)
    against: list[tuple[Answer, Check, Reason]] = []
    advice: list[tuple[Check, Reason]] = []
    for check in Check:
        one = policy.get(check)
        if one is None or one.demand is Demand.OFF:
            continue
        result = by_check.get(check) or CheckResult.unchecked(check, Reason.NOT_ASKED)
        if result.standing is Standing.PASSED:
            continue
        if one.demand is Demand.ADVISORY:
            advice.append((check, result.reason))
            continue
        answer = one.failed if result.standing is Standing.FAILED else one.unchecked
        against.append((answer, check, result.reason))
    against.sort(key=lambda one: -_WORSE[one[0]])  # stable: the order of Check within one answer
    return Decision(
        answer=against[0][0] if against else Answer.OPEN,
        reasons=tuple((check, reason) for _, check, reason in against),
        advice=tuple(advice),
        results=tuple(by_check[check] for check in Check if check in by_check),
    )


def _worst(results: Iterable[CheckResult]) -> dict[Check, CheckResult]:
    badness = {Standing.PASSED: 0, Standing.UNCHECKED: 1, Standing.FAILED: 2}
    found: dict[Check, CheckResult] = {}
    for result in results:
        known = found.get(result.check)
        if known is None or badness[result.standing] > badness[known.standing]:
            found[result.check] = result
    return found

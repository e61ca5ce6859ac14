"""What is said of liveness and temperature while the cameras are not aligned. Pure."""

from edge.gate.api import CheckResult, Reason
from edge.gate.eyes.alignment import Drift


def trusted(result: CheckResult, drift: Drift) -> CheckResult:
    """Give a result of the thermal picture, or that there is none while it is of another place than the face.

    Its figures are left out then: a temperature of the wall beside somebody is nobody's.
    """
    if not drift.wrong:
        return result
    figures = {"beside": round(drift.beside, 2), "below": round(drift.below, 2)}
    unchecked = CheckResult.unchecked(result.check, Reason.MISALIGNED, **figures)
    return CheckResult(
        check=unchecked.check,
        standing=unchecked.standing,
        reason=unchecked.reason,
        figures=unchecked.figures,
        took_ms=result.took_ms,
    )

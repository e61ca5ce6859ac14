"""While the cameras are not aligned nothing is said of life and temperature, and no figure of another place is told."""

import pytest

from edge.gate.api import Check, CheckResult, Reason, Standing
from edge.gate.eyes.alignment import Drift
from edge.gate.eyes.misalignment import trusted

RIGHT = Drift(people=9, beside=0.05, below=0.0, wrong=False)
WRONG = Drift(people=9, beside=1.4, below=-0.6, wrong=True)
RESULTS = (
    CheckResult.passed(Check.TEMPERATURE, raw_c=36.2),
    CheckResult.failed(Check.TEMPERATURE, Reason.COLD_SURFACE, raw_c=22.4),
    CheckResult.passed(Check.LIVENESS, verdict="living"),
    CheckResult.failed(Check.LIVENESS, Reason.NO_WARMTH, level_c=22.0),
)


@pytest.mark.parametrize("result", RESULTS, ids=lambda one: f"{one.check}-{one.standing}")
def test_every_result_of_the_thermal_picture_is_unchecked(result: CheckResult) -> None:
    told = trusted(result, WRONG)
    assert (told.check, told.standing, told.reason) == (result.check, Standing.UNCHECKED, Reason.MISALIGNED)
    assert told.figures == {"beside": 1.4, "below": -0.6}


@pytest.mark.parametrize("result", RESULTS, ids=lambda one: f"{one.check}-{one.standing}")
def test_while_they_are_aligned_it_stays_as_it_is(result: CheckResult) -> None:
    assert trusted(result, RIGHT) is result

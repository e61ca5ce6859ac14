"""What the models find, as results of checks."""

from dataclasses import replace

import pytest

from edge.gate.api import Reason, Standing
from edge.gate.config import FeverSettings
from edge.gate.eyes import findings
from models.mask.cover import Cover
from models.presence.warmth import Verdict
from models.temperature.skin import How, SkinTemperature, Spot, Trouble

SIZE = (120, 160)
HEALTHY = SkinTemperature(
    raw_c=35.4,
    compensated_c=None,
    spot=Spot.FACE_MAXIMUM,
    how=How.RAW,
    row=40,
    column=80,
    mm_per_pixel=5.0,
    hidden=0.0,
)


@pytest.mark.parametrize(
    ("raw", "compensated", "standing", "reason"),
    [
        (35.4, None, Standing.PASSED, Reason.OK),
        (37.31, None, Standing.FAILED, Reason.FEVER),
        (36.5, 37.9, Standing.FAILED, Reason.FEVER),
        (38.0, 36.6, Standing.PASSED, Reason.OK),
        (29.9, None, Standing.FAILED, Reason.COLD_SURFACE),
    ],
)
def test_a_temperature_is_held_against_both_limits(
    raw: float, compensated: float | None, standing: Standing, reason: Reason
) -> None:
    found = replace(HEALTHY, raw_c=raw, compensated_c=compensated)
    result = findings.temperature(found, FeverSettings(), SIZE)
    assert (result.standing, result.reason) == (standing, reason)
    assert result.figures["raw_c"] == raw
    assert result.figures.get("compensated_c") == compensated


def test_a_temperature_says_how_it_came_about() -> None:
    figures = findings.temperature(HEALTHY, FeverSettings(), SIZE, glasses=True).figures
    assert figures["spot"] == "face maximum below the brows"
    assert figures["how"] == "raw"
    assert figures["glasses"] is True
    assert "not ISO screening" in str(figures["sensor"])


@pytest.mark.parametrize("trouble", list(Trouble))
def test_what_could_not_be_measured_is_unchecked(trouble: Trouble) -> None:
    result = findings.temperature(trouble, FeverSettings(), SIZE)
    lost = trouble is Trouble.NO_REFERENCE
    assert (result.standing, result.reason) == (
        Standing.UNCHECKED,
        Reason.NO_REFERENCE if lost else Reason.FACE_NOT_CLEAR,
    )


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_is_a_result(verdict: Verdict) -> None:
    result = findings.liveness(verdict, None)
    standings = {Verdict.LIVING: Standing.PASSED, Verdict.TOO_COARSE: Standing.UNCHECKED}
    assert result.standing is standings.get(verdict, Standing.FAILED)
    assert (result.reason is Reason.OK) == (verdict is Verdict.LIVING)
    assert result.figures["verdict"] == verdict.value


@pytest.mark.parametrize("verdict", list(Verdict))
def test_nothing_is_said_of_a_face_that_moves(verdict: Verdict) -> None:
    result = findings.liveness(verdict, None, steady=False)
    assert (result.standing, result.reason) == (Standing.UNCHECKED, Reason.FACE_NOT_CLEAR)
    assert (result.figures["verdict"], result.figures["moved"]) == (verdict.value, True)


@pytest.mark.parametrize(
    ("score", "standing"), [(0.9, Standing.PASSED), (0.5, Standing.UNCHECKED), (0.1, Standing.FAILED)]
)
def test_a_mask_that_is_not_sure_is_unchecked(score: float, standing: Standing) -> None:
    assert findings.mask(Cover(score=score, figures={})).standing is standing

"""A warmth counts for the face that was there when it was taken."""

import numpy as np
import pytest

from edge.gate.api import Check, CheckResult, Reason, Standing
from edge.gate.eyes.ownership import Ownership
from models.face.search import Metric

LIVING = CheckResult.passed(Check.LIVENESS, warmth_c=34.0)
HERS = np.eye(128, dtype=np.float32)[0]
HIS = np.eye(128, dtype=np.float32)[1]


@pytest.fixture(params=list(Metric))
def one(request: pytest.FixtureRequest) -> Ownership:
    return Ownership(request.param)


def test_a_photograph_that_is_raised_between_two_pictures_does_not_get_the_warmth_of_who_raised_it(
    one: Ownership,
) -> None:
    one.saw(HIS, 10.0)
    one.saw(HIS, 10.2)
    assert one.of_this_face(LIVING, 10.1) is LIVING
    one.saw(HERS, 10.4)
    for at_s, taken_s in ((10.4, 10.2), (10.6, 10.39)):
        one.saw(HERS, at_s)
        found = one.of_this_face(LIVING, taken_s)
        assert (found.standing, found.reason) == (Standing.UNCHECKED, Reason.FACE_NOT_CLEAR)
        assert "warmth_c" not in found.figures
    assert one.of_this_face(LIVING, 10.4) is LIVING


def test_the_first_face_of_all_needs_a_warmth_of_its_own_too(one: Ownership) -> None:
    one.saw(HERS, 5.0)
    assert one.of_this_face(LIVING, 4.9).standing is Standing.UNCHECKED
    assert one.of_this_face(LIVING, 5.0) is LIVING


def test_who_stays_is_not_asked_again(one: Ownership) -> None:
    for at_s in (1.0, 1.2, 1.4):
        one.saw(HERS + np.float32(0.01) * HIS, at_s)
        one.saw(HERS, at_s + 0.1)
    assert one.of_this_face(LIVING, 1.0) is LIVING


def test_who_comes_back_needs_a_warmth_of_this_visit(one: Ownership) -> None:
    one.saw(HERS, 1.0)
    one.saw(None, 1.2)
    one.saw(HERS, 1.4)
    assert one.of_this_face(LIVING, 1.0) is LIVING
    one.saw(None, 1.6)
    one.saw(None, 1.8)
    one.saw(HERS, 60.0)  # a photograph of hers, before a face that was covered until then
    assert one.of_this_face(LIVING, 59.8).standing is Standing.UNCHECKED
    assert one.of_this_face(LIVING, 60.0) is LIVING


def test_what_was_not_checked_stays_as_it_is(one: Ownership) -> None:
    one.saw(HERS, 5.0)
    away = CheckResult.unchecked(Check.TEMPERATURE, Reason.NO_THERMAL_CAMERA)
    assert one.of_this_face(away, 0.0) is away

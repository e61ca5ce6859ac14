"""From looks to an alignment: by places or by the head's size, whatever of the looks is wrong."""

from itertools import product

import numpy as np
import pytest

from edge.gate.eyes.aligning import CannotAlign, Sighting, measure
from edge.gate.eyes.alignment import visible_to_thermal
from models.face.frame import mapped
from models.face.geometry import Similarity

VISIBLE, THERMAL = (480, 640), (120, 160)
SAME = visible_to_thermal(None, VISIBLE, THERMAL)
TRUE = Similarity(turn=complex(0.3, 0.01), shift=complex(-14, 9))


def sighting(x: float, y: float, *, noise: complex = 0j, scale: float = 1.2) -> Sighting:
    felt = TRUE.turn * complex(x, y) + TRUE.shift + noise
    return Sighting(seen=(x, y), felt=(felt.real, felt.imag), eyes_px=12.0, scale=scale)


def about(places: list[tuple[float, float]], seed: int = 1, spread: float = 0.3) -> list[Sighting]:
    chance = np.random.default_rng(seed)
    return [sighting(x, y, noise=complex(*chance.normal(0, spread, 2))) for x, y in places]


PLACES = [(x, y) for x, y in product((160.0, 320.0, 480.0), (180.0, 220.0, 260.0, 200.0))]


def test_places_far_apart_make_scale_turn_and_shift() -> None:
    found = measure(about(PLACES), SAME, VISIBLE, THERMAL)
    assert found.by_places
    assert found.fits
    assert found.rms_px < 0.6
    back = visible_to_thermal(found.align, VISIBLE, THERMAL)
    for corner in ((0.0, 0.0), (639.0, 479.0), (320.0, 240.0)):
        there = mapped(back, np.array([corner]))[0]
        assert np.hypot(*(there - np.array(TRUE.point(*corner)))) < 1.0
    assert found.scale == pytest.approx(abs(TRUE.turn), rel=0.01)
    assert found.before_px > 5


def test_the_alignment_that_was_found_lies_off_by_nothing() -> None:
    found = measure(about(PLACES, spread=0.0), SAME, VISIBLE, THERMAL)
    again = measure(about(PLACES, spread=0.0), visible_to_thermal(found.align, VISIBLE, THERMAL), VISIBLE, THERMAL)
    assert again.before_px < 0.05
    assert again.align == found.align


def test_a_few_wrong_looks_are_left_out() -> None:
    wrong = [sighting(300.0, 200.0, noise=complex(30, -20)), sighting(350.0, 230.0, noise=complex(-25, 10))]
    found = measure([*about(PLACES), *wrong], SAME, VISIBLE, THERMAL)
    assert found.left_out == 2
    assert found.rms_px < 0.6


def test_from_one_place_the_scale_is_that_of_the_head() -> None:
    places = [(315.0 + step, 210.0) for step in range(10)]
    found = measure(about(places), SAME, VISIBLE, THERMAL)
    assert not found.by_places
    assert found.scale == pytest.approx(0.25 * 1.2)
    assert found.fits


def test_looks_that_do_not_agree_fit_nothing() -> None:
    chance = np.random.default_rng(3)
    found = measure(
        [sighting(x, y, noise=complex(*chance.normal(0, 15, 2))) for x, y in PLACES], SAME, VISIBLE, THERMAL
    )
    assert not found.fits


def test_too_few_looks_say_what_to_do() -> None:
    with pytest.raises(CannotAlign, match="stand before the gate"):
        measure(about(PLACES[:4]), SAME, VISIBLE, THERMAL)

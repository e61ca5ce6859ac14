"""Living people, and what pretends to be one, as a thermal camera would see them."""

import numpy as np
import pytest

from models.presence.warmth import Verdict, judge, look_for_warmth, register
from models.temperature.view import ThermalFace
from tests.support.thermal_people import ATTACKS, LIVING, Scene, any_scene, person, print_at_air, shoot, with_glasses

TRIED = 12


def verdicts(name: str) -> list[Verdict]:
    drawing = (LIVING | ATTACKS)[name]
    return [judge(look_for_warmth(shoot(any_scene(7 * seed + 1), drawing))) for seed in range(TRIED)]


@pytest.mark.parametrize("name", sorted(LIVING))
def test_living_people_are_living(name: str) -> None:
    found = verdicts(name)
    assert sum(one is not Verdict.LIVING for one in found) <= 1


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_what_pretends_is_not_living(name: str) -> None:
    assert Verdict.LIVING not in verdicts(name)


def test_a_cold_print_is_cold_and_an_evenly_heated_cut_out_has_no_structure() -> None:
    assert judge(look_for_warmth(shoot(any_scene(3), print_at_air))) is Verdict.COLD
    assert set(verdicts("warm cut-out")) <= {Verdict.EVEN, Verdict.OTHER_SHAPE, Verdict.WRONG_STRUCTURE}


def test_nothing_is_said_of_a_face_with_too_few_thermal_pixels() -> None:
    assert judge(look_for_warmth(shoot(any_scene(4, eyes=6.0), person))) is Verdict.TOO_COARSE


def test_nothing_is_said_of_a_face_outside_of_the_thermal_picture() -> None:
    assert look_for_warmth(shoot(any_scene(4), person).shifted(8.0, 0.0)) is None


@pytest.mark.parametrize("shift", [-0.3, -0.2, 0.0, 0.2, 0.3])
def test_parallax_beside_is_found(shift: float) -> None:
    face = shoot(any_scene(11, parallax=(shift, 0.0), air=20.0), person)
    found, outline = register(face)
    assert found == pytest.approx(-shift, abs=0.15)
    assert outline > 0.85


def test_a_living_face_elsewhere_is_not_this_face() -> None:
    """A photograph is held up beside a living head: the warmth lies two eye distances beside the picture's face."""
    for seed in range(5):
        beside = shoot(any_scene(seed, parallax=(2.0, 0.0)), person)
        assert judge(look_for_warmth(beside)) is not Verdict.LIVING


def test_a_feverish_face_is_as_living_as_another() -> None:
    found = [judge(look_for_warmth(shoot(any_scene(seed, core=39.5), person))) for seed in range(6)]
    assert sum(one is Verdict.LIVING for one in found) >= 5


def test_spectacles_are_known_by_their_cold() -> None:
    warmth = look_for_warmth(shoot(any_scene(6, air=21.0), with_glasses))
    assert warmth is not None
    assert warmth.glasses > 0.3
    assert warmth.corners < 0


def test_an_even_picture_has_no_shape() -> None:
    place = np.array([[12.0, 0.0, 80.0], [0.0, 12.0, 50.0]])
    for celsius in (20.0, 34.0, 60.0):
        face = ThermalFace.of(np.full((120, 160), celsius, np.float32), place)
        assert judge(look_for_warmth(face)) is not Verdict.LIVING
    face = ThermalFace.of(np.full((120, 160), np.nan, np.float32), place)
    assert judge(look_for_warmth(face)) is Verdict.TOO_COARSE


def test_figures_are_numbers_with_names() -> None:
    warmth = look_for_warmth(shoot(Scene(chance=np.random.default_rng(2)), person))
    assert warmth is not None
    figures = warmth.figures()
    assert {"level_c", "outline", "corners", "bare_eyes", "neck"} <= set(figures)
    assert all(np.isfinite(value) for value in figures.values())

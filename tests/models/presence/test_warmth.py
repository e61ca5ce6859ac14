"""Living people, and what pretends to be one, as a thermal camera would see them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.presence.warmth import Limits, Verdict, Warmth, judge, look_for_warmth, register
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


@pytest.mark.parametrize("name", sorted(set(ATTACKS) - {"warm face print"}))
def test_what_pretends_is_not_living(name: str) -> None:
    assert Verdict.LIVING not in verdicts(name)


def test_few_faces_that_are_warmed_into_a_sheet_are_living() -> None:
    """Where the sheet is cut off close around the face, its end is as sharp as a head's: 1 in 30 passes."""
    found = [judge(look_for_warmth(shoot(any_scene(2 * seed), ATTACKS["warm face print"]))) for seed in range(40)]
    assert sum(one is Verdict.LIVING for one in found) <= 3


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


BARE = Warmth(
    eye_distance_px=13.0, seen=1.0, shift=0.0, outline=0.95, level_c=33.8, around_c=22.0, crown=0.6, sides=0.7,
    sheet=0.0, neck=1.02, bare_eyes=-0.03, corners=0.8, glasses=-0.1, spread=0.35,
)  # fmt: skip
"""What a bare face has in a room."""


def changed(**figures: float) -> Warmth:
    return replace(BARE, **figures)


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ({}, Verdict.LIVING),
        ({"corners": -3.0, "glasses": 0.5, "spread": 1.8, "bare_eyes": -2.0}, Verdict.LIVING),  # glasses
        ({"sheet": 0.38, "neck": 0.48, "outline": 0.8}, Verdict.LIVING),  # big hair, and a mask over chin and neck
        ({"sheet": 0.38, "outline": 0.38, "glasses": 0.5, "corners": -1.0}, Verdict.LIVING),  # and glasses
        ({"bare_eyes": 0.03, "neck": 1.05}, Verdict.LIVING),  # a fringe over the brows
        ({"crown": 0.35}, Verdict.OTHER_SHAPE),  # warmth that soaks through a sheet
        ({"sides": 0.3}, Verdict.OTHER_SHAPE),
        ({"sides": 0.3, "corners": -3.0, "glasses": 0.5, "bare_eyes": -2.0}, Verdict.LIVING),  # little skin beside them
        ({"crown": 0.43, "neck": 0.5}, Verdict.OTHER_SHAPE),
        ({"crown": 0.46, "neck": 0.5}, Verdict.LIVING),  # long hair
        ({"sheet": 0.2, "neck": 0.6, "crown": 0.46, "sides": 0.3}, Verdict.OTHER_SHAPE),
        ({"sheet": 0.2, "neck": 0.6, "sides": 0.45}, Verdict.OTHER_SHAPE),
        ({"outline": 0.4, "sides": 0.4}, Verdict.OTHER_SHAPE),
        ({"outline": 0.25}, Verdict.OTHER_SHAPE),
        ({"sheet": 0.6}, Verdict.OTHER_SHAPE),
        ({"neck": 0.1}, Verdict.OTHER_SHAPE),
        ({"bare_eyes": 0.06}, Verdict.WRONG_STRUCTURE),  # eyes in holes
        ({"bare_eyes": 0.01, "neck": 1.1}, Verdict.WRONG_STRUCTURE),  # in paper nearly as warm as skin
        ({"corners": 0.1}, Verdict.WRONG_STRUCTURE),
        ({"corners": 0.5, "spread": 1.3}, Verdict.WRONG_STRUCTURE),  # a hand behind paper
        ({"spread": 0.05, "corners": 0.2}, Verdict.EVEN),
        ({"level_c": 27.0}, Verdict.COLD),
        ({"around_c": 32.5}, Verdict.COLD),
        ({"level_c": 42.0}, Verdict.OTHER_SHAPE),
    ],
)
def test_the_first_limit_that_is_not_kept_says_what_it_is(figures: dict[str, float], verdict: Verdict) -> None:
    assert judge(changed(**figures)) is verdict


@settings(deadline=None)
@given(
    nearer=st.sampled_from(["crown", "sides", "outline", "corners"]),
    by=st.floats(0, 3),
    sheet=st.floats(-0.1, 0.5),
    neck=st.floats(0.2, 1.07),
)
def test_what_is_more_like_a_face_is_never_refused_for_it(nearer: str, by: float, sheet: float, neck: float) -> None:
    before = changed(sheet=sheet, neck=neck)
    after = replace(before, **{nearer: getattr(before, nearer) + by})
    assert judge(before) is Verdict.LIVING
    assert judge(after) is Verdict.LIVING


@given(
    crown=st.floats(-0.2, 1.2), sides=st.floats(-0.2, 1.2), sheet=st.floats(-0.1, 1.0), neck=st.floats(0, 1.5),
    eyes=st.floats(-1, 1),
)  # fmt: skip
def test_nothing_makes_up_for_a_soft_crown_or_eyes_in_holes(
    crown: float, sides: float, sheet: float, neck: float, eyes: float
) -> None:
    limits = Limits()
    verdict = judge(changed(crown=crown, sides=sides, sheet=sheet, neck=neck, bare_eyes=eyes))
    if crown < limits.least_crown or eyes > limits.most_bare_eyes or sheet > limits.most_sheet:
        assert verdict is not Verdict.LIVING

"""How sharply warmth ends: skin at the hair and before a wall, and warmth that soaks through a sheet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.presence.rim import crown, sides
from tests.support.thermal_people import Map, Scene, any_scene, oval, over, shoot, warm_face_print, within


def cut_out(scene: Scene, x: Map, y: Map) -> Map:
    """Draw something warm that ends as a head does."""
    return over(np.full_like(x, scene.air), oval(x, y, 0.3, 1.05, 1.4), scene.core)


def soaked(scene: Scene, x: Map, y: Map) -> Map:
    """Draw the same with a slow end, two thirds of the distance of the eyes wide."""
    away = np.sqrt((x / 1.05) ** 2 + ((y - 0.3) / 1.4) ** 2)
    return scene.air + (scene.core - scene.air) * np.clip((1.35 - away) / 0.7, 0, 1)


def in_hair(scene: Scene, x: Map, y: Map) -> Map:
    """Draw a face in hair that is a third as warm."""
    hair = scene.air + (scene.core - scene.air) / 3
    below = over(np.full_like(x, scene.air), oval(x, y, 0.1, 1.6, 2.2), hair)
    return over(below, oval(x, y, 0.3, 1.05, 1.4), scene.core)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), air=st.floats(5, 28))
def test_skin_ends_sharply_whatever_the_air_and_the_distance(seed: int, air: float) -> None:
    scene = any_scene(seed, air=air, parallax=(0.0, 0.0))
    head = shoot(scene, cut_out)
    contrast = scene.core - air
    assert 0.75 < crown(head) / contrast < 1.25
    assert 0.75 < sides(head) / contrast < 1.25


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), air=st.floats(5, 26))
def test_what_soaks_through_a_sheet_ends_slowly(seed: int, air: float) -> None:
    scene = any_scene(seed, air=air, parallax=(0.0, 0.0))
    sheet = shoot(scene, soaked)
    assert max(crown(sheet), sides(sheet)) / (scene.core - air) < 0.45


def test_hair_takes_a_part_of_the_fall_and_leaves_it_sharp() -> None:
    scene = any_scene(3, parallax=(0.0, 0.0))
    assert crown(shoot(scene, in_hair)) / (scene.core - scene.air) == pytest.approx(2 / 3, abs=0.15)


def test_where_nothing_is_known_nothing_falls() -> None:
    scene = any_scene(5)
    nowhere = shoot(scene, cut_out).shifted(50.0, 0.0)
    assert (crown(nowhere), sides(nowhere)) == (0.0, 0.0)


def test_a_face_warmed_into_a_sheet_ends_slowly_on_every_side() -> None:
    for seed in range(8):
        scene = any_scene(seed, parallax=(0.0, 0.0))
        face = shoot(scene, warm_face_print)
        assert crown(face) < 0.45 * (35 - scene.air)


def test_a_wall_in_the_sun_behind_is_no_fall() -> None:
    def before_a_warm_wall(scene: Scene, x: Map, y: Map) -> Map:
        return over(np.full_like(x, scene.core), within(1.0 - np.abs(x)), scene.core - 3)

    assert sides(shoot(any_scene(2, parallax=(0.0, 0.0)), before_a_warm_wall)) < 0.5

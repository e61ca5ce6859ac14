"""A living head is found wherever it is in the thermal picture, and nothing else is taken for one."""

import numpy as np
import pytest

from edge.gate.eyes.heads import SCALES, Head, find_head
from models.temperature.view import ThermalFace
from tests.support.thermal_people import ATTACKS, LIVING, any_scene, shoot


def believed_elsewhere(seed: int, drawing: str, *, x: float, y: float, scale: float) -> ThermalFace:
    """Draw somebody, and believe them elsewhere and of another size than they are."""
    known = (LIVING | ATTACKS)[drawing]
    face = shoot(any_scene(seed, parallax=(0.0, 0.0)), known)
    place = face.place.copy()
    place[:, :2] /= scale
    return ThermalFace(picture=face.picture, place=place).shifted(-x, -y)


def found(seed: int, drawing: str, *, x: float = 0.0, y: float = 0.0, scale: float = 1.0) -> Head | None:
    return find_head(believed_elsewhere(seed, drawing, x=x, y=y, scale=scale), SCALES)


@pytest.mark.parametrize("drawing", ["bare", "mask", "cap"])
def test_a_face_without_glasses_is_found_to_a_tenth_of_an_eye_distance(drawing: str) -> None:
    near = 0
    for seed in range(12):
        chance = np.random.default_rng(seed)
        x, y, scale = chance.uniform(-4, 4), chance.uniform(-3, 3), float(chance.choice([0.7, 0.9, 1.0, 1.2, 1.4]))
        head = found(seed, drawing, x=x, y=y, scale=scale)
        near += head is not None and np.hypot(head.x - x, head.y - y) / scale < 0.1
    assert near >= 11


def test_it_is_found_where_it_is_expected_too() -> None:
    head = found(3, "bare")
    assert head is not None
    assert (head.x, head.y) == pytest.approx((0, 0), abs=0.1)
    assert head.scale == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("drawing", sorted(ATTACKS))
def test_what_is_no_living_head_is_none(drawing: str) -> None:
    taken = sum(found(seed, drawing, x=1.5, y=1.0) is not None for seed in range(12))
    assert taken <= 2


def test_an_empty_room_has_no_head() -> None:
    chance = np.random.default_rng(4)
    room = chance.normal(22, 0.1, (120, 160)).astype(np.float32)
    place = np.array([[11.0, 0, 80], [0, 11.0, 54]])
    assert find_head(ThermalFace.of(room, place), SCALES) is None
    assert find_head(ThermalFace.of(np.full((120, 160), np.nan, np.float32), place)) is None


def test_of_too_few_pixels_nothing_is_said() -> None:
    place = np.array([[3.0, 0, 80], [0, 3.0, 54]])
    assert find_head(ThermalFace.of(np.full((120, 160), 22, np.float32), place)) is None

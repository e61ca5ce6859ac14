"""What a face's temperature is taken from, what is left out of it, and that nothing is moved toward normal."""

from dataclasses import replace

import numpy as np
import pytest

from models.api import BadPicture, Floats
from models.temperature.skin import (
    Blackbody,
    How,
    SkinTemperature,
    Spot,
    Trouble,
    blackbody_offset,
    measure_skin,
    sensor_class,
)
from models.temperature.view import ThermalFace
from tests.support.thermal_people import Scene, any_scene, person, shoot, with_mask


def flat(eyes: float = 12.0, *, size: tuple[int, int] = (120, 160), skin: float = 34.0) -> ThermalFace:
    """Give an even face of 34 °C in a room of 22 °C, without noise."""
    rows, columns = size
    place = np.array([[eyes, 0.0, columns / 2], [0.0, eyes, rows * 0.4]])
    face = ThermalFace.of(np.full(size, 22.0, np.float32), place)
    x, y = face.frame_places()
    face.picture[(x / 1.1) ** 2 + ((y - 0.4) / 1.6) ** 2 <= 1] = skin
    return face


def spot(face: ThermalFace, x: float, y: float, celsius: float, radius: int = 1) -> ThermalFace:
    column, row = (round(float(one)) for one in face.place @ np.array([x, y, 1.0]))
    picture = face.picture.copy()
    picture[row - radius : row + radius + 1, column - radius : column + radius + 1] = celsius
    return replace(face, picture=picture)


def measured(face: ThermalFace, blackbody: Blackbody | None = None) -> SkinTemperature:
    found = measure_skin(face, blackbody)
    assert isinstance(found, SkinTemperature), found
    return found


def test_where_a_pixel_covers_a_millimetre_the_inner_corner_of_the_eye_is_read() -> None:
    near = spot(spot(flat(60, size=(480, 640)), 0.3, 0.0, 35.4, 2), 0.0, 1.2, 36.9, 2)
    found = measured(near)
    assert found.spot is Spot.INNER_CANTHUS
    assert found.raw_c == pytest.approx(35.4)
    assert found.mm_per_pixel == pytest.approx(1.05)


def test_farther_away_it_is_the_maximum_of_the_face_below_the_brows() -> None:
    found = measured(spot(flat(), 0.0, 1.1, 35.1))
    assert (found.spot, found.how) == (Spot.FACE_MAXIMUM, How.RAW)
    assert found.raw_c == pytest.approx(35.1)
    assert found.compensated_c is None


def test_the_forehead_is_never_measured() -> None:
    assert measured(spot(flat(), 0.0, -0.6, 39.0)).raw_c == pytest.approx(34.0)


@pytest.mark.parametrize("celsius", [30.5, 34.0, 36.5, 38.0, 39.5, 41.0])
def test_no_value_is_moved_toward_what_is_normal(celsius: float) -> None:
    assert measured(flat(skin=celsius)).raw_c == pytest.approx(celsius, abs=1e-4)


@pytest.mark.parametrize("fever", [0.0, 1.0, 2.0, 3.0])
def test_a_warmer_body_reads_warmer_by_as_much(fever: float) -> None:
    def read(core: float) -> float:
        return measured(shoot(any_scene(5, core=core), person)).raw_c

    assert read(36.6 + fever) - read(36.6) == pytest.approx(fever, abs=0.15)


def test_a_mask_leaves_the_eyes_to_be_measured() -> None:
    bare, masked = (measured(shoot(any_scene(8), one)).raw_c for one in (person, with_mask))
    assert masked == pytest.approx(bare, abs=0.8)


@pytest.mark.parametrize(("x", "y"), [(0.4, 1.3), (1.0, 0.4), (0.0, 1.6)])
def test_a_hot_cup_before_the_face_is_not_the_face(x: float, y: float) -> None:
    face = flat()
    cup = np.zeros_like(face.picture)
    column, row = (round(float(one)) for one in face.place @ np.array([x, y, 1.0]))
    rows, columns = np.mgrid[0:120, 0:160]
    cup = 26 * np.exp(-0.5 * (((columns - column) / 2.0) ** 2 + ((rows - row) / 2.0) ** 2))
    found = measured(replace(face, picture=(face.picture + cup).astype(np.float32)))
    assert found.raw_c < 36.6
    assert found.hidden > 0


def test_a_wall_in_the_sun_behind_is_not_the_face() -> None:
    face = flat()
    picture = np.where(face.picture < 30, np.float32(48.0), face.picture)
    assert measured(replace(face, picture=picture)).raw_c == pytest.approx(34.0)


def test_what_is_hot_over_much_of_the_face_leaves_nothing_to_measure() -> None:
    assert measure_skin(flat(skin=55.0)) is Trouble.HIDDEN


def test_a_defective_pixel_is_no_fever_and_a_small_warm_spot_is_one() -> None:
    assert measured(spot(flat(), 0.1, 0.9, 40.0, radius=0)).raw_c == pytest.approx(34.0)
    assert measured(spot(flat(), 0.1, 0.9, 38.4, radius=1)).raw_c == pytest.approx(38.4)


def test_pixels_without_a_temperature_are_left_out_until_they_are_too_many() -> None:
    face = spot(flat(), 0.0, 0.6, float("nan"))
    assert measured(face).raw_c == pytest.approx(34.0)
    empty = replace(face, picture=np.full_like(face.picture, np.nan))
    assert measure_skin(empty) is Trouble.HIDDEN


def test_a_blackbody_compensates_and_the_raw_value_stays() -> None:
    face = flat()
    face.picture[5:15, 5:15] = 36.2  # the camera reads 1.2 K too much
    found = measured(face, Blackbody(left=6, top=6, width=8, height=8, celsius=35.0))
    assert found.raw_c == pytest.approx(34.0)
    assert found.compensated_c == pytest.approx(32.8)
    assert (found.best_c, found.how) == (found.compensated_c, How.BLACKBODY)


@pytest.mark.parametrize("what", ["gone", "covered", "half covered", "outside", "no temperature"])
def test_a_blackbody_that_is_not_seen_says_so_and_nothing_is_measured(what: str) -> None:
    face, left = flat(), 6
    value: dict[str, Floats | float] = {"gone": 22.0, "covered": 29.0, "no temperature": np.nan, "outside": 35.0}
    face.picture[5:15, 5:15] = value.get(what, 35.0)
    if what == "half covered":
        face.picture[5:15, 5:10] = 33.0
    if what == "outside":
        left = 155
    assert measure_skin(face, Blackbody(left=left, top=6, width=8, height=8, celsius=35.0)) is Trouble.NO_REFERENCE


def test_a_blackbody_s_offset_has_no_part_of_normal_in_it() -> None:
    picture = np.full((20, 20), 31.5, np.float32)
    assert blackbody_offset(picture, Blackbody(left=0, top=0, width=20, height=20, celsius=35.0)) == pytest.approx(3.5)


def test_a_face_that_is_small_or_cut_off_is_not_measured() -> None:
    assert measure_skin(flat(3.0, size=(24, 32))) is Trouble.TOO_SMALL
    face = flat()
    assert measure_skin(face.shifted(0.0, 6.0)) is Trouble.OUTSIDE


def test_small_cameras_are_no_screening_thermographs() -> None:
    for rows, columns in ((24, 32), (120, 160), (179, 240), (160, 120)):
        assert "not ISO screening" in sensor_class(rows, columns)
    for rows, columns in ((180, 240), (480, 640), (240, 180)):
        assert "research" not in sensor_class(rows, columns)


def test_what_is_no_thermal_picture_is_refused() -> None:
    with pytest.raises(BadPicture):
        ThermalFace.of(np.zeros((3, 3, 3), np.float32), np.zeros((2, 3)))


def test_living_people_are_measured_in_all_weathers() -> None:
    for seed in range(6):
        scene = any_scene(seed)
        found = measured(shoot(scene, person))
        assert scene.core - 4.5 < found.raw_c < scene.core + 0.5
    assert isinstance(Scene(chance=np.random.default_rng(1)).air, float)

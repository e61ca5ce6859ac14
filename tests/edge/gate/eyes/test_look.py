"""One look with real models: what is found, what is said, what is left out."""

import functools
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from edge.gate.api import Guidance, Reason, Standing
from edge.gate.config import EyesSettings, FeverSettings, ThermalSettings
from edge.gate.eyes.look import Eyes, open_eyes
from models.api import BadPicture, Floats, ModelError, Picture
from models.face.rendered import PERSON, STRANGER, draw_face
from models.manifest import Role, Stack
from models.store import identity
from tests.support.faces import built

SETTINGS = EyesSettings(camera="camera", thermal=ThermalSettings(device="thermal", max_age=timedelta(seconds=1)))


@functools.cache
def folder() -> Path:
    for role in Role:
        built(role)
    return built(Role.DETECTOR).parent


def opened() -> Eyes:
    return open_eyes(SETTINGS, FeverSettings(), models_folder=folder())


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    return opened()


def scene(*places: tuple[int, int], light: float = 1.0) -> Picture:
    picture = np.full((480, 640, 3), 128, dtype=np.uint8)
    for (x, y), look in zip(places, (PERSON, STRANGER), strict=False):
        picture[y - 160 : y + 160, x - 160 : x + 160] = draw_face(look)
    return (picture * light).astype(np.uint8)


def cold() -> Floats:
    return np.full((120, 160), 22.0, dtype=np.float32)


def test_a_face_gives_a_template_of_the_model_that_made_it(eyes: Eyes) -> None:
    glance = eyes.look(scene((320, 240)), cold(), visible_number=7, thermal_number=3)
    assert (glance.visible_number, glance.thermal_number) == (7, 3)
    assert glance.guidance is Guidance.OK
    assert glance.template is not None
    assert glance.template.shape == (128,)
    assert glance.box is not None
    assert glance.face_px == glance.box.width >= 92
    assert glance.model == identity(Stack.DLIB) == eyes.model


def test_a_face_without_warmth_is_no_living_one(eyes: Eyes) -> None:
    glance = eyes.look(scene((320, 240)), cold())
    assert (glance.liveness.standing, glance.liveness.reason) == (Standing.FAILED, Reason.NO_WARMTH)
    assert (glance.temperature.standing, glance.temperature.reason) == (Standing.FAILED, Reason.COLD_SURFACE)


def test_a_picture_that_is_held_up_suddenly_is_not_judged_by_the_warmth_of_who_stood_there() -> None:
    eyes = opened()
    eyes.look(scene(), cold())
    eyes.look(scene(), cold())
    at_once, later = eyes.look(scene((320, 240)), cold()), eyes.look(scene((320, 240)), cold())
    assert (at_once.liveness.standing, at_once.liveness.reason) == (Standing.UNCHECKED, Reason.FACE_NOT_CLEAR)
    assert later.liveness.standing is Standing.FAILED
    aside = eyes.look(scene((350, 240)), cold())
    assert (aside.liveness.standing, aside.liveness.figures["moved"]) == (Standing.UNCHECKED, True)


def test_warmth_that_is_older_than_the_face_says_nothing() -> None:
    eyes = opened()
    picture = scene((320, 240))
    first = eyes.look(picture, cold(), visible_s=1.0, thermal_s=0.9)
    assert (first.liveness.standing, first.temperature.standing) == (Standing.UNCHECKED, Standing.UNCHECKED)
    assert eyes.look(picture, cold(), visible_s=1.1, thermal_s=1.0).liveness.standing is Standing.FAILED


def test_without_a_thermal_picture_liveness_and_temperature_are_unchecked(eyes: Eyes) -> None:
    glance = eyes.look(scene((320, 240)), None)
    assert glance.thermal_number is None
    for result in (glance.liveness, glance.temperature):
        assert (result.standing, result.reason) == (Standing.UNCHECKED, Reason.NO_THERMAL_CAMERA)
    assert glance.template is not None


def test_nobody_is_nobody(eyes: Eyes) -> None:
    glance = eyes.look(scene(), cold())
    assert (glance.guidance, glance.faces, glance.box, glance.template) == (Guidance.NONE, 0, None, None)
    assert glance.mask.reason is Reason.NOBODY


def test_two_beside_each_other_are_asked_to_come_one_by_one(eyes: Eyes) -> None:
    glance = eyes.look(scene((160, 240), (480, 240)), None)
    assert (glance.guidance, glance.faces, glance.template) == (Guidance.ONE_PERSON, 2, None)


def test_a_face_in_the_dark_is_not_described(eyes: Eyes) -> None:
    glance = eyes.look(scene((320, 240), light=0.3), None)
    assert (glance.guidance, glance.template) == (Guidance.TOO_DARK, None)


def test_every_stage_says_what_it_took(eyes: Eyes) -> None:
    took = eyes.look(scene((320, 240)), cold()).took_ms
    stages = {"hints", "detect", "landmarks", "guidance", "liveness", "temperature", "mask", "chip", "describe"}
    assert set(took) == {*stages, "total"}
    assert sum(took[stage] for stage in stages) == pytest.approx(took["total"], abs=2)


def test_what_is_no_picture_is_refused(eyes: Eyes) -> None:
    with pytest.raises(BadPicture, match="a picture is uint8"):
        eyes.look(np.zeros((4, 4), np.uint8), None)
    with pytest.raises(BadPicture, match="temperatures are float32"):
        eyes.look(scene(), np.zeros((4, 4), np.float64))


def test_models_that_are_not_there_are_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="linli models build"):
        open_eyes(SETTINGS, FeverSettings(), models_folder=tmp_path)

"""The gate of quality passes ordinary photographs and drawings, light and dark, and refuses what was spoilt."""

import cv2
import numpy as np
import pytest

from models.api import Picture
from models.face.geometry import Box
from models.face.quality import Flaw, Limits, Quality, flaws, measure_quality
from models.face.rendered import PERSON, STRANGER, Drawing, draw_face
from models.face.stack import FaceStack, make_stack
from models.manifest import Role, Stack
from models.runtime import OnnxNetwork
from tests.support.faces import built, read_picture
from tests.support.shared import shared


@pytest.fixture(scope="module")
def stack() -> FaceStack:
    return make_stack(Stack.DLIB, {role: built(role) for role in Role}, OnnxNetwork)


def measured(stack: FaceStack, picture: Picture) -> Quality | None:
    found = stack.detect(picture)
    if not found:
        return None
    face = max(found, key=lambda one: one.box.area)
    landmarks = stack.landmarks(picture, face)
    return measure_quality(picture, face.box, landmarks, stack.chip(picture, landmarks), stack.name)


def drawing(look: Drawing, light: float = 1.0) -> Picture:
    return draw_face(look, side=400, x=200, y=205, half_width=80, light=light)


def blurred(picture: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8)


@pytest.mark.parametrize("look", [PERSON, STRANGER], ids=["dark skin", "light skin"])
@pytest.mark.parametrize("light", [0.7, 1.0, 1.3])
def test_a_frontal_drawing_is_good(stack: FaceStack, look: Drawing, light: float) -> None:
    quality = measured(stack, drawing(look, light))
    assert quality is not None
    assert flaws(quality, Limits()) == ()


def test_what_is_done_to_a_picture_is_what_is_found(stack: FaceStack) -> None:
    good = drawing(STRANGER)
    half = good.copy()
    half[:, :200] = (half[:, :200] * 0.25).astype(np.uint8)
    turned = cv2.warpAffine(good, cv2.getRotationMatrix2D((200, 205), 28, 1.0), (400, 400), borderValue=(150, 150, 150))
    spoilt = {
        Flaw.TOO_DARK: (good * 0.19).astype(np.uint8),
        Flaw.BLURRED: blurred(good, 5),
        Flaw.ONE_SIDED: half,
        Flaw.TILTED: np.asarray(turned, dtype=np.uint8),
    }
    for flaw, picture in spoilt.items():
        quality = measured(stack, picture)
        assert quality is not None, flaw
        assert flaw in flaws(quality, Limits()), (flaw, quality)


@pytest.mark.parametrize(
    ("flaw", "changes"),
    [
        (Flaw.TOO_SMALL, {"face_px": 89.0}),
        (Flaw.CUT_OFF, {"inside": 0.8}),
        (Flaw.BLURRED, {"sharpness": 5.0}),
        (Flaw.TURNED, {"turn": -0.3}),
        (Flaw.TURNED, {"turn": 0.3}),
        (Flaw.TILTED, {"tilt_deg": -30.0}),
        (Flaw.TOO_DARK, {"brightness": 10.0}),
        (Flaw.TOO_BRIGHT, {"brightness": 240.0}),
        (Flaw.FLAT, {"contrast": 3.0}),
        (Flaw.ONE_SIDED, {"one_sided": 0.9}),
    ],
)
def test_each_limit_has_its_flaw(flaw: Flaw, changes: dict[str, float]) -> None:
    good = {
        "face_px": 120.0, "inside": 1.0, "sharpness": 80.0, "turn": 0.02, "tilt_deg": 1.0, "brightness": 120.0,
        "contrast": 30.0, "one_sided": 0.1,
    }  # fmt: skip
    assert flaws(Quality(**good), Limits()) == ()
    assert flaws(Quality(**(good | changes)), Limits()) == (flaw,)


@pytest.mark.parametrize("stack_name", Stack)
def test_the_nose_says_which_way_a_face_is_turned(stack_name: Stack) -> None:
    if stack_name is Stack.DLIB:
        points = [(60, 50), (50, 50), (20, 50), (30, 50), (40, 70)]
    else:
        points = [(25, 50), (55, 50), (40, 70), (30, 90), (50, 90)]
    landmarks = np.array(points, dtype=np.float64)
    picture = np.full((120, 120, 3), 90, dtype=np.uint8)
    box = Box(left=0, top=0, right=119, bottom=119)
    assert measure_quality(picture, box, landmarks, picture, stack_name).turn == pytest.approx(0.0)
    landmarks[4 if stack_name is Stack.DLIB else 2, 0] += 9
    assert measure_quality(picture, box, landmarks, picture, stack_name).turn == pytest.approx(0.3)
    with pytest.raises(ValueError, match="five points"):
        measure_quality(picture, box, landmarks[:4], picture, stack_name)


def test_real_photographs_pass_and_blurred_ones_do_not(stack: FaceStack) -> None:
    files = sorted((shared("faces") / "johns").glob("*/*.jpg"))[::3]
    found = [measured(stack, read_picture(file)) for file in files]
    assert [flaws(one, Limits()) for one in found if one is not None] == [()] * len(files)
    spoilt = [measured(stack, blurred(read_picture(file), 3)) for file in files]
    assert all(Flaw.BLURRED in flaws(one, Limits()) for one in spoilt if one is not None)

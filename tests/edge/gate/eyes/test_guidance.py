"""What somebody is told to do."""

from dataclasses import replace

import numpy as np
import pytest

from edge.gate.api import Guidance
from edge.gate.eyes.guidance import Look, guide, look_of
from models.face.chip import TARGETS
from models.face.frame import FaceFrame, frame_of
from models.face.geometry import Box, Face
from models.face.rendered import PERSON, draw_face
from models.manifest import Stack

FACE = Face(box=Box(left=100, top=100, right=219, bottom=219), score=1.0)
GOOD = Look(brightness=120.0, clipped=0.0, sharpness=0.5)
FRAME = frame_of(Stack.DLIB, TARGETS)


def told(*faces: Face, frame: FaceFrame | None = FRAME, look: Look | None = GOOD, warm: bool = False) -> Guidance:
    return guide(faces, frame=frame, look=look, stack=Stack.DLIB, smallest=92, warm=warm)


def test_a_good_face_needs_nothing() -> None:
    assert told(FACE) is Guidance.OK


def test_nobody_and_somebody_too_far() -> None:
    assert told() is Guidance.NONE
    assert told(warm=True) is Guidance.CLOSER
    assert told(replace(FACE, box=Box(left=0, top=0, right=59, bottom=59))) is Guidance.CLOSER


def test_one_beside_is_too_many_and_one_far_behind_is_not() -> None:
    beside = replace(FACE, box=FACE.box.moved(200, 0))
    behind = replace(FACE, box=Box(left=400, top=100, right=459, bottom=159))
    assert told(FACE, beside) is Guidance.ONE_PERSON
    assert told(FACE, behind) is Guidance.OK


@pytest.mark.parametrize(
    ("look", "guidance"),
    [
        (replace(GOOD, brightness=20.0), Guidance.TOO_DARK),
        (replace(GOOD, brightness=240.0), Guidance.TOO_BRIGHT),
        (replace(GOOD, clipped=0.5), Guidance.TOO_BRIGHT),
        (replace(GOOD, sharpness=0.001), Guidance.HOLD_STILL),
    ],
)
def test_bad_pictures_say_what_is_bad(look: Look, guidance: Guidance) -> None:
    assert told(FACE, look=look) is guidance


def test_a_face_that_is_turned_or_tilted_is_asked_to_look_straight() -> None:
    turned = TARGETS.copy()
    turned[4, 0] += 25
    assert told(FACE, frame=frame_of(Stack.DLIB, turned)) is Guidance.TURN
    tilted = TARGETS @ np.array([[np.cos(0.6), np.sin(0.6)], [-np.sin(0.6), np.cos(0.6)]])
    assert told(FACE, frame=frame_of(Stack.DLIB, tilted)) is Guidance.TURN
    assert told(FACE, frame=None) is Guidance.TURN


def test_a_blurred_and_a_dark_picture_measure_as_such() -> None:
    picture, box = draw_face(PERSON), Box(left=98, top=100, right=222, bottom=230)
    sharp, dark = look_of(picture, box), look_of((picture * 0.5).astype(np.uint8), box)
    kernel = np.ones(31) / 31
    smeared = np.apply_along_axis(lambda row: np.convolve(row, kernel, mode="same"), 1, picture.astype(float))
    assert dark.brightness == pytest.approx(sharp.brightness / 2, abs=2)
    assert look_of(smeared.astype(np.uint8), box).sharpness < 0.5 * sharp.sharpness
    assert look_of(picture, Box(left=900, top=900, right=950, bottom=950)).brightness == 0

"""The face's own frame is the same whatever stack placed the landmarks."""

import numpy as np
import pytest

from models.api import ModelError
from models.face.chip import TARGETS as DLIB
from models.face.frame import chain, frame_of, mapped
from models.face.sface import TARGETS as SFACE
from models.manifest import Stack


@pytest.mark.parametrize(("stack", "points"), [(Stack.DLIB, DLIB), (Stack.OPENCV_ZOO, SFACE)])
def test_a_mean_face_fits_and_its_eyes_are_one_apart(stack: Stack, points: np.ndarray) -> None:
    frame = frame_of(stack, points)
    assert frame.misfit < 1e-6
    assert abs(frame.nose_offset) < 0.02
    eyes = mapped(frame.matrix(), np.array([(-0.5, 0.0), (0.5, 0.0)]))
    assert np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(frame.eye_distance)
    assert eyes[0, 0] < eyes[1, 0]


def test_both_stacks_put_a_face_of_one_size_into_one_frame() -> None:
    dlib, zoo = frame_of(Stack.DLIB, DLIB), frame_of(Stack.OPENCV_ZOO, SFACE)
    # In dlib's chip of 150 pixels and in SFace's of 112 the eyes lie 52.6 and 35.2 pixels apart.
    assert dlib.eye_distance == pytest.approx(52.6, abs=0.5)
    assert zoo.eye_distance == pytest.approx(35.2, abs=0.5)


def test_landmarks_that_coincide_make_no_face() -> None:
    with pytest.raises(ModelError, match="make no face"):
        frame_of(Stack.DLIB, np.ones((5, 2)))


def test_maps_are_chained() -> None:
    double, shift = np.array([[2.0, 0, 0], [0, 2.0, 0]]), np.array([[1.0, 0, 5], [0, 1.0, 7]])
    assert mapped(chain(double, shift), np.array([[1.0, 1.0]])).tolist() == [[7.0, 9.0]]
    assert mapped(chain(shift, double), np.array([[1.0, 1.0]])).tolist() == [[12.0, 16.0]]

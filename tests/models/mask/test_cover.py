"""Masks drawn over photographs are told from bare faces; error rates are in models/mask/README.md."""

import functools

import numpy as np
import pytest

from models.api import BadPicture, Picture
from models.face.frame import FaceFrame, frame_of
from models.face.rendered import PERSON, draw_face
from models.manifest import Stack
from models.mask.cover import COLUMNS, ROWS, WEIGHTS, figures, look_for_cover, upright
from tests.support.drawn_masks import COLOURS, wear
from tests.support.faces import detector, landmarks, read_picture
from tests.support.shared import shared

PEOPLE = ("John_Salley", "John_Savage", "John_Schneider", "John_Shimkus", "John_Simm")


@functools.cache
def faces() -> tuple[tuple[Picture, FaceFrame], ...]:
    found = []
    for person in PEOPLE:
        for file in sorted(shared("faces", "johns", person).glob("*.jpg"))[::4]:
            picture = read_picture(file)
            boxes = detector().detect(picture)
            if boxes:
                points = landmarks().predict(picture, boxes[0].box)
                found.append((picture, frame_of(Stack.DLIB, points)))
    return tuple(found)


def test_bare_faces_are_bare() -> None:
    scores = [look_for_cover(picture, frame).score for picture, frame in faces()]
    assert len(scores) >= 10
    assert sum(score > 0.4 for score in scores) <= 1


@pytest.mark.parametrize("kind", sorted(COLOURS))
def test_drawn_masks_are_masks(kind: str) -> None:
    scores = [
        look_for_cover(wear(picture, frame, kind, seed), frame).score for seed, (picture, frame) in enumerate(faces())
    ]
    assert sum(score < 0.6 for score in scores) <= 1


def test_a_face_is_made_upright_from_any_turn_and_size() -> None:
    picture = draw_face(PERSON)
    eyes = np.array([(134.0, 150.0), (186.0, 150.0), (160.0, 180.0), (139.0, 210.0), (181.0, 210.0)])
    frame = frame_of(Stack.OPENCV_ZOO, eyes)
    straight = upright(picture, frame)
    assert straight.shape == (ROWS, COLUMNS, 3)
    turned = np.ascontiguousarray(np.rot90(picture, 1))
    # A quarter turn to the left takes (x, y) to (y, width - 1 - x).
    frame_turned = frame_of(Stack.OPENCV_ZOO, np.stack([eyes[:, 1], 319 - eyes[:, 0]], axis=1))
    assert np.abs(straight.astype(int) - upright(turned, frame_turned)).mean() < 3


def test_every_figure_has_a_weight() -> None:
    assert set(figures(np.full((ROWS, COLUMNS, 3), 120, np.uint8))) == set(WEIGHTS)


def test_what_is_no_picture_is_refused() -> None:
    frame = frame_of(Stack.OPENCV_ZOO, np.array([(1.0, 1.0), (5.0, 1.0), (3.0, 3.0), (1.5, 5.5), (4.5, 5.5)]))
    with pytest.raises(BadPicture):
        look_for_cover(np.zeros((5, 5), np.uint8), frame)

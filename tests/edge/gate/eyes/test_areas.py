"""Searching where something is new or warm first: quicker, and never a face less."""

import functools
from collections.abc import Sequence

import numpy as np
import pytest

from edge.gate.eyes.alignment import visible_to_thermal
from edge.gate.eyes.hints import EVERYTHING_EVERY, Hints, warm_places
from models.api import Picture
from models.face.areas import Found, around, block_means, changed_area, search
from models.face.geometry import Box, Face
from models.face.rendered import PERSON, draw_face
from models.face.stack import DlibStack
from tests.support.faces import detector, dlib_itself, landmarks, recogniser

ROOM = np.full((480, 640, 3), 128, dtype=np.uint8)
WHERE = Box(left=200, top=100, right=420, bottom=360)


@functools.cache
def stack() -> DlibStack:
    return DlibStack(detector=detector(), landmarks=landmarks(), recogniser=recogniser())


def scene(x: int = 320, y: int = 240) -> Picture:
    picture = ROOM.copy()
    picture[y - 160 : y + 160, x - 160 : x + 160] = draw_face(PERSON)
    return picture


def test_a_face_in_the_hinted_area_is_found_there() -> None:
    found = search(stack(), scene(), WHERE)
    assert found.area is not None
    assert found.area.meet(WHERE).area == WHERE.area
    assert len(found.faces) == 1


def test_a_wrong_hint_costs_no_face() -> None:
    everywhere = search(stack(), scene(), None)
    for wrong in (Box(left=0, top=0, right=90, bottom=90), Box(left=900, top=0, right=999, bottom=50)):
        found = search(stack(), scene(), wrong)
        assert (found.area, found.faces) == (None, everywhere.faces)


def test_what_is_found_in_an_area_is_what_dlib_finds_in_the_same_pixels() -> None:
    picture = scene()
    found = search(stack(), picture, WHERE)
    assert found.area is not None
    left, top = int(found.area.left), int(found.area.top)
    cut = np.ascontiguousarray(picture[top : int(found.area.bottom) + 1, left : int(found.area.right) + 1])
    ((box, score),) = dlib_itself().detect(cut)
    (face,) = found.faces
    assert face.box == box.moved(left, top)
    assert face.score == pytest.approx(score, abs=1e-3)
    points = stack().landmarks(picture, face)
    assert np.abs(points - dlib_itself().landmarks(picture, face.box)).max() <= 0.5
    template = stack().describe(stack().chip(picture, points))
    assert np.abs(template - dlib_itself().describe(picture, face.box)).max() <= 1e-4


def test_a_large_area_is_searched_as_a_whole_at_once() -> None:
    assert search(stack(), scene(), Box(left=0, top=0, right=600, bottom=440)).area is None


def test_changes_are_found_and_other_light_is_none() -> None:
    before = block_means(ROOM)
    assert changed_area(before, block_means(ROOM + np.uint8(20)), 480, 640) is None
    noisy = np.clip(ROOM + np.random.default_rng(1).normal(0, 8, ROOM.shape), 0, 255).astype(np.uint8)
    assert changed_area(before, block_means(noisy), 480, 640) is None
    changed = changed_area(before, block_means(scene()), 480, 640)
    assert changed is not None
    assert changed.meet(WHERE).area > 0.8 * WHERE.area
    assert changed_area(before, before[:5], 480, 640) == Box(left=0, top=0, right=639, bottom=479)


def test_boxes_are_put_together_with_a_margin() -> None:
    boxes: Sequence[Box] = (Box(left=10, top=10, right=19, bottom=19), Box(left=40, top=0, right=59, bottom=19))
    assert around(boxes, 0.5) == Box(left=5, top=-10, right=69, bottom=29)
    assert around((), 0.5) is None


def test_the_first_look_searches_everywhere_and_then_again_every_few_looks() -> None:
    hints, whole = Hints(), 0
    for _ in range(3 * EVERYTHING_EVERY):
        hint = hints.area(scene(), None, None)
        assert hint.search
        whole += hint.area is None
        hints.after(search_of(hint.area))
    assert whole == 3


def search_of(area: Box | None) -> Found:
    return Found(faces=(Face(box=WHERE, score=1.0),), area=area)


def test_where_nothing_is_new_nobody_is_looked_for() -> None:
    hints = Hints()
    assert hints.area(ROOM, None, None).area is None
    hints.after(Found(faces=(), area=None))
    assert not hints.area(ROOM, None, None).search
    hint = hints.area(scene(), None, None)
    assert hint.search
    assert hint.area is not None


def test_somebody_who_comes_is_hinted_at_by_warmth_too() -> None:
    hints = Hints()
    hints.area(ROOM, None, None)
    hints.after(Found(faces=(), area=None))
    thermal = np.full((120, 160), 22.0, np.float32)
    thermal[20:60, 100:130] = 34.0
    hint = hints.area(ROOM, thermal, visible_to_thermal(None, (480, 640), (120, 160)))
    assert hint.warm
    assert hint.area is not None
    assert hint.area.meet(Box(left=400, top=80, right=519, bottom=239)).area > 0.95 * 120 * 160


def test_hot_things_and_specks_are_no_warm_places() -> None:
    thermal = np.full((120, 160), 22.0, np.float32)
    thermal[10:60, 10:40] = 60.0
    thermal[90:93, 90:93] = 34.0
    assert warm_places(thermal) == []

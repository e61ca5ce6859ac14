"""Both cameras must have had a face in one place: what is said of one that stands, and of one that moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gate.eyes.steadiness import Steadiness
from models.face.frame import FaceFrame
from models.face.geometry import Similarity


def face(x: float = 320.0, eyes: float = 62.0, *, y: float = 200.0) -> FaceFrame:
    return FaceFrame(place=Similarity(turn=complex(eyes, 0), shift=complex(x, y)), nose_offset=0.0, misfit=0.0)


def test_the_first_look_of_all_has_nothing_to_be_held_against() -> None:
    assert Steadiness().saw(face())


def test_a_face_that_was_not_there_a_look_before_is_not_believed_at_once() -> None:
    one = Steadiness()
    assert [one.saw(each) for each in (None, None, face(), face())] == [False, False, False, True]


@pytest.mark.parametrize(
    ("moved", "steady"),
    [
        (face(322.0, 62.5), True),
        (face(316.0), True),
        (face(330.0), False),
        (face(y=210.0), False),
        (face(eyes=67.0), False),
        (face(eyes=57.0), False),
    ],
)
def test_whoever_walks_or_sways_widely_is_not_steady(moved: FaceFrame, *, steady: bool) -> None:
    one = Steadiness()
    one.saw(face())
    assert one.saw(moved) is steady
    assert one.saw(moved)


def test_one_missed_look_is_forgiven_and_two_are_not() -> None:
    one = Steadiness()
    assert [one.saw(each) for each in (face(), None, face())] == [True, False, True]
    assert [one.saw(each) for each in (None, None, face())] == [False, False, False]


@given(eyes=st.floats(30, 200), way=st.floats(0.06, 1.0))
def test_it_does_not_matter_how_large_the_face_is_in_the_picture(eyes: float, way: float) -> None:
    near, far, aside = Steadiness(), Steadiness(), Steadiness()
    for one in (near, far, aside):
        one.saw(face(eyes=eyes))
    assert not near.saw(face(eyes=eyes * (1 + way)))
    assert not aside.saw(face(320.0 + 2.1 * way * eyes, eyes))
    assert far.saw(face(320.0 + 0.1 * way * eyes, eyes))

"""Real models find every simulated person, know them again in other takes, and tell them apart."""

import functools

import cv2
import numpy as np
import pytest

from models.api import Floats, Picture
from models.face.mmod import MmodDetector, MmodOptions
from models.face.stack import DlibStack, FaceStack
from models.manifest import Role as Part
from models.runtime import OnnxNetwork
from simulators.people.attempts import read_act
from simulators.people.cast import Role
from simulators.people.moment import Moment
from simulators.people.portrait import portraits
from simulators.people.take import Light, Pose
from simulators.people.visible import see
from tests.support.faces import built, landmarks, recogniser

THRESHOLD = 0.36
"""Of simulated people alone (`linli bench people`); it says nothing of real ones."""
TAKES = (
    (Pose(half=0.15), Light()),
    (Pose(x=0.08, half=0.14, yaw=0.09, pitch=-0.05, smile=0.7), Light(across=-0.4, strength=0.9)),
    (Pose(x=-0.08, half=0.16, yaw=-0.09, pitch=0.05, brows=0.7), Light(across=0.5, warm=0.3)),
)


@functools.cache
def stack() -> FaceStack:
    quick = MmodDetector(OnnxNetwork(built(Part.DETECTOR)), MmodOptions(smallest=100))
    return DlibStack(detector=quick, landmarks=landmarks(), recogniser=recogniser())


def taken(act: str, take: int) -> Picture:
    pose, light = TAKES[take]
    moment = Moment(act=read_act(act), pose=pose, light=light, visit=take, picture=take)
    done, data = cv2.imencode(".jpg", see(moment, width=640, height=480), [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def described(act: str, take: int) -> Floats:
    picture = taken(act, take)
    (face,) = stack().detect(picture)
    assert face.box.width >= 100
    return stack().describe(stack().chip(picture, stack().landmarks(picture, face)))


def test_people_are_known_again_and_told_apart() -> None:
    people = [f"resident {number}" for number in (1, 90, 200)] + ["stranger 3", "visitor 2"]
    templates = {person: [described(person, take) for take in range(len(TAKES))] for person in people}
    for person, own in templates.items():
        assert max(float(np.linalg.norm(own[0] - other)) for other in own[1:]) < THRESHOLD, person
        others = [one for name, takes in templates.items() if name != person for one in takes]
        assert min(float(np.linalg.norm(own[0] - other)) for other in others) > THRESHOLD, person


def test_a_portrait_is_of_the_person_who_comes() -> None:
    for picture in portraits(Role.RESIDENT, 90):
        (face,) = stack().detect(picture)
        template = stack().describe(stack().chip(picture, stack().landmarks(picture, face)))
        assert float(np.linalg.norm(template - described("resident 90", 0))) < THRESHOLD


@pytest.mark.parametrize("kind", ["print", "screen"])
def test_a_presented_face_is_the_face_that_is_shown(kind: str) -> None:
    shown, real = described(f"{kind} resident 90", 0), described("resident 90", 0)
    assert float(np.linalg.norm(shown - real)) < THRESHOLD + 0.05


def test_two_people_are_two_faces_and_nobody_is_none() -> None:
    assert len(stack().detect(taken("two resident 5", 0))) == 2
    assert stack().detect(taken("nobody", 0)) == ()

"""Real photographs and the real model: people are enrolled once, known by other pictures, taken for nobody else."""

from pathlib import Path

import numpy as np
import pytest

from edge.gate.people.api import AlreadyEnrolled, NotGoodEnough, UnknownPerson
from edge.gate.people.enrolment import DIFFERENT_PEOPLE, Enrolment
from edge.gate.people.people import People, open_people
from models.api import Picture
from models.face.quality import Flaw
from models.face.stack import FaceStack, make_stack
from models.manifest import Role, Stack
from models.runtime import OnnxNetwork
from models.store import identity
from tests.support.faces import built, read_picture
from tests.support.gate_people import Clock, consent, roll_of
from tests.support.shared import shared

MODEL = identity(Stack.DLIB)


@pytest.fixture(scope="module")
def stack() -> FaceStack:
    return make_stack(Stack.DLIB, {role: built(role) for role in Role}, OnnxNetwork)


@pytest.fixture(scope="module")
def johns() -> list[list[Picture]]:
    folders = sorted(one for one in (shared("faces") / "johns").iterdir() if one.is_dir())
    return [[read_picture(file) for file in sorted(folder.glob("*.jpg"))[:6]] for folder in folders]


@pytest.fixture
def people(tmp_path: Path, stack: FaceStack) -> People:
    found = open_people(
        tmp_path / "data", tmp_path / "key", gate="edge-1", model=MODEL, metric=stack.metric, authors=stack.threshold,
        clock_ms=Clock(),
    )  # fmt: skip
    found.apply(roll_of(6))
    return found


def test_people_are_known_again_and_nobody_is_enrolled_twice(
    people: People, stack: FaceStack, johns: list[list[Picture]]
) -> None:
    enrolment = Enrolment(people=people, stack=stack, model=MODEL)
    for number, pictures in enumerate(johns):
        done = enrolment.enrol(f"p{number}", pictures[:3], consent=consent(), by="test")
        assert len(done.faces) == 3
        assert all(score <= stack.threshold for score in done.alike)
    for number, pictures in enumerate(johns):
        for picture in pictures[3:]:
            template = enrolment.check(picture).template
            assert template is not None
            found = [people.verify(f"p{other}", template, model=MODEL).person for other in range(len(johns))]
            assert found == [f"p{other}" if other == number else None for other in range(len(johns))]
    with pytest.raises(AlreadyEnrolled) as caught:
        enrolment.enrol("p5", johns[2][3:5], consent=consent(), by="test")
    assert caught.value.person == "p2"
    enrolment.enrol("p5", johns[2][3:5], consent=consent(), by="test", although="p2")
    people.close()


def test_pictures_of_two_people_are_no_enrolment_of_one(
    people: People, stack: FaceStack, johns: list[list[Picture]]
) -> None:
    enrolment = Enrolment(people=people, stack=stack, model=MODEL)
    with pytest.raises(NotGoodEnough) as caught:
        enrolment.enrol("p0", [johns[0][0], johns[1][0]], consent=consent(), by="test")
    assert caught.value.reasons == (DIFFERENT_PEOPLE,)
    assert people.counts().faces == 0
    people.close()


def test_two_faces_in_one_picture_or_none_are_refused(
    people: People, stack: FaceStack, johns: list[list[Picture]]
) -> None:
    enrolment = Enrolment(people=people, stack=stack, model=MODEL)
    one, other = johns[0][0], johns[1][0]
    height = min(one.shape[0], other.shape[0])
    both = np.concatenate([one[:height], other[:height]], axis=1)
    report = enrolment.check(both)
    assert (report.flaws, report.faces, report.template, report.good) == ((Flaw.SEVERAL_FACES,), 2, None, False)
    assert enrolment.check(np.full((240, 320, 3), 120, np.uint8)).flaws == (Flaw.NO_FACE,)
    with pytest.raises(NotGoodEnough):
        enrolment.enrol("p0", [both], consent=consent(), by="test")
    with pytest.raises(NotGoodEnough, match="from one to 5"):
        enrolment.enrol("p0", [], consent=consent(), by="test")
    with pytest.raises(UnknownPerson):
        enrolment.enrol("p77", [one], consent=consent(), by="test")
    people.close()

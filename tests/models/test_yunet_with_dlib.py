"""dlib's recogniser behind YuNet: the same faces, dlib's boxes, and templates that stay interchangeable."""

import functools
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from edge.gate.config import EyesSettings, FeverSettings
from edge.gate.eyes.look import open_eyes
from linli import app
from models.api import Floats, ModelError, Picture
from models.face.geometry import Box, Face
from models.face.rendered import PERSON, draw_face
from models.face.search import compare
from models.face.selftest import self_test
from models.face.stack import DlibStack, FaceStack
from models.face.yunet_as_dlib import NEAR, BoxesAsDlib, dlib_box
from models.manifest import Detector, Role, Stack, detector_of, stack_manifests
from models.store import identity, pull, require
from tests.support.faces import built, detector, landmarks, read_picture, recogniser
from tests.support.shared import shared
from tests.support.yunet import files, mixed_stack

SIZES = (1.0, 1.5)
"""The photographs have 150 pixels: faces at dlib's limit of 80, and above it."""


@functools.cache
def dlib() -> DlibStack:
    return DlibStack(detector=detector(), landmarks=landmarks(), recogniser=recogniser())


@functools.cache
def mixed() -> FaceStack:
    return mixed_stack(files())


@functools.cache
def photographs() -> Sequence[tuple[str, Picture]]:
    """Portraits of five people, with room around each and in two sizes."""
    found: list[tuple[str, Picture]] = []
    for person in sorted(shared("faces", "johns").iterdir()):
        for file in sorted(person.iterdir()):
            roomy = cv2.copyMakeBorder(read_picture(file), 30, 30, 30, 30, cv2.BORDER_CONSTANT)
            found += [(person.name, np.asarray(cv2.resize(roomy, None, fx=size, fy=size), np.uint8)) for size in SIZES]
    return found


def main_face(stack: FaceStack, picture: Picture) -> Face:
    return max(stack.detect(picture), key=lambda face: face.box.area)


def template(stack: FaceStack, picture: Picture) -> Floats:
    return stack.describe(stack.chip(picture, stack.landmarks(picture, main_face(stack, picture))))


@functools.cache
def templates(stack: Callable[[], FaceStack]) -> np.ndarray:
    return np.stack([template(stack(), picture) for _, picture in photographs()])


def shared_part(one: Box, other: Box) -> float:
    both = one.meet(other).area
    return both / (one.area + other.area - both)


def test_boxes_are_where_dlib_has_them() -> None:
    boxes = [(main_face(mixed(), picture).box, main_face(dlib(), picture).box) for _, picture in photographs()]
    parts = [shared_part(ours, theirs) for ours, theirs in boxes]
    assert np.median(parts) > 0.75
    assert min(parts) > 0.6
    sides = np.array([ours.width / theirs.width for ours, theirs in boxes])
    assert np.median(sides) == pytest.approx(1, abs=0.08)
    assert np.abs(np.log(sides)).max() < 0.31, "more than a step and a half of dlib's pyramid"


def test_group_pictures_lose_no_face_that_dlib_finds() -> None:
    for file in sorted(shared("faces", "groups").glob("*.jpg")):
        picture = np.asarray(cv2.resize(read_picture(file), None, fx=2, fy=2), np.uint8)
        yunet = mixed().detect(picture)
        theirs = dlib().detect(picture)
        missed = [face for face in theirs if all(shared_part(face.box, one.box) < 0.3 for one in yunet)]
        assert len(missed) <= max(1, len(theirs) // 5), file.name


def test_templates_of_a_picture_are_one_persons_for_either_detector() -> None:
    apart = np.linalg.norm(templates(dlib) - templates(mixed), axis=1)
    assert np.median(apart) < 0.06, "less than dlib's own from one size of a picture to the next"
    assert apart.max() < 0.2, "a third of the distance at which dlib's authors see two people"


@pytest.mark.parametrize("enrolled", [dlib, mixed])
@pytest.mark.parametrize("verified", [dlib, mixed])
def test_whoever_was_enrolled_with_one_is_known_with_either(
    enrolled: Callable[[], FaceStack], verified: Callable[[], FaceStack]
) -> None:
    people = np.array([name for name, _ in photographs()])
    distances = np.linalg.norm(templates(enrolled)[:, None] - templates(verified)[None], axis=2)
    same = people[:, None] == people[None]
    other_pictures = np.arange(len(people))[:, None] // len(SIZES) != np.arange(len(people))[None] // len(SIZES)
    assert distances[same & other_pictures].max() < distances[~same].min()


def test_the_stack_passes_the_self_test_and_names_itself_by_its_recogniser() -> None:
    assert self_test(mixed()) == ()
    assert mixed().name is Stack.DLIB
    # A gallery made before the setting is changed stays good, so nothing that names its templates may change.
    assert identity(Stack.DLIB) == identity(mixed().name)


def test_a_drawn_person_gets_the_same_template_within_dlibs_own_scatter() -> None:
    picture = draw_face(PERSON)
    assert compare(dlib().metric, template(dlib(), picture), template(mixed(), picture)) < 0.25


def test_a_box_is_mapped_in_proportion_to_its_size() -> None:
    box = dlib_box(Box.around(400, 300, 160, 200))
    across = np.sqrt(160 * 200)
    assert (box.width, box.height) == pytest.approx((0.875 * across, 0.875 * across), abs=1)
    assert box.centre == pytest.approx((400 - 0.04 * across, 300 - 0.015 * across), abs=1)


def test_who_is_far_away_is_nobody_yet() -> None:
    person = draw_face(PERSON)
    small = np.full_like(person, 128)
    small[100:196, 100:196] = cv2.resize(person, (96, 96), interpolation=cv2.INTER_AREA)
    width = main_face(mixed(), small).box.width if mixed().detect(small) else 0
    assert width < NEAR * 80 or width == pytest.approx(0.3 * main_face(mixed(), person).box.width, rel=0.25)
    assert mixed_stack(files(), smallest=400).detect(person) == ()


class TwoFaces:
    """A detector that answers with boxes."""

    def detect(self, _: Picture) -> tuple[Face, ...]:
        return tuple(
            Face(box=Box.around(100, 100, side, side), score=0.9, landmarks=np.zeros((5, 2))) for side in (100.0, 40.0)
        )


def test_yunets_landmarks_are_not_taken_for_dlibs() -> None:
    found = BoxesAsDlib(TwoFaces(), smallest=80).detect(draw_face(PERSON))
    assert [(face.landmarks, round(face.box.width)) for face in found] == [(None, 87)]


# ---- files and settings


def test_a_detector_that_a_stack_cannot_take_gives_way_to_its_own() -> None:
    assert detector_of(Stack.DLIB, None) is Detector.DLIB
    assert detector_of(Stack.DLIB, Detector.YUNET) is Detector.YUNET
    assert {detector_of(Stack.OPENCV_ZOO, one) for one in (None, *Detector)} == {Detector.YUNET}
    assert stack_manifests(Stack.DLIB, Detector.YUNET)[Role.DETECTOR].name == "yunet"
    assert stack_manifests(Stack.DLIB, Detector.YUNET)[Role.RECOGNISER].name == "dlib-recogniser"


def test_settings_name_the_detector_and_refuse_what_cannot_be() -> None:
    assert EyesSettings(camera="c").detector is None
    assert EyesSettings(camera="c", detector="yunet").detector == "yunet"
    with pytest.raises(ValidationError, match="drop `detector`"):
        EyesSettings(camera="c", stack="opencv-zoo", detector="dlib")


def folder_with(tmp_path: Path, *roles: Role) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    for role in roles:
        for file in (built(role), built(role).with_name(f"{built(role).name}.json")):
            shutil.copy(file, folder)
    return folder


def test_a_gate_without_yunets_file_says_how_to_get_it(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, *Role)
    settings = EyesSettings(camera="c", detector="yunet")
    with pytest.raises(ModelError, match=r"yunet: not there\. Run `linli models pull yunet --models .*`; without"):
        open_eyes(settings, FeverSettings(), models_folder=folder)


def test_what_is_missing_of_both_kinds_is_built_and_pulled(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Run `linli models build .* and `linli models pull yunet "):
        require(Stack.DLIB, tmp_path, Detector.YUNET)


def test_a_gate_with_yunet_needs_no_detector_of_dlibs(tmp_path: Path) -> None:
    files()  # skips without YuNet
    folder = folder_with(tmp_path, Role.LANDMARKS, Role.RECOGNISER)
    by_hand = tmp_path / "by-hand"
    by_hand.mkdir()
    manifest = stack_manifests(Stack.DLIB, Detector.YUNET)[Role.DETECTOR]
    shutil.copy(shared("yunet_2026may.onnx"), by_hand / manifest.file)
    call = ["models", "pull", "yunet", "--models", str(folder), "--from", str(by_hand)]
    assert CliRunner().invoke(app, call).exit_code == 0
    eyes = open_eyes(EyesSettings(camera="c", detector="yunet"), FeverSettings(), models_folder=folder)
    assert eyes.model == identity(Stack.DLIB)
    glance = eyes.look(np.full((480, 640, 3), 128, np.uint8), None)
    assert (glance.faces, glance.template) == (0, None)
    with pytest.raises(ModelError, match="dlib-detector: not there"):
        open_eyes(EyesSettings(camera="c"), FeverSettings(), models_folder=folder)


def test_the_commands_list_pull_and_verify_yunet(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, *Role)
    runner = CliRunner()
    missing = runner.invoke(app, ["models", "pull", "yunet", "--models", str(folder), "--from", str(tmp_path)])
    assert missing.exit_code == 1
    assert "is not there: fetch https://" in missing.stderr
    pull([stack_manifests(Stack.OPENCV_ZOO)[Role.DETECTOR]], folder, say=lambda _: None, local=_by_hand(tmp_path))
    listed = runner.invoke(app, ["models", "list", "--json", "--models", str(folder)])
    states = {one["name"]: one["problem"] for one in json.loads(listed.stdout)["models"]}
    assert states["yunet"] == ""
    verified = runner.invoke(app, ["models", "verify", "--models", str(folder)])
    assert (verified.exit_code, verified.stdout) == (0, "dlib: good\ndlib with yunet: good\n")
    whole = runner.invoke(app, ["models", "verify", "--models", str(folder), "--stack", "opencv-zoo"])
    assert (whole.exit_code, "sface: not there" in whole.stdout) == (1, True)
    (folder / "dlib-recogniser.onnx").unlink()
    torn = runner.invoke(app, ["models", "verify", "--models", str(folder)])
    assert (torn.exit_code, "dlib-recogniser: not there" in torn.stdout) == (1, True)


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    by_hand = _by_hand(tmp_path)
    (file,) = by_hand.iterdir()
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match="is not what it should be"):
        pull([stack_manifests(Stack.OPENCV_ZOO)[Role.DETECTOR]], tmp_path / "models", say=lambda _: None, local=by_hand)


def _by_hand(tmp_path: Path) -> Path:
    folder = tmp_path / "filled-by-hand"
    folder.mkdir()
    file = stack_manifests(Stack.OPENCV_ZOO)[Role.DETECTOR].file
    shutil.copy(shared("yunet_2026may.onnx"), folder / file)
    return folder

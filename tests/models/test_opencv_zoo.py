"""YuNet and SFace: decoding and warping agree with OpenCV's own code."""

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from models.api import BadPicture, Floats, ModelError, Picture
from models.face.geometry import Box, Face
from models.face.rendered import PERSON, STRANGER, draw_face
from models.face.selftest import self_test
from models.face.sface import SIDE, TARGETS, SFaceRecogniser, warp
from models.face.stack import ZooStack
from models.face.yunet import YuNetDetector, YuNetOptions, decode, prepare
from models.manifest import Role
from models.runtime import OnnxNetwork
from tests.support.faces import built, read_picture
from tests.support.shared import shared


def yunet(options: YuNetOptions | None = None) -> YuNetDetector:
    return YuNetDetector(OnnxNetwork(shared("yunet_2026may.onnx")), options)


class Constant:
    """A network that answers with what it was given, and keeps what it was asked."""

    def __init__(self, values: Floats) -> None:
        self.shapes: Mapping[str, tuple[int | str | None, ...]] = {"data": (1, 3, SIDE, SIDE)}
        self.asked: Floats = np.empty(0, np.float32)
        self._values = values

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Floats]:
        self.asked = inputs["data"].astype(np.float32)
        return {"fc1": self._values}


@pytest.mark.parametrize("name", ["2007_007763", "2008_001322", "2008_004176"])
def test_yunet_finds_what_opencv_finds_with_the_same_network(name: str) -> None:
    picture = read_picture(shared("faces", "groups", f"{name}.jpg"))
    size = (picture.shape[1], picture.shape[0])
    theirs = cv2.FaceDetectorYN.create(str(shared("yunet_2026may.onnx")), "", size, 0.6, 0.3, 5000).detect(picture)[1]
    ours = yunet(YuNetOptions(longest=None, threshold=0.6)).detect(picture)
    assert len(ours) == len(theirs) >= 2
    for face, row in zip(ours, theirs, strict=True):
        assert (face.box.left, face.box.top, face.box.width, face.box.height) == pytest.approx(row[:4], abs=0.05)
        assert face.landmarks is not None
        assert face.landmarks.reshape(-1) == pytest.approx(row[4:14], abs=0.05)
        assert face.score == pytest.approx(row[14], abs=1e-4)


def test_yunet_finds_drawn_faces_and_places_them_after_shrinking() -> None:
    picture = np.concatenate([draw_face(PERSON), draw_face(STRANGER)], axis=1)
    whole = {
        round(face.box.centre[0] / 320 - 0.5): face.box for face in yunet(YuNetOptions(longest=None)).detect(picture)
    }
    small = {
        round(face.box.centre[0] / 320 - 0.5): face.box for face in yunet(YuNetOptions(longest=320)).detect(picture)
    }
    assert set(whole) == set(small) == {0, 1}
    for place, box in whole.items():
        assert box.meet(small[place]).area > 0.8 * box.area


def test_a_decoded_face_lies_where_the_format_says() -> None:
    width, height = 64, 32
    outputs: dict[str, Floats] = {}
    for stride in (8, 16, 32):
        cells = width // stride * (height // stride)
        outputs |= {f"{name}_{stride}": np.zeros((1, cells, 1), np.float32) for name in ("cls", "obj")}
        outputs |= {
            f"bbox_{stride}": np.zeros((1, cells, 4), np.float32),
            f"kps_{stride}": np.zeros((1, cells, 10), np.float32),
        }
    cell = 5  # the second row's second cell at stride 16
    outputs["cls_16"][0, cell], outputs["obj_16"][0, cell] = 1.5, 0.81
    outputs["bbox_16"][0, cell] = (0.5, 0.25, np.log(2), 0)
    outputs["kps_16"][0, cell] = np.arange(10) / 10
    (face,) = decode(outputs, width, threshold=0.5, overlap=0.3)
    assert face.score == pytest.approx(0.9)
    sides = (face.box.left, face.box.top, face.box.right, face.box.bottom)
    assert sides == pytest.approx((8, 12, 39, 27))
    assert face.landmarks is not None
    assert face.landmarks[0].tolist() == pytest.approx([16, 17.6])
    assert face.landmarks[4].tolist() == pytest.approx([16 + 0.8 * 16, 16 + 0.9 * 16])


def test_a_picture_is_padded_with_zeros_right_and_below() -> None:
    blob = prepare(np.full((40, 50, 3), 9, np.uint8))
    assert blob.shape == (1, 3, 64, 64)
    assert blob[0, :, :40, :50].min() == 9
    assert blob.sum() == 9 * 40 * 50 * 3
    assert prepare(np.full((40, 50, 3), 9, np.uint8), 640).shape == (1, 3, 640, 640)


def test_a_face_is_warped_as_opencv_warps_it_for_sface() -> None:
    picture = draw_face(PERSON)
    (face,) = yunet().detect(picture)
    assert face.landmarks is not None
    row = np.array([face.box.left, face.box.top, face.box.width, face.box.height, *face.landmarks.reshape(-1), 1.0])
    # The network is not asked while a face is aligned, so any will do.
    opencv = cv2.FaceRecognizerSF.create(str(built(Role.RECOGNISER)), "")
    theirs = opencv.alignCrop(picture, row.astype(np.float32)[None])
    assert np.abs(warp(picture, face.landmarks).astype(int) - theirs).mean() < 0.5


def test_landmarks_that_are_already_right_leave_the_picture_as_it_is() -> None:
    picture = draw_face(PERSON)[:SIDE, :SIDE]
    assert np.array_equal(warp(picture, TARGETS), picture)


def test_sface_is_fed_red_first_and_its_template_has_length_one() -> None:
    network = Constant(np.arange(1, 129, dtype=np.float32)[None])
    chip = np.zeros((SIDE, SIDE, 3), np.uint8)
    chip[..., 2] = 200
    template = SFaceRecogniser(network).describe(chip)
    assert network.asked[0, 0].min() == 200
    assert network.asked[0, 1:].max() == 0
    assert np.linalg.norm(template) == pytest.approx(1)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_face_without_direction_gives_no_template(value: float) -> None:
    network = Constant(np.full((1, 128), value, np.float32))
    with pytest.raises(ModelError, match="no direction"):
        SFaceRecogniser(network).describe(np.zeros((SIDE, SIDE, 3), np.uint8))


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(picture: Picture) -> None:
    with pytest.raises(BadPicture, match="a picture is uint8"):
        yunet().detect(picture)


def test_a_recogniser_to_whom_all_are_one_is_refused() -> None:
    everyone = SFaceRecogniser(Constant(np.ones((1, 128), np.float32)))
    stack = ZooStack(detector=yunet(), recogniser=everyone)
    assert self_test(stack) == ("it takes a drawn stranger for the drawn person",)


def test_a_face_of_another_detector_has_no_landmarks() -> None:
    stack = ZooStack(detector=yunet(), recogniser=SFaceRecogniser(Constant(np.ones((1, 128), np.float32))))
    face = Face(box=Box(left=0, top=0, right=9, bottom=9), score=1.0)
    with pytest.raises(ModelError, match="another detector"):
        stack.landmarks(draw_face(PERSON), face)
    with pytest.raises(ModelError, match="make no face"):
        stack.chip(draw_face(PERSON), np.zeros((5, 2)))

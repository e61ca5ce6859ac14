"""dlib itself, and the models built from its weights, once a test run."""

import functools
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.api import Floats, Network, Picture
from models.face.geometry import Box, Points
from models.face.landmarks import LandmarkPredictor, read_predictor
from models.face.mmod import MmodDetector
from models.manifest import Manifest, PackageSource, Role, Stack, stack_manifests
from models.runtime import OnnxNetwork
from models.store import build, package_weights

_KEPT = tempfile.TemporaryDirectory(prefix="linli-models-")  # a run of tests builds once; it goes when Python ends


def dlib_manifest(role: Role) -> Manifest:
    return stack_manifests(Stack.DLIB)[role]


def weights_file(role: Role) -> Path:
    source = dlib_manifest(role).source
    assert isinstance(source, PackageSource)
    return package_weights(source)


@functools.cache
def built(role: Role) -> Path:
    (installed,) = build([dlib_manifest(role)], Path(_KEPT.name), say=lambda _: None)
    assert installed.problem == ""
    return installed.path


@functools.cache
def recogniser() -> Network:
    return OnnxNetwork(built(Role.RECOGNISER))


@functools.cache
def detector() -> MmodDetector:
    return MmodDetector(OnnxNetwork(built(Role.DETECTOR)))


@functools.cache
def landmarks() -> LandmarkPredictor:
    return LandmarkPredictor(read_predictor(built(Role.LANDMARKS)))


class Dlib:
    """dlib's own detector, predictor and recogniser on the same weights; pictures are BGR here too."""

    def __init__(self) -> None:
        import dlib  # type: ignore[import-untyped] # it ships no types  # noqa: PLC0415 - slow to load

        self._dlib: Any = dlib
        self._detector = dlib.cnn_face_detection_model_v1(str(weights_file(Role.DETECTOR)))
        self._predictor = dlib.shape_predictor(str(weights_file(Role.LANDMARKS)))
        self._recogniser = dlib.face_recognition_model_v1(str(weights_file(Role.RECOGNISER)))

    def detect(self, picture: Picture) -> list[tuple[Box, float]]:
        found = self._detector(_rgb(picture), 0)
        return [(_box(one.rect), float(one.confidence)) for one in found]

    def landmarks(self, picture: Picture, box: Box) -> Points:
        shape = self._shape(picture, box)
        return np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float64)

    def chip(self, picture: Picture, box: Box) -> Picture:
        chip = self._dlib.get_face_chip(_rgb(picture), self._shape(picture, box), 150, 0.25)
        return np.ascontiguousarray(chip[:, :, ::-1])

    def chip_at(self, picture: Picture, points: Points) -> Picture:
        """Cut the chip for landmarks that are whole numbers."""
        parts = self._dlib.points([self._dlib.point(int(x), int(y)) for x, y in points])
        shape = self._dlib.full_object_detection(self._dlib.rectangle(0, 0, 100, 100), parts)
        return np.ascontiguousarray(self._dlib.get_face_chip(_rgb(picture), shape, 150, 0.25)[:, :, ::-1])

    def describe(self, picture: Picture, box: Box) -> Floats:
        return np.array(
            self._recogniser.compute_face_descriptor(_rgb(picture), self._shape(picture, box)), dtype=np.float32
        )

    def describe_chip(self, chip: Picture) -> Floats:
        return np.array(self._recogniser.compute_face_descriptor(_rgb(chip)), dtype=np.float32)

    def _shape(self, picture: Picture, box: Box) -> Any:
        rectangle = self._dlib.rectangle(int(box.left), int(box.top), int(box.right), int(box.bottom))
        return self._predictor(_rgb(picture), rectangle)


@functools.cache
def dlib_itself() -> Dlib:
    return Dlib()


def read_picture(file: Path) -> Picture:
    picture = cv2.imread(str(file))
    assert picture is not None, file
    return np.asarray(picture, dtype=np.uint8)


def doubled(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    return np.asarray(cv2.resize(picture, (2 * width, 2 * height)), dtype=np.uint8)


def _rgb(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, :, ::-1])


def _box(rect: Any) -> Box:
    return Box(left=rect.left(), top=rect.top(), right=rect.right(), bottom=rect.bottom())

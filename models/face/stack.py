"""A stack: the models that find, place, align and describe a face together, behind one face."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.api import Floats, ModelError, Network, Picture
from models.face.chip import cut_chip
from models.face.detector import FaceDetector
from models.face.geometry import Face, Points
from models.face.landmarks import LandmarkPredictor, read_predictor
from models.face.mmod import MmodDetector, MmodOptions
from models.face.search import Metric
from models.face.sface import SFaceRecogniser, warp
from models.face.yunet import YuNetDetector, YuNetOptions
from models.face.yunet_as_dlib import BoxesAsDlib
from models.manifest import Detector, Role, Stack, detector_of


class FaceStack(Protocol):
    """What finds and describes faces. Pictures are BGR; every method raises BadPicture for what is no picture."""

    name: Stack
    metric: Metric
    threshold: float
    """The score that the model's authors give; a gate calibrates its own."""
    template_size: int

    def detect(self, picture: Picture) -> tuple[Face, ...]:
        """Find faces, the best first."""
        ...

    def landmarks(self, picture: Picture, face: Face) -> Points:
        """Give the five landmarks (5, 2) of a face that `detect` found, in this stack's own meaning."""
        ...

    def chip(self, picture: Picture, landmarks: Points) -> Picture:
        """Cut the face out, upright, as the recogniser takes it; ModelError when the landmarks make no face."""
        ...

    def describe(self, chip: Picture) -> Floats:
        """Give the template of a chip."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class StackOptions:
    """How a stack looks for faces.

    `detector` is not the stack's own where the stack takes another. `smallest` is the side in pixels of the smallest
    box that dlib's detector searches for, at least 80; `longest` the longest side that a picture is reduced to for
    YuNet, None for never. Both make it quicker.
    """

    detector: Detector | None = None
    smallest: int = 80
    longest: int | None = 320


class DlibStack:
    """dlib's models, as built by `linli models build`; its detector, or another that gives boxes as dlib's does."""

    name = Stack.DLIB
    metric = Metric.DISTANCE
    threshold = 0.6
    template_size = 128

    def __init__(self, *, detector: FaceDetector, landmarks: LandmarkPredictor, recogniser: Network) -> None:
        self._detector = detector
        self._landmarks = landmarks
        self._recogniser = recogniser

    def detect(self, picture: Picture) -> tuple[Face, ...]:
        """Find faces; the box alone."""
        return self._detector.detect(picture)

    def landmarks(self, picture: Picture, face: Face) -> Points:
        """Place the corners of the eyes and the base of the nose."""
        return self._landmarks.predict(picture, face.box)

    def chip(self, picture: Picture, landmarks: Points) -> Picture:
        """Cut 150 x 150 pixels."""
        return _aligned(cut_chip, picture, landmarks)

    def describe(self, chip: Picture) -> Floats:
        """Give the template (128,), which has no fixed length."""
        template: Floats = self._recogniser.run({"faces": chip[None]})["embeddings"][0]
        return template


class ZooStack:
    """YuNet and SFace of opencv-zoo, as fetched by `linli models pull`."""

    name = Stack.OPENCV_ZOO
    metric = Metric.COSINE
    threshold = 0.363
    template_size = 128

    def __init__(self, *, detector: YuNetDetector, recogniser: SFaceRecogniser) -> None:
        self._detector = detector
        self._recogniser = recogniser

    def detect(self, picture: Picture) -> tuple[Face, ...]:
        """Find faces with their landmarks."""
        return self._detector.detect(picture)

    def landmarks(self, picture: Picture, face: Face) -> Points:  # noqa: ARG002 - the detector has placed them
        """Give what the detector placed: the eyes, the nose's tip, the corners of the mouth."""
        if face.landmarks is None:
            raise ModelError("this face comes from another detector: it has no landmarks")
        return face.landmarks

    def chip(self, picture: Picture, landmarks: Points) -> Picture:
        """Warp to 112 x 112 pixels."""
        return _aligned(warp, picture, landmarks)

    def describe(self, chip: Picture) -> Floats:
        """Give the template (128,) of length 1."""
        return self._recogniser.describe(chip)


def make_stack(
    name: Stack, files: Mapping[Role, Path], load: Callable[[Path], Network], options: StackOptions | None = None
) -> FaceStack:
    """Put a stack together from its files; `load` makes a network of a file."""
    chosen = options if options is not None else StackOptions()
    network = load(files[Role.DETECTOR])
    if name is Stack.OPENCV_ZOO:
        return ZooStack(
            detector=YuNetDetector(network, YuNetOptions(longest=chosen.longest)),
            recogniser=SFaceRecogniser(load(files[Role.RECOGNISER])),
        )
    detector: FaceDetector
    if detector_of(name, chosen.detector) is Detector.YUNET:
        yunet = YuNetDetector(network, YuNetOptions(longest=chosen.longest))
        detector = BoxesAsDlib(yunet, smallest=chosen.smallest)
    else:
        detector = MmodDetector(network, MmodOptions(smallest=chosen.smallest))
    return DlibStack(
        detector=detector,
        landmarks=LandmarkPredictor(read_predictor(files[Role.LANDMARKS])),
        recogniser=load(files[Role.RECOGNISER]),
    )


def _aligned(cut: Callable[[Picture, Points], Picture], picture: Picture, landmarks: Points) -> Picture:
    try:
        return cut(picture, landmarks)
    except ValueError as error:
        raise ModelError(f"these landmarks make no face: {error}") from error

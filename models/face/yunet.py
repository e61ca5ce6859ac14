"""YuNet, opencv-zoo's face detector: boxes and five landmarks in one run. Facts: opencv_zoo, face_detection_yunet."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.api import Floats, Network, Picture, check_picture
from models.face.geometry import Box, Face

STRIDES = (8, 16, 32)
_MULTIPLE = 32
_MOST = 5000
"""How many candidates are compared with each other at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class YuNetOptions:
    """How to look: the longest side that the picture is reduced to, the least score, the overlap that is one face."""

    longest: int | None = 320
    threshold: float = 0.6
    overlap: float = 0.3


class YuNetDetector:
    """Finds faces with landmarks: the right eye, the left eye, the nose's tip, the right and the left mouth corner.

    Right and left are the person's.
    """

    def __init__(self, network: Network, options: YuNetOptions | None = None) -> None:
        self._network = network
        self._options = options if options is not None else YuNetOptions()
        side = network.shapes["input"][3]
        self._square = side if isinstance(side, int) else None

    def detect(self, picture: Picture) -> tuple[Face, ...]:
        """Find faces, the best first; BadPicture for what is no picture."""
        check_picture(picture)
        options = self._options
        longest = options.longest if self._square is None else min(options.longest or self._square, self._square)
        small, factor = reduce(picture, longest)
        blob = prepare(small, self._square)
        outputs = self._network.run({"input": blob})
        faces = decode(outputs, blob.shape[3], threshold=options.threshold, overlap=options.overlap)
        return tuple(_enlarged(face, factor) for face in faces)


def prepare(picture: Picture, square: int | None = None) -> Floats:
    """Give the network's input (1, 3, height, width): BGR as it is, zeros right and below to a multiple of 32.

    A network whose input is fixed gets a `square` of that side.
    """
    height, width = picture.shape[:2]
    rows, columns = (
        (square, square) if square else (-(-height // _MULTIPLE) * _MULTIPLE, -(-width // _MULTIPLE) * _MULTIPLE)
    )
    blob = np.zeros((1, 3, rows, columns), dtype=np.float32)
    blob[0, :, :height, :width] = picture.transpose(2, 0, 1)
    return blob


def reduce(picture: Picture, longest: int | None) -> tuple[Picture, float]:
    """Shrink a picture, by a whole number, until its longest side fits; give it with the factor that leads back."""
    side = max(picture.shape[:2])
    if longest is None or side <= longest:
        return picture, 1.0
    block = -(-side // longest)
    rows, columns = picture.shape[0] // block, picture.shape[1] // block
    if not rows or not columns:
        return picture, 1.0
    whole = picture[: rows * block, : columns * block]
    small = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8), float(block)


def decode(outputs: Mapping[str, Floats], width: int, *, threshold: float, overlap: float) -> tuple[Face, ...]:
    """Make faces of the network's outputs for an input of this width, best first, one for each place.

    By stride s and cell: score sqrt(cls * obj), centre (cell + offset) * s, size exp(.) * s, landmark (k + cell) * s.
    """
    parts = [_decode_stride(outputs, stride, width // stride) for stride in STRIDES]
    scores, boxes, landmarks = (np.concatenate([part[k] for part in parts]) for k in range(3))
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= threshold][:_MOST]
    kept = _separate(boxes[order], overlap)
    return tuple(_face(boxes[k], float(scores[k]), landmarks[k]) for k in order[kept])


def _decode_stride(
    outputs: Mapping[str, Floats], stride: int, columns: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    cls, obj, box, points = (
        outputs[f"{name}_{stride}"][0].astype(np.float64) for name in ("cls", "obj", "bbox", "kps")
    )
    scores = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
    index = np.arange(scores.size)
    cells = np.stack([index % columns, index // columns], axis=1)
    centres, sizes = (cells + box[:, :2]) * stride, np.exp(np.minimum(box[:, 2:], 20)) * stride
    landmarks = (points.reshape(-1, 5, 2) + cells[:, None]) * stride
    return scores, np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1), landmarks


def _separate(boxes: npt.NDArray[np.float64], overlap: float) -> npt.NDArray[np.intp]:
    """Keep from boxes (count, 4), best first, those that overlap no better one; intersection over union."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    left = np.arange(len(boxes))
    kept: list[int] = []
    while left.size:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        sides = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        left = rest[shared <= overlap * (areas[best] + areas[rest] - shared)]
    return np.array(kept, dtype=np.intp)


def _face(box: npt.NDArray[np.float64], score: float, landmarks: npt.NDArray[np.float64]) -> Face:
    left, top, right, bottom = (float(side) for side in box)
    return Face(box=Box(left=left, top=top, right=right - 1, bottom=bottom - 1), score=score, landmarks=landmarks)


def _enlarged(face: Face, factor: float) -> Face:
    if factor == 1.0:
        return face
    landmarks = None if face.landmarks is None else face.landmarks * factor
    return Face(box=face.box.scaled(factor), score=face.score, landmarks=landmarks)

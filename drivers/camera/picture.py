"""Pictures of a visible camera, and what is measured of them. Needs numpy and OpenCV; no input or output."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.camera.config import Area
from drivers.camera.jpeg import BrokenPicture, check

Image = NDArray[np.uint8]
"""(height, width, 3), blue, green, red, 0 to 255."""

_LOOK_WIDTH = 320  # figures of a smaller picture cost little and say the same


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One picture. `number` counts from 1 over all connections; `at_s` is monotonic, `at_ms` Unix time of its arrival.

    Nobody may write into the image: it is shared.
    """

    image: Image = field(repr=False)
    number: int
    at_s: float
    at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What one picture shows: the mean of its grey values, how far they spread, and how sharp it is.

    `spread` lies between the 5th and the 95th percentile, so that a clock or a name that the camera draws into the
    picture does not count.
    `sharpness` is the variance of the Laplacian, over the picture reduced to 320 pixels of width, so that it does not
    depend on the stream that is chosen. `imprint` is the same only for pictures that are the same in every pixel that
    counts.
    """

    width: int
    height: int
    brightness: float
    spread: float
    sharpness: float
    imprint: bytes = field(repr=False)


def decode(jpeg: bytes) -> Image:
    """Decode a whole JPEG to an image; BrokenPicture for a damaged one."""
    shape = check(jpeg)
    try:
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise BrokenPicture("it cannot be decoded") from error
    if image is None or image.shape[:2] not in {(shape.height, shape.width), (shape.width, shape.height)}:
        raise BrokenPicture("it cannot be decoded")  # turned by its Exif orientation it is still the same picture
    return np.asarray(image, np.uint8)


def look(image: Image, *, ignore: Sequence[Area] = ()) -> Figures:
    """Measure an image; `ignore` (row, column, height, width) does not count for its imprint."""
    height, width = image.shape[:2]
    small = image
    if width > _LOOK_WIDTH:
        size = (_LOOK_WIDTH, max(1, round(height * _LOOK_WIDTH / width)))
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    low, high = np.percentile(grey, (5, 95))
    laplacian = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_64F))[1]
    return Figures(
        width=width,
        height=height,
        brightness=round(float(grey.mean()), 2),
        spread=round(float(high - low), 2),
        sharpness=round(float(laplacian[0, 0]) ** 2, 2),
        imprint=_imprint(image, ignore),
    )


def _imprint(image: Image, ignore: Sequence[Area]) -> bytes:
    if ignore:
        image = image.copy()
        for row, column, height, width in ignore:
            image[row : row + height, column : column + width] = 0
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()

"""What a simulated camera at a gate sees: a courtyard with houses, a clock, and people who walk. Pure."""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.cameras import stamp

Image = NDArray[np.uint8]

_NOISE = 5.0
_COVERED_GREY = 4
_PEOPLE = ((0.05, 0.62, (60, 50, 160)), (-0.08, 0.70, (140, 90, 40)), (0.12, 0.55, (50, 120, 60)))
"""Speed in widths a second, where the feet are (of the height), and the coat's colour."""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """One moment: seconds since the start, Unix time in ms (on the clock and in the stamp), and what is in the way."""

    at_s: float
    at_ms: int
    covered: bool = False
    blinded: bool = False


def render(view: View, *, width: int, height: int, seed: int = 0) -> Image:
    """Draw a moment. No two moments give the same picture, because every sensor has noise."""
    if view.covered:
        image = np.full((height, width, 3), _COVERED_GREY, np.uint8)
    elif view.blinded:
        image = np.full((height, width, 3), 244, np.uint8)
    else:
        image = _still(width, height).copy()
        for number, (speed, feet, coat) in enumerate(_PEOPLE):
            across = (0.3 * number + seed * 0.17 + speed * view.at_s) % 1.2 - 0.1
            _person(image, across, feet, coat, stride=math.sin(6 * view.at_s + number))
    image = _with_noise(image, view.at_ms)
    second, ms = divmod(view.at_ms, 1000)
    text = f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{ms:03d}"
    cv2.putText(image, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
    stamp.draw(image, view.at_ms)
    return image


@lru_cache(maxsize=8)
def _still(width: int, height: int) -> Image:
    """Draw what never moves: sky, two houses with windows, a path, a tree."""
    image = np.empty((height, width, 3), np.uint8)
    horizon = int(0.45 * height)
    sky = np.linspace(200, 235, horizon)[:, None]
    ground = np.linspace(90, 130, height - horizon)[:, None]
    image[:horizon] = np.stack([sky, sky * 0.9, sky * 0.8], axis=-1).astype(np.uint8)
    image[horizon:] = np.stack([ground * 0.8, ground, ground * 0.9], axis=-1).astype(np.uint8)
    for left, right, top in ((0.04, 0.38, 0.08), (0.60, 0.97, 0.15)):
        a, b = (int(left * width), int(top * height)), (int(right * width), int(0.5 * height))
        cv2.rectangle(image, a, b, (120, 140, 165), -1)
        for row in range(3):
            for column in range(5):
                x = a[0] + int((column + 0.25) * (b[0] - a[0]) / 5)
                y = a[1] + int((row + 0.25) * (b[1] - a[1]) / 3)
                size = (int(0.1 * (b[0] - a[0])), int(0.16 * (b[1] - a[1])))
                lit = (90, 190, 230) if (row * 5 + column) % 4 == 0 else (70, 60, 50)
                cv2.rectangle(image, (x, y), (x + size[0], y + size[1]), lit, -1)
    path = np.array([[0.44, 0.45], [0.54, 0.45], [0.72, 1.0], [0.22, 1.0]]) * (width, height)
    cv2.fillPoly(image, [path.astype(np.int32)], (150, 155, 160))
    cv2.circle(image, (int(0.5 * width), int(0.36 * height)), int(0.09 * height), (40, 110, 50), -1)
    cv2.rectangle(
        image, (int(0.492 * width), int(0.42 * height)), (int(0.508 * width), int(0.52 * height)), (40, 60, 90), -1
    )
    return image


def _person(image: Image, across: float, feet: float, coat: tuple[int, int, int], *, stride: float) -> None:
    height, width = image.shape[:2]
    tall = int(0.36 * height * feet)
    x, y = int(across * width), int(min(feet + 0.25, 0.93) * height)
    step = int(0.12 * tall * stride)
    for leg in (-1, 1):
        cv2.line(image, (x, y - tall // 2), (x + leg * step, y), (50, 45, 40), max(tall // 14, 2))
    cv2.ellipse(image, (x, y - int(0.62 * tall)), (tall // 8, tall // 4), 0, 0, 360, coat, -1)
    cv2.circle(image, (x, y - int(0.92 * tall)), max(tall // 13, 2), (140, 170, 215), -1)


@lru_cache(maxsize=4)
def _noise(height: int, width: int) -> NDArray[np.int16]:
    random = np.random.default_rng(1)
    return np.round(random.normal(0, _NOISE, (height, width, 1))).astype(np.int16)


def _with_noise(image: Image, at_ms: int) -> Image:
    """Shift one field of noise about: a new one for each picture would cost more than all the rest."""
    field = _noise(image.shape[0], image.shape[1])
    shifted = np.roll(field, (at_ms * 7919 % image.shape[0], at_ms * 104_729 % image.shape[1]), axis=(0, 1))
    return np.asarray(np.clip(image + shifted, 0, 255), np.uint8)

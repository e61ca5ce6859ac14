"""Drawn faces for self-tests: nobody's photograph is shipped. Pure, and the same on every machine."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.api import Picture

_Mask = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """How a face looks. Colours are BGR from 0 to 255; lengths are parts of the face's half width."""

    skin: tuple[int, int, int] = (140, 170, 215)
    hair: tuple[int, int, int] = (30, 35, 45)
    iris: tuple[int, int, int] = (60, 50, 40)
    lips: tuple[int, int, int] = (90, 90, 170)
    length: float = 1.35
    eye_gap: float = 0.42
    eye_height: float = 0.18
    eye_size: float = 0.17
    brow_height: float = 0.28
    brow_width: float = 0.06
    nose_length: float = 0.45
    nose_width: float = 0.16
    mouth_width: float = 0.36
    mouth_height: float = 0.72
    hairline: float = 0.75
    beard: float = 0.0
    glasses: bool = False


PERSON = Drawing(
    skin=(45, 54, 68),
    length=1.15,
    eye_gap=0.392,
    eye_height=0.233,
    eye_size=0.161,
    brow_height=0.229,
    brow_width=0.124,
    nose_length=0.417,
    nose_width=0.268,
    mouth_width=0.229,
    mouth_height=0.785,
    hairline=0.767,
    beard=0.13,
)
STRANGER = Drawing(
    skin=(128, 154, 192),
    hair=(60, 110, 170),
    length=1.55,
    eye_gap=0.364,
    eye_height=0.256,
    eye_size=0.18,
    brow_height=0.228,
    brow_width=0.132,
    nose_length=0.56,
    nose_width=0.14,
    mouth_width=0.397,
    mouth_height=0.755,
    hairline=0.829,
    beard=0.5,
    glasses=True,
)
"""Two people who must not match."""


def draw_face(
    look: Drawing, *, side: int = 320, x: float = 160, y: float = 165, half_width: float = 62, light: float = 1.0
) -> Picture:
    """Draw a face with its middle at x, y on a plain ground; `light` scales all brightness."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float64)
    u, v = (columns - x) / half_width, (rows - y) / half_width
    shade = 1.0 - 0.22 * np.clip(u, -1.5, 1.5) ** 2 - 0.05 * v
    canvas = np.empty((side, side, 3))
    canvas[:] = (165, 160, 150)
    canvas *= (1.0 - 0.15 * rows / side)[..., None]

    def paint(mask: _Mask, colour: tuple[int, int, int], strength: float = 1.0) -> None:
        part = np.clip(mask * strength, 0, 1)[..., None]
        canvas[:] = canvas * (1 - part) + np.array(colour) * shade[..., None] * part

    dark = tuple(int(0.55 * one) for one in look.skin)
    shadow = (dark[0], dark[1], dark[2])
    paint(_ellipse(u, v - 1.75, 0.95, 0.75), (110, 80, 60))
    paint(_ellipse(u, v - 1.2, 0.45, 0.55), shadow)
    paint(_ellipse(u, v + 0.28, 1.1, look.length), look.hair)
    for sign in (-1, 1):
        paint(_ellipse(u - sign * 1.0, v, 0.13, 0.28), look.skin)
    paint(_ellipse(u, v, 1.0, look.length), look.skin)
    paint(_ellipse(u, v + look.length + 0.1, 1.0, look.length - look.hairline + 0.1), look.hair)
    if look.beard:
        paint(_ellipse(u, v - 0.85, 0.8, 0.6), look.hair, look.beard)
    for sign in (-1, 1):
        eye_u, eye_v = u - sign * look.eye_gap, v + look.eye_height
        paint(_ellipse(eye_u, eye_v + 0.03, 0.3, 0.2), shadow, 0.35)
        paint(_ellipse(eye_u, eye_v, look.eye_size + 0.03, 0.1 + 0.015), (25, 25, 30))
        paint(_ellipse(eye_u, eye_v, look.eye_size, 0.085), (235, 235, 235))
        paint(_ellipse(eye_u, eye_v, 0.085, 0.085), look.iris)
        paint(_ellipse(eye_u, eye_v, 0.04, 0.04), (8, 8, 8))
        brow = v + look.eye_height + look.brow_height - 0.08 * (1 - (eye_u / 0.3) ** 2)
        paint(_ellipse(eye_u, brow, 0.3, look.brow_width), look.hair)
        if look.glasses:
            rim = _ellipse(eye_u, eye_v, 0.35, 0.26) - _ellipse(eye_u, eye_v, 0.29, 0.2)
            paint(rim, (20, 20, 20))
        paint(_ellipse(u - sign * look.nose_width * 0.7, v - look.nose_length + 0.14, 0.09, 0.08), shadow, 0.6)
        paint(_ellipse(u - sign * look.nose_width * 0.55, v - look.nose_length + 0.1, 0.05, 0.035), (20, 20, 35))
    if look.glasses:
        paint(_ellipse(u, v + look.eye_height + 0.05, 0.14, 0.03), (20, 20, 20))
    bright = (min(255, look.skin[0] + 25), min(255, look.skin[1] + 25), min(255, look.skin[2] + 25))
    paint(_ellipse(u, v - look.nose_length / 2 + 0.1, 0.07, look.nose_length / 2), bright, 0.7)
    paint(_ellipse(u - 0.12, v - look.nose_length / 2 + 0.1, 0.04, look.nose_length / 2), shadow, 0.4)
    paint(_ellipse(u, v - look.mouth_height, look.mouth_width, 0.11), look.lips)
    paint(_ellipse(u, v - look.mouth_height, look.mouth_width * 0.95, 0.02), (30, 25, 60))
    paint(_ellipse(u, v - look.mouth_height - 0.2, 0.25, 0.05), shadow, 0.4)
    # A fixed grain instead of noise: smooth drawings are unlike anything a camera gives.
    grain = ((rows * 37 + columns * 59 + (rows * columns) % 13 * 7) % 17 - 8) * 0.6
    finished: Picture = np.clip((canvas + grain[..., None]) * light, 0, 255).astype(np.uint8)
    return finished


def _ellipse(u: _Mask, v: _Mask, a: float, b: float) -> _Mask:
    """Give 1 inside, 0 outside, with a soft rim."""
    distance = np.sqrt((u / a) ** 2 + (v / b) ** 2)
    return np.clip((1 - distance) * min(a, b) * 30 + 0.5, 0, 1)

"""The sheet on which a head is made, and marks on it: numpy fields over lengths u (right) and v (down). Pure."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]

SCALE = 72.0
"""Pixels of the sheet for one half width of a face."""
LEFT, RIGHT, TOP, BOTTOM = -2.0, 2.0, -2.4, 3.2
"""What the sheet covers."""
WIDTH, HEIGHT = round((RIGHT - LEFT) * SCALE), round((BOTTOM - TOP) * SCALE)

_COLUMNS: Field = (LEFT + (np.arange(WIDTH, dtype=np.float32) + 0.5) / SCALE)[None, :]
_ROWS: Field = (TOP + (np.arange(HEIGHT, dtype=np.float32) + 0.5) / SCALE)[:, None]
_FINE = 16.0  # OpenCV draws polygons to parts of a pixel
_SHIFT = 4


def across() -> Field:
    """Give u of every column: (1, WIDTH)."""
    return _COLUMNS


def down() -> Field:
    """Give v of every row: (HEIGHT, 1)."""
    return _ROWS


def spot(u: float, v: float, wide: float, high: float, tilt: float = 0.0) -> Field:
    """Give a bell with its top of 1 at (u, v); `tilt` in radians."""
    x, y = _COLUMNS - np.float32(u), _ROWS - np.float32(v)
    if tilt:
        x, y = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    bell: Field = np.exp(-0.5 * ((x / wide) ** 2 + (y / high) ** 2)).astype(np.float32)
    return bell


def shape(points: Sequence[tuple[float, float]], soft: float = 0.012) -> Field:
    """Give 1 within a polygon of (u, v), 0 without; the rim is `soft` wide."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    corners = (np.array(points) - (LEFT, TOP)) * SCALE - 0.5
    cv2.fillPoly(mask, [np.round(corners * _FINE).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
    return _softened(mask, soft)


def stroke(points: Sequence[tuple[float, float]], thick: float, soft: float = 0.01) -> Field:
    """Give 1 along a line through (u, v) that is `thick` wide."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    corners = (np.array(points) - (LEFT, TOP)) * SCALE - 0.5
    width = max(1, round(thick * SCALE))
    cv2.polylines(
        mask, [np.round(corners * _FINE).astype(np.int32)], isClosed=False, color=255, thickness=width,
        lineType=cv2.LINE_AA, shift=_SHIFT,
    )  # fmt: skip
    return np.asarray(_softened(mask, soft) * min(1.0, thick * SCALE), np.float32)


def disc(u: float, v: float, wide: float, high: float, soft: float = 0.012) -> Field:
    """Give 1 within an ellipse."""
    away = np.sqrt(((_COLUMNS - u) / wide) ** 2 + ((_ROWS - v) / high) ** 2)
    inside: Field = np.clip((1 - away) * min(wide, high) / max(soft, 0.004) + 0.5, 0, 1).astype(np.float32)
    return inside


def curve(left: float, right: float, middle: float, bend: float, rise: float = 0.0) -> list[tuple[float, float]]:
    """Give a parabola from `left` to `right` that passes `middle` + `bend` half way; `rise` tilts it."""
    part = np.linspace(-1, 1, 17)
    us = left + (right - left) * (part + 1) / 2
    vs = middle + bend * (1 - part**2) + rise * part
    return [(float(u), float(v)) for u, v in zip(us, vs, strict=True)]


def cloud(chance: np.random.Generator, wide: float, high: float | None = None) -> Field:
    """Give smooth noise of spread 1, with grains of these lengths."""
    tall = wide if high is None else high
    raw = chance.normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    smooth = cv2.GaussianBlur(raw, (0, 0), sigmaX=max(wide * SCALE, 0.3), sigmaY=max(tall * SCALE, 0.3))
    spread = float(smooth.std())
    return np.asarray(smooth / (spread or 1.0), np.float32)


def blurred(field: Field, length: float) -> Field:
    """Blur over a length."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), length * SCALE), np.float32)


def _softened(mask: npt.NDArray[np.uint8], soft: float) -> Field:
    field = np.asarray(mask.astype(np.float32) / 255, np.float32)
    return blurred(field, soft) if soft * SCALE > 0.3 else field  # noqa: PLR2004 - pixels

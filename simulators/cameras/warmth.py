"""What a simulated thermal camera sees: a cool courtyard, people with warm faces, perhaps a hot cable. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Temperatures = NDArray[np.float32]

AMBIENT = 22.0
FACE = 34.6
FEVER_FACE = 38.6
HOT_SPOT = 96.0
_NOISE = 0.06
_PASSES_IN_S = 12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Warmth:
    """One moment: seconds since the start, and what is abnormal in it."""

    at_s: float
    fever: bool = False
    hot_spot: bool = False
    covered: bool = False


def render(warmth: Warmth, *, width: int, height: int, seed: int = 0) -> Temperatures:
    """Give the (height, width) temperatures of a moment in °C."""
    random = np.random.default_rng([seed, int(warmth.at_s * 1000)])
    field = np.full((height, width), AMBIENT, np.float32)
    if not warmth.covered:
        rows = np.linspace(-1.5, 1.5, height, dtype=np.float32)
        field += rows[:, None]
        across = (warmth.at_s / _PASSES_IN_S) % 1.0
        _person(field, across * 1.2 - 0.1, FEVER_FACE if warmth.fever else FACE)
        if warmth.hot_spot:
            _blob(field, 0.85, 0.15, 0.03, HOT_SPOT)
    return field + random.normal(0, _NOISE, field.shape).astype(np.float32)


def _person(field: Temperatures, across: float, face: float) -> None:
    _blob(field, across, 0.75, 0.16, 29.0)
    _blob(field, across, 0.38, 0.10, face)
    _blob(field, across, 0.36, 0.04, face + 0.4)  # the inner corner of the eye is warmest


def _blob(field: Temperatures, across: float, down: float, radius: float, warm: float) -> None:
    """Warm a round spot: even within, and falling off at its rim."""
    height, width = field.shape
    y, x = np.ogrid[:height, :width]
    distance = np.hypot(x - across * width, y - down * height) / max(radius * height, 1e-6)
    share = np.clip((1.25 - distance) / 0.25, 0, 1).astype(np.float32)
    field += (warm - field) * share

"""The relief of a head: how far each point of the sheet stands out, in half widths of the face. Pure."""

from dataclasses import dataclass

import numpy as np

from simulators.people.fields import Field, across, blurred, down, spot, stroke
from simulators.people.looks import Look

CROWN = -1.65
_DEEP = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """Where a face ends: its half width at each row of the sheet, and its chin."""

    half: Field
    chin: float

    @property
    def inside(self) -> Field:
        """1 within the face and the skull."""
        soft = 0.02
        share: Field = np.clip((self.half - np.abs(across())) / soft + 0.5, 0, 1).astype(np.float32)
        return np.asarray(share * (self.half > 0), np.float32)


def outline(look: Look, *, grown: float = 0.0) -> Outline:
    """Give the outline of a head, `grown` wider all around."""
    chin = look.length
    round_cheeks = 0.06 * look.fat
    places = [CROWN, -1.45, -1.1, -0.6, 0.0, 0.42, 0.8, 1.15, chin - 0.17, chin - 0.04, chin]
    widths = [
        0.0,
        0.68,
        look.forehead * 0.95,
        look.forehead + 0.05,
        1.0,
        0.965 + round_cheeks,
        0.5 * (0.95 + look.jaw) + round_cheeks,
        look.jaw * 0.9 + 1.6 * round_cheeks,
        look.chin + round_cheeks,
        look.chin * 0.58,
        0.0,
    ]
    rows = down()[:, 0]
    # Squares are interpolated, so that both ends are round.
    squared = np.interp(rows, places, np.square(widths), left=0.0, right=0.0).astype(np.float32)
    smooth = np.convolve(squared, np.hanning(15) / np.hanning(15).sum(), mode="same")
    half = np.sqrt(np.maximum(smooth, 0)).astype(np.float32)[:, None]
    return Outline(half=np.asarray(np.where(half > 0, half + grown, 0), np.float32), chin=chin)


def relief(look: Look, edge: Outline) -> Field:
    """Give how far the face stands out of the plane of the ears."""
    u, v = across(), down()
    part = np.clip(np.abs(u) / np.maximum(edge.half, 1e-3), 0, 1)
    wide = np.power(np.clip(1 - np.power(part, look.square), 0, 1), 0.55)
    middle = (edge.chin + CROWN) / 2
    tall = np.clip(1 - np.power(np.abs((v - middle) / ((edge.chin - CROWN) / 2 + 0.02)), 3.0), 0, 1) ** 0.5
    z = (_DEEP * wide * tall).astype(np.float32)
    z += _features(look)
    return blurred(z, 0.02)


def _features(look: Look) -> Field:
    z = np.zeros_like(across() + down())
    for side in (-1.0, 1.0):
        eye = side * look.eye_gap
        z -= (0.08 + 0.10 * look.eye_deep) * spot(eye, -0.03, 0.24, 0.15)
        z += 0.05 * spot(eye, 0.0, 0.15, 0.09)
        z += (0.03 + 0.05 * look.eye_deep * (0.4 if look.female else 1.0)) * spot(eye, -look.brow_rise, 0.28, 0.08)
        z += (0.03 + 0.09 * look.cheekbones) * spot(side * 0.62, 0.38, 0.2, 0.16)
        z += 0.10 * look.fat * spot(side * 0.55, 0.85, 0.24, 0.28)
        z -= 0.07 * (1 - look.fat) * spot(side * 0.60, 0.95, 0.15, 0.22)
        z += 0.12 * spot(side * look.nose_width * 0.72, look.nose_length - 0.09, 0.085, 0.08)
        fold = 0.012 + 0.03 * max(0.0, (look.age - 30) / 50)
        mouth = look.nose_length + look.mouth_down
        z -= fold * blurred(
            stroke(
                [
                    (side * look.nose_width, look.nose_length - 0.08),
                    (side * (look.mouth_width + 0.06), mouth - 0.04),
                    (side * (look.mouth_width + 0.09), mouth + 0.12),
                ],
                0.05,
            ),
            0.025,
        )
        bag = max(0.0, (look.age - 45) / 40)
        z -= 0.03 * bag * spot(eye, 0.17, 0.16, 0.03)
    z += _nose(look)
    mouth = look.nose_length + look.mouth_down
    z += 0.06 * spot(0, mouth, look.mouth_width * 0.8, 0.16)
    z += 0.5 * look.lip_upper * spot(0, mouth - 0.045, look.mouth_width * 0.5, 0.045)
    z += 0.6 * look.lip_lower * spot(0, mouth + 0.06, look.mouth_width * 0.5, 0.05)
    z -= 0.05 * spot(0, mouth + 0.2, 0.22, 0.05)
    z -= 0.02 * spot(0, mouth - 0.16, 0.035, 0.07)
    z += (0.06 + 0.06 * (not look.female)) * spot(0, look.length - 0.2, look.chin * 0.5, 0.12)
    return np.asarray(z, np.float32)


def _nose(look: Look) -> Field:
    """Give bridge and tip: a ridge that rises to the tip and falls below it."""
    end = look.nose_length
    rows = down()[:, 0]
    high = np.interp(
        rows,
        [-0.25, -0.05, end * 0.45, end - 0.16, end - 0.06, end + 0.06],
        [0.0, 0.25 * look.nose_high, 0.6 * look.nose_high, look.nose_high, 0.85 * look.nose_high, 0.0],
        left=0.0,
        right=0.0,
    ).astype(np.float32)[:, None]
    width = np.interp(rows, [-0.2, end * 0.5, end], [0.09, 0.09, look.nose_tip]).astype(np.float32)[:, None]
    ridge = high * np.exp(-0.5 * (across() / width) ** 2)
    return np.asarray(ridge, np.float32)

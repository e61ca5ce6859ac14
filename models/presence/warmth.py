"""Whether the warmth at a face's place is that of a living face: figures by anatomy, then a verdict by limits. Pure."""

from dataclasses import dataclass, fields
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from models.api import Floats
from models.presence import anatomy
from models.presence.anatomy import BOTTOM, LEFT, RIGHT, STEP, TOP, Map, disc, oval, values_at
from models.temperature.view import ThermalFace


class Verdict(StrEnum):
    """What stands before the cameras, by its warmth."""

    LIVING = "living"
    COLD = "cold"
    """No warmth at the face's place: a print, a switched-off screen, a doll."""
    EVEN = "even"
    """Warm without the structure of a face: a screen, a heated print."""
    OTHER_SHAPE = "other shape"
    """Warmth that does not follow the outline of a head: a plate, a hand behind paper."""
    WRONG_STRUCTURE = "wrong structure"
    """Warmth within the outline, in the wrong places: a mask with eye holes, a hand behind paper."""
    TOO_COARSE = "too coarse"
    """The face has too few thermal pixels, or lies out of the picture: nothing is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Warmth:
    """The figures, in K unless said otherwise. Places are those of the face's frame."""

    eye_distance_px: float
    seen: float
    """The part of the face that the thermal picture shows."""
    shift_x: float
    shift_y: float
    """Where the warmth lies from where the alignment has it, in eye distances."""
    outline: float
    """How well warm and cool follow the outline of a head: a correlation, -1 to 1."""
    level_c: float
    """The skin around the eyes: the median of forehead, bridge and upper cheeks, in °C."""
    around_c: float
    """What lies beside and above the head, in °C."""
    corners: float
    """The level less the warmest of the upper corners beside the head."""
    covered: float
    """How much cooler the skin around the eyes is than the eyes themselves."""
    eyes: float
    """How much the inner corners of the eyes stand out of a smooth surface through the face, fitted."""
    glasses: float
    """How much the places of spectacles fall below that surface, fitted."""
    nose: float
    """How much the nose falls below that surface, fitted."""
    explained: float
    """The part of what the smooth surface leaves that anatomy explains, 0 to 1."""
    spread: float
    """What the smooth surface leaves: root mean square."""
    symmetry: float
    """The correlation of what is left with its mirror image, -1 to 1."""

    def figures(self) -> dict[str, float]:
        """Give all by name, for a journal."""
        return {one.name: round(float(getattr(self, one.name)), 3) for one in fields(self)}


_NOTHING = 1e-9
_COARSEST = 6.0
_REACH, _REACH_STEPS = 0.5, 5
"""The parallax that is allowed for: the warmth is looked for so far from where it should be, in eye distances."""


def look_for_warmth(face: ThermalFace) -> Warmth | None:
    """Take the figures; None when the face is too coarse or outside of the thermal picture."""
    if face.eye_distance < _COARSEST:
        return None
    shift_x, shift_y, outline = register(face)
    patch = face.shifted(shift_x, shift_y).sampled(LEFT, TOP, RIGHT, BOTTOM, STEP)
    inner = _INNER()
    seen = float(np.isfinite(patch[inner]).mean())
    if seen < 0.8:  # noqa: PLR2004 - as the temperature's
        return None
    level = _median(patch, _UPPER_SKIN())
    around = _median(patch, _AROUND())
    if not np.isfinite(level):
        return None
    if not np.isfinite(around):
        around = float(np.nanpercentile(face.picture, 20))
    fitted = _fit(patch)
    corner = max(_median(patch, disc(-1.3, -1.35, 0.25)), _median(patch, disc(1.3, -1.35, 0.25)))
    eyes = np.sort(values_at(patch, disc(-0.3, 0.03, 0.2) | disc(0.3, 0.03, 0.2)))
    top = float(np.percentile(eyes, 80)) if eyes.size else float("nan")
    return Warmth(
        eye_distance_px=face.eye_distance,
        seen=seen,
        shift_x=shift_x,
        shift_y=shift_y,
        outline=outline,
        level_c=level,
        around_c=around,
        corners=level - corner if np.isfinite(corner) else level - around,
        covered=top - level,
        eyes=fitted.eyes,
        glasses=fitted.glasses,
        nose=fitted.nose,
        explained=fitted.explained,
        spread=fitted.spread,
        symmetry=fitted.symmetry,
    )


def register(face: ThermalFace) -> tuple[float, float, float]:
    """Find where, near its place, warmth follows a head's outline best: the shift in eye distances, the correlation.

    Two cameras beside each other see a near face shifted against each other; how much depends on its distance.
    """
    step, reach = _REACH / _REACH_STEPS, _REACH
    patch = face.sampled(LEFT - reach, TOP - reach, RIGHT + reach, BOTTOM + reach, step)
    finite = np.isfinite(patch)
    if not finite.any():
        return 0.0, 0.0, 0.0
    filled = np.where(finite, patch, np.median(patch[finite])).astype(np.float32)
    # A lamp or a wall in the sun must not outweigh the head: beyond what skin has, warm is warm.
    filled = np.minimum(filled, np.float32(42.0))
    head, counted = _head_template()
    scores = _correlations(filled, head, counted)
    # Of nearly equal places the nearest to the expected one.
    steps = np.arange(scores.shape[0]) - scores.shape[0] // 2
    away = np.hypot(steps[:, None], steps[None, :]) * step
    row, column = divmod(int((scores - 0.05 * away).argmax()), scores.shape[1])
    return float(steps[column] * step), float(steps[row] * step), float(scores[row, column])


def _correlations(patch: Floats, template: Floats, counted: Floats) -> Floats:
    """Give the normalised correlation of a weighted template at every place of a larger patch."""
    total = float(counted.sum())
    weighted = (template * counted).astype(np.float32)
    first = cv2.matchTemplate(patch, counted, cv2.TM_CCORR)
    second = cv2.matchTemplate(patch * patch, counted, cv2.TM_CCORR)
    cross = cv2.matchTemplate(patch, weighted, cv2.TM_CCORR)
    mean_t = float(weighted.sum()) / total
    spread_t = float((weighted * template).sum()) / total - mean_t**2
    mean = first / total
    spread = np.maximum(second / total - mean**2, 1e-6)
    return np.asarray((cross / total - mean * mean_t) / np.sqrt(spread * spread_t), dtype=np.float32)


def _head_template() -> tuple[Floats, Floats]:
    """Give warm (1) and cool (0) of a head, and what counts of it: the rim between them, the hair, the neck do not."""
    across, down = anatomy.grid()
    face, head = oval(0.95, 1.35, 0.5), oval(1.5, 2.1, 0.25)
    outside = ~head & (down < 0.9) & (np.abs(across) < 2.15)  # noqa: PLR2004 - shoulders and neck lie below
    return face.astype(np.float32), (face | outside).astype(np.float32)


def _INNER() -> npt.NDArray[np.bool_]:  # noqa: N802
    return oval(0.85, 1.1, 0.5)


def _UPPER_SKIN() -> npt.NDArray[np.bool_]:  # noqa: N802
    return disc(0, -0.55, 0.25) | disc(0, -0.05, 0.15) | disc(-0.62, 0.42, 0.18) | disc(0.62, 0.42, 0.18)


def _AROUND() -> npt.NDArray[np.bool_]:  # noqa: N802
    _, down = anatomy.grid()
    return ~oval(1.6, 2.2, 0.25) & (down < 0.9)  # noqa: PLR2004


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    eyes: float
    glasses: float
    nose: float
    explained: float
    spread: float
    symmetry: float


def _fit(patch: Floats) -> _Fit:
    """Fit a smooth surface and the marks of anatomy to the face between brows and mouth, by least squares."""
    across, down = anatomy.grid()
    where = oval(0.82, 0.75, 0.25) & np.isfinite(patch)
    values = patch[where].astype(np.float64)
    x, y = across[where], down[where]
    smooth = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    left = values - smooth @ np.linalg.lstsq(smooth, values, rcond=None)[0]
    marks = np.stack([_detrended(one[where], smooth) for one in _MARKS()], axis=1)
    weights, *_ = np.linalg.lstsq(marks, left, rcond=None)
    total = float((left**2).mean())
    rest = float(((left - marks @ weights) ** 2).mean())
    surface = np.full(patch.shape, np.nan)
    surface[where] = left
    mirrored = surface[:, ::-1]
    both = np.isfinite(surface) & np.isfinite(mirrored)
    a, b = surface[both], mirrored[both]
    power = float((a * a).mean())
    return _Fit(
        eyes=float(weights[0]),
        glasses=-float(weights[1]),
        nose=-float(weights[2]),
        explained=0.0 if total < _NOTHING else 1 - rest / total,
        spread=total**0.5,
        symmetry=0.0 if power < _NOTHING else float((a * b).mean()) / power,
    )


def _MARKS() -> tuple[Map, ...]:  # noqa: N802
    return anatomy.warm_corners(), anatomy.cool_glasses(), anatomy.cool_nose()


def _detrended(mark: Map, smooth: Map) -> Map:
    return np.asarray(mark - smooth @ np.linalg.lstsq(smooth, mark, rcond=None)[0], dtype=np.float64)


def _median(patch: Floats, where: npt.NDArray[np.bool_]) -> float:
    found = values_at(patch, where)
    return float(np.median(found)) if found.size else float("nan")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a living face keeps to. Each says why."""

    least_contrast: float = 2.0
    """Skin keeps its warmth: it stands out of surroundings that are cooler than itself."""
    least_level_c: float = 24.0
    most_level_c: float = 41.0
    least_outline: float = 0.5
    least_corners: float = 1.0
    most_covered: float = 3.5
    """Skin beside the eyes is little cooler than they are; paper with eye holes is much cooler."""
    least_eyes: float = 0.25
    least_glasses: float = 0.8
    least_explained: float = 0.25
    least_spread: float = 0.15
    least_symmetry: float = 0.2


def judge(warmth: Warmth | None, limits: Limits | None = None) -> Verdict:
    """Give the verdict: the first limit that is not kept says what it is."""
    if warmth is None:
        return Verdict.TOO_COARSE
    own = limits if limits is not None else Limits()
    contrast = warmth.level_c - warmth.around_c
    marked = warmth.eyes >= own.least_eyes or warmth.glasses >= own.least_glasses
    broken = (
        (contrast < own.least_contrast or warmth.level_c < own.least_level_c, Verdict.COLD),
        (warmth.outline < own.least_outline or warmth.corners < own.least_corners, Verdict.OTHER_SHAPE),
        (warmth.level_c > own.most_level_c, Verdict.OTHER_SHAPE),
        (warmth.covered > own.most_covered, Verdict.WRONG_STRUCTURE),
        (warmth.spread < own.least_spread, Verdict.EVEN),
        (not marked or warmth.explained < own.least_explained, Verdict.WRONG_STRUCTURE),
        (warmth.symmetry < own.least_symmetry, Verdict.WRONG_STRUCTURE),
    )
    return next((verdict for holds, verdict in broken if holds), Verdict.LIVING)

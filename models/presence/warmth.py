"""Whether the warmth at a face's place is that of a living face: figures by anatomy, then a verdict by limits. Pure."""

import math
from dataclasses import dataclass, fields
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from models.api import Floats
from models.presence import anatomy, rim
from models.presence.anatomy import BOTTOM, LEFT, RIGHT, STEP, TOP, disc, oval, values_at
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
    shift: float
    """Where the warmth lies beside where the alignment has it, in eye distances."""
    outline: float
    """How well warm and cool follow the outline of a head: a correlation, -1 to 1."""
    level_c: float
    """The skin around the eyes: the mean of the two warmer of forehead, bridge and cheeks, in °C."""
    around_c: float
    """What lies beside and above the head, well away from it, in °C."""
    crown: float
    """How steeply the warmth ends above the brows, as a part of what the warmest skin stands out by: see `rim`."""
    sides: float
    """How steeply it ends beside the eyes, likewise."""
    sheet: float
    """How warm it is at both upper corners beside the head, as a part of what the warmest skin stands out by: 0 beside
    a head, which is round, and 1 on an evenly warm sheet."""
    neck: float
    """How warm it is right below the chin, as a part of what the skin around the eyes stands out by."""
    bare_eyes: float
    """How much the middles of the eyes are warmer than the warmest of brows, bridge and cheeks beside them, as a part
    of the contrast between eyes and surroundings: at most 0 for skin, near 1 for eyes behind something cold."""
    corners: float
    """How much the inner corner of each eye is warmer than the bridge between them, than the outer corners, and than
    brow and cheek above and below it: the least of all, in K. One warm place, wherever it is, cannot have two tops."""
    glasses: float
    """How much colder each spectacle glass is than brow and cheek above and below it and than the bridge: the least of
    all, as a part of the contrast between skin and surroundings."""
    spread: float
    """What a smooth surface through the region of the eyes leaves, root mean square, in K."""

    def figures(self) -> dict[str, float]:
        """Give all by name, for a journal."""
        return {one.name: round(float(getattr(self, one.name)), 3) for one in fields(self)}


_EYES_WIDE, _EYES_TOP, _EYES_BOTTOM = 0.7, -0.25, 0.3
_COARSEST = 8.0
"""Thermal pixels between the eyes, below which the inner corners cannot be told from the bridge between them."""
_WIDE, _HIGH, _FINE = 1.0, 0.8, 0.05
_EYES_K = 0.3
"""What the warm corners of the eyes lend to their middles, through the lens."""
_JITTER = (-0.1, -0.05, 0.0, 0.05, 0.1)
"""What registration leaves, and the parallax up and down."""
_REACH, _REACH_STEPS = 0.4, 4
_PULL = 0.04
"""The parallax that is allowed for: the warmth is looked for so far beside where it should be, in eye distances."""


def look_for_warmth(face: ThermalFace) -> Warmth | None:
    """Take the figures; None when the face is too coarse or outside of the thermal picture."""
    if face.eye_distance < _COARSEST:
        return None
    shift, outline = register(face)
    there = face.shifted(shift, 0.0)
    patch = there.sampled(LEFT, TOP, RIGHT, BOTTOM, STEP)
    inner = _INNER()
    seen = float(np.isfinite(patch[inner]).mean())
    if seen < 0.8:  # noqa: PLR2004 - as the temperature's
        return None
    bare = np.sort([_median(patch, place) for place in _UPPER_SKIN()])
    level, warmest = float(bare[1:].mean()), float(bare[-1])
    around = _median(patch, _AROUND())
    if not np.isfinite(level):
        return None
    if not np.isfinite(around):
        around = float(np.nanpercentile(face.picture, 20))
    eyes = there.sampled(-_WIDE, -_HIGH, _WIDE, _HIGH, _FINE)
    stands_out = max(warmest - around, 1.0)
    return Warmth(
        eye_distance_px=face.eye_distance,
        seen=seen,
        shift=shift,
        outline=outline,
        level_c=level,
        around_c=around,
        crown=rim.crown(there) / stands_out,
        sides=rim.sides(there) / stands_out,
        sheet=_sheet(patch, around) / stands_out,
        neck=_neck(patch, level, around),
        bare_eyes=_bare_eyes(eyes, around),
        corners=_corners(eyes),
        glasses=_glasses(eyes) / max(level - around, 1.0),
        spread=_spread(patch),
    )


def _corners(eyes: Floats) -> float:
    """Give the figure at the best of the places where the eyes may be, for what is left of the parallax."""
    fine, soft = _soft(eyes, 3), _soft(eyes, 5)
    return max(_corners_at(fine, soft, x, y) for x in _JITTER for y in (-0.15, *_JITTER, 0.15))


def _corners_at(fine: Floats, soft: Floats, x: float, y: float) -> float:
    bridge = _value(fine, x, y + 0.02)
    found = []
    for side in (-1, 1):
        top = _value(fine, x + side * 0.3, y + 0.03)
        above_below = (_value(soft, x + side * 0.3, y - 0.32) + _value(soft, x + side * 0.35, y + 0.42)) / 2
        found += [top - bridge, top - _value(soft, x + side * 0.65, y + 0.03), top - above_below]
    return min(found)


def _glasses(eyes: Floats) -> float:
    """Give the figure at the best of the places where the eyes may be."""
    soft, glass = _soft(eyes, 3), _soft(eyes, 7)
    return max(_glasses_at(soft, glass, x, y) for x in _JITTER[::2] for y in _JITTER[::2])


def _glasses_at(soft: Floats, glass: Floats, x: float, y: float) -> float:
    bridge = max(_value(soft, x, y + 0.1), _value(soft, x, y + 0.3))
    found = []
    for side in (-1, 1):
        cold = _value(glass, x + side * 0.53, y + 0.07)
        brow, cheek = _value(soft, x + side * 0.5, y - 0.5), _value(soft, x + side * 0.5, y + 0.6)
        found += [brow - cold, cheek - cold, 3 * (bridge - cold)]
    return float(min(found))


def _soft(eyes: Floats, side: int) -> Floats:
    """Give the means of so many by so many values."""
    return np.asarray(cv2.blur(eyes, (side, side)), dtype=np.float32)


def _value(patch: Floats, x: float, y: float) -> float:
    return float(patch[round((y + _HIGH) / _FINE), round((x + _WIDE) / _FINE)])


def _sheet(patch: Floats, far: float) -> float:
    """Give how much warmer both corners are, in K; what is warm on one side alone may stand behind."""
    corners = [_median(patch, disc(side * 1.45, -1.65, 0.15)) for side in (-1, 1)]
    least = min((one for one in corners if np.isfinite(one)), default=far)
    return least - far


def _bare_eyes(eyes: Floats, around: float) -> float:
    """Give the figure at the worst of the places where the eyes may be."""
    soft = _soft(eyes, 5)
    return max(_bare_eyes_at(soft, x, y, around) for x in _JITTER[::2] for y in _JITTER[1:-1])


def _bare_eyes_at(soft: Floats, x: float, y: float, around: float) -> float:
    def pair(across: float, down: float) -> float:
        return (_value(soft, x - across, y + down) + _value(soft, x + across, y + down)) / 2

    # Fringe, cap and mask may cover all but one.
    skin = max(pair(0.5, -0.38), _value(soft, x, y - 0.05), pair(0.5, 0.42))
    middle = pair(0.5, 0.02)
    return (middle - skin - _EYES_K) / max(middle - around, 1.0)


def register(face: ThermalFace) -> tuple[float, float]:
    """Find where, beside its place, the warmth follows a head's outline best: shift in eye distances, correlation.

    Two cameras beside each other see a near face shifted sideways against each other, by its distance. Up and down
    nothing is looked for here: a mask or a cap moves the warm part of a head, and not the head.
    """
    step = _REACH / _REACH_STEPS
    patch = face.sampled(LEFT - _REACH, TOP, RIGHT + _REACH, BOTTOM, step)
    finite = np.isfinite(patch)
    if not finite.any():
        return 0.0, 0.0
    filled = np.where(finite, patch, np.median(patch[finite])).astype(np.float32)
    # A lamp or a wall in the sun must not outweigh the head: beyond what skin has, warm is warm.
    filled = np.minimum(filled, np.float32(42.0))
    head, counted = _head_template()
    scores = _correlations(filled, head, counted)[0]
    # Of nearly equal places the nearest to the expected one.
    shifts = (np.arange(scores.size) - scores.size // 2) * step
    best = int((scores - _PULL * np.abs(shifts)).argmax())
    return float(shifts[best]), float(scores[best])


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


def _UPPER_SKIN() -> tuple[npt.NDArray[np.bool_], ...]:  # noqa: N802
    """Give forehead, bridge and upper cheeks: of the three, hair, glasses, a cap or a mask cover one at most."""
    return disc(0, -0.5, 0.2), disc(0, 0.0, 0.15), disc(-0.55, 0.6, 0.18) | disc(0.55, 0.6, 0.18)


def _neck(patch: Floats, level: float, around: float) -> float:
    """Give the figure at the warmer of two heights: a mask may hang below the chin."""
    across, down = anatomy.grid()
    places = [(np.abs(across) < 0.35) & (down > top) & (down < top + 0.35) for top in (1.85, 2.2)]  # noqa: PLR2004
    found = [one for one in (_median(patch, place) for place in places) if np.isfinite(one)]
    return (max(found) - around) / max(level - around, 1.0) if found else 1.0


def _AROUND() -> npt.NDArray[np.bool_]:  # noqa: N802
    across, down = anatomy.grid()
    return ((np.abs(across) > 2.5) & (down < 0.2)) | (down < -2.6)  # noqa: PLR2004


def _spread(patch: Floats) -> float:
    """Fit a smooth surface through the region of the eyes, and give what it leaves.

    That region is bare also under a mask or a cap, and follows the air less than the rest of a face.
    """
    across, down = anatomy.grid()
    where = (np.abs(across) <= _EYES_WIDE) & (down >= _EYES_TOP) & (down <= _EYES_BOTTOM) & np.isfinite(patch)
    x, y, values = across[where], down[where], patch[where].astype(np.float64)
    smooth = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    left = values - smooth @ np.linalg.lstsq(smooth, values, rcond=None)[0]
    return math.sqrt(float((left**2).mean()))


def _median(patch: Floats, where: npt.NDArray[np.bool_]) -> float:
    found = values_at(patch, where)
    return float(np.median(found)) if found.size else float("nan")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a living face keeps to. Each says why."""

    least_contrast: float = 2.0
    """Skin keeps its warmth: it stands out of surroundings that are cooler than itself."""
    least_level_c: float = 25.0
    level_with_air: float = 0.2
    """Skin around the eyes has at least so much, and a fifth of a degree more for each degree of what is around:
    29.4 °C at 22 °C. Behind paper it is less."""
    most_level_c: float = 41.0
    least_crown: float = 0.43
    least_sides: float = 0.4
    """Skin ends at the hair, or before what lies behind: within what the lens blurs, and not little by little. Glasses
    leave too little skin beside them to say so."""
    sharp: float = 0.48
    """Where crown and sides are so sharp, what is warm around a face is hair; or the face is cut out."""
    hardly_sharp: float = 0.44
    """Hair that is half as warm as skin leaves so much: without a neck below it may as well be paper."""
    least_outline: float = 0.5
    least_sharp_outline: float = 0.3
    """Big hair, glasses and a mask together leave little of a warm oval."""
    most_sheet: float = 0.5
    most_halo: float = 0.09
    least_neck: float = 0.87
    """Where it is not sharp: what is warm beside the head is paper around a heated face, unless there is a neck."""
    least_body: float = 0.2
    """There is a body below the chin: even a coat is warmer than the wall behind."""
    most_bare_eyes: float = 0.04
    """Skin beside the eyes is as warm as they are; paper with eye holes is not."""
    most_neck: float = 1.08
    """Paper that is worn never gets quite as warm as the skin that warms it: the bare neck stands out more. So eyes
    warmer than all beside them are believed only above a neck that does not."""
    least_corners: float = 0.13
    least_share: float = 0.45
    """The corners are most of what there is around the eyes: they stand out by so much of all that stands out."""
    least_glasses: float = 0.25
    least_spread: float = 0.09


def has_glasses(warmth: Warmth | None) -> bool:
    """Say whether spectacles lie over the inner corners of the eyes."""
    return warmth is not None and warmth.glasses >= Limits().least_glasses


def judge(warmth: Warmth | None, limits: Limits | None = None) -> Verdict:
    """Give the verdict: the first limit that is not kept says what it is."""
    if warmth is None:
        return Verdict.TOO_COARSE
    own = limits if limits is not None else Limits()
    contrast = warmth.level_c - warmth.around_c
    coolest = own.least_level_c + own.level_with_air * max(0.0, warmth.around_c)
    glasses = warmth.glasses >= own.least_glasses
    sides = math.inf if glasses else warmth.sides
    sharp = min(warmth.crown, sides)
    soft = warmth.crown < own.least_crown or sides < own.least_sides
    outline = own.least_sharp_outline if sharp >= own.sharp else own.least_outline
    sheet = sharp < own.hardly_sharp or (sharp < own.sharp and warmth.sheet > own.most_halo)
    halo = sheet and warmth.neck < own.least_neck
    holes = warmth.bare_eyes > own.most_bare_eyes or (warmth.bare_eyes > 0 and warmth.neck > own.most_neck)
    corners = max(own.least_corners, own.least_share * warmth.spread)
    marked = warmth.corners >= corners or glasses
    broken = (
        (contrast < own.least_contrast or warmth.level_c < coolest, Verdict.COLD),
        (warmth.outline < outline or soft, Verdict.OTHER_SHAPE),
        (warmth.level_c > own.most_level_c or warmth.sheet > own.most_sheet, Verdict.OTHER_SHAPE),
        (halo or warmth.neck < own.least_body, Verdict.OTHER_SHAPE),
        (holes, Verdict.WRONG_STRUCTURE),
        (warmth.spread < own.least_spread, Verdict.EVEN),
        (not marked, Verdict.WRONG_STRUCTURE),
    )
    return next((verdict for holds, verdict in broken if holds), Verdict.LIVING)

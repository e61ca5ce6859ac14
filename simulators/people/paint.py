"""The colours of a head: skin with its age, eyes, brows, lips, beard, hair, glasses. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from simulators.people.fields import Field, across, blurred, cloud, curve, disc, down, shape, spot, stroke
from simulators.people.hair import paint_hair_before, paint_hair_behind
from simulators.people.head import Outline
from simulators.people.looks import Beard, Colour, Glasses, Look
from simulators.people.sheet import Sheet

_BLACK: Colour = (0.03, 0.03, 0.04)
_WHITE: Colour = (0.86, 0.88, 0.88)
_MASKS: tuple[Colour, ...] = ((0.86, 0.80, 0.66), (0.90, 0.90, 0.90), (0.12, 0.12, 0.12))


@dataclass(frozen=True, kw_only=True, slots=True)
class Painted:
    """A painted head, and where things are on it, from 0 to 1."""

    sheet: Sheet
    skin: Field
    hair: Field
    beard: Field
    glasses: Field


def paint(look: Look, edge: Outline, *, masked: bool = False) -> Painted:
    """Paint a head, perhaps with a mask over mouth and nose."""
    chance = np.random.default_rng(look.texture)
    sheet = Sheet()
    behind = paint_hair_behind(sheet, look, chance)
    bare = _skin(sheet, look, edge, chance)
    _age(sheet, look, chance)
    for side in (-1.0, 1.0):
        _eye(sheet, look, side)
        _brow(sheet, look, side, chance)
    _nose(sheet, look)
    _mouth(sheet, look)
    beard = _beard(sheet, look, edge, chance)
    hair = np.maximum(behind * (1 - bare), paint_hair_before(sheet, look, edge, chance))
    if masked:
        _mask(sheet, look, edge)
    glasses = _glasses(sheet, look)
    return Painted(sheet=sheet, skin=bare, hair=np.asarray(hair, np.float32), beard=beard, glasses=glasses)


def _skin(sheet: Sheet, look: Look, edge: Outline, chance: np.random.Generator) -> Field:
    neck = shape(
        [(-0.56, 0.9), (0.56, 0.9), (0.6, 2.05), (1.2, 2.45), (1.2, 3.2), (-1.2, 3.2), (-1.2, 2.45), (-0.6, 2.05)]
    )
    shade = np.clip((edge.chin + 0.45 - down()) / 0.5, 0, 1)
    sheet.lay(neck, look.skin, shade=1 - 0.4 * shade)
    ears = np.zeros_like(neck)
    for side in (-1.0, 1.0):
        ear = disc(side * 1.04, 0.18, 0.14, 0.34)
        sheet.lay(ear, look.skin, shade=np.float32(0.92) - 0.3 * spot(side * 1.05, 0.2, 0.05, 0.18))
        ears = np.maximum(ears, ear)
    face = edge.inside
    mottled = (
        1 + 0.025 * cloud(chance, 0.12) + 0.012 * cloud(chance, 0.02) + 0.02 * (look.age / 80) * cloud(chance, 0.05)
    )
    sheet.lay(face, look.skin, shade=mottled)
    red: Colour = (look.skin[0] * 0.72, look.skin[1] * 0.74, min(1.0, look.skin[2] * 1.02))
    for side in (-1.0, 1.0):
        sheet.lay(0.55 * look.red * spot(side * 0.6, 0.5, 0.2, 0.18) * face, red)
    sheet.lay(0.5 * look.red * spot(0, look.nose_length - 0.1, 0.16, 0.12), red)
    if look.freckles > 0:
        dots = np.clip(cloud(chance, 0.012) - 1.5, 0, 1) * spot(0, 0.35, 0.7, 0.3)
        brown: Colour = (look.skin[0] * 0.45, look.skin[1] * 0.55, look.skin[2] * 0.75)
        sheet.lay(np.clip(1.2 * look.freckles * dots, 0, 1) * face, brown)
    for _ in range(look.moles):
        u, v, size = chance.uniform(-0.75, 0.75), chance.uniform(-0.8, 1.35), chance.uniform(0.012, 0.032)
        sheet.lay(0.8 * disc(u, v, size, size), (0.06, 0.09, 0.14))
    return np.asarray(np.maximum(np.maximum(face, ears), neck), np.float32)


def _age(sheet: Sheet, look: Look, chance: np.random.Generator) -> None:
    """Draw lines: of the forehead, beside the eyes, from nose to mouth."""
    old = float(np.clip((look.age - 28) / 50, 0, 1))
    dark: Colour = (look.skin[0] * 0.5, look.skin[1] * 0.52, look.skin[2] * 0.6)
    mouth = look.nose_length + look.mouth_down
    for number in range(4):
        height = -0.52 - 0.115 * number + chance.uniform(-0.02, 0.02)
        line = stroke(curve(-0.5 + 0.05 * number, 0.5 - 0.05 * number, height, chance.uniform(-0.04, 0.05)), 0.022)
        sheet.lay(0.7 * old * line, dark)
    for side in (-1.0, 1.0):
        fold = [
            (side * (look.nose_width + 0.01), look.nose_length - 0.1),
            (side * (look.nose_width + 0.1), look.nose_length + 0.08),
            (side * (look.mouth_width + 0.07), mouth - 0.03),
            (side * (look.mouth_width + 0.08), mouth + 0.14 * old),
        ]
        sheet.lay((0.15 + 0.6 * old) * stroke(fold, 0.03, 0.015), dark)
        eye = side * look.eye_gap
        for number in range(3):
            start = eye + side * (look.eye_width + 0.06)
            crow = [(start, -0.04 + 0.05 * number), (start + side * 0.15, -0.1 + 0.1 * number)]
            sheet.lay(0.7 * old * stroke(crow, 0.018), dark)
        below = curve(eye - 0.2, eye + 0.2, 0.15, 0.05)
        sheet.lay((0.08 + 0.55 * old) * stroke(below, 0.03, 0.02), dark)
        sheet.lay((0.12 + 0.3 * old) * spot(eye, 0.12, 0.19, 0.05), dark)


def _eye(sheet: Sheet, look: Look, side: float) -> None:
    u, tilt = side * look.eye_gap, -look.eye_tilt * side
    left, right = u - look.eye_width, u + look.eye_width
    rise = tilt * 0.5
    top = curve(left, right, 0.0, -look.eye_height, rise)
    bottom = curve(left, right, 0.0, 0.75 * look.eye_height, rise)
    opening = shape([*top, *reversed(bottom)], 0.006)
    dark: Colour = (look.skin[0] * 0.55, look.skin[1] * 0.55, look.skin[2] * 0.6)
    sheet.lay(0.35 * spot(u, -0.12, 0.24, 0.08), dark)
    white = np.float32(1) - 0.35 * np.clip(1 - (down() + look.eye_height) / 0.08, 0, 1)
    sheet.lay(opening, _WHITE, shade=white, gloss=0.5)
    size = 0.098
    inside = np.asarray(opening * disc(u, -0.008, size, size), np.float32)
    rim = inside * (1 - disc(u, -0.008, size * 0.82, size * 0.82, 0.02))
    sheet.lay(inside, look.iris)
    sheet.lay(0.7 * rim, _BLACK)
    sheet.lay(opening * disc(u, -0.008, 0.042, 0.042), _BLACK)
    sheet.lay(opening * disc(u + 0.03, -0.04, 0.018, 0.018), (0.98, 0.98, 0.98))
    corner = u - side * (look.eye_width - 0.02)
    sheet.lay(0.7 * opening * disc(corner, 0.01, 0.035, 0.03), (0.40, 0.42, 0.70))
    lash = 0.045 if look.female else 0.028
    sheet.lay(stroke(top, lash), _BLACK)
    sheet.lay(0.45 * stroke(bottom, 0.016), dark)
    if look.lid > 0.3:  # noqa: PLR2004 - some lids have no fold
        fold = curve(left - 0.02, right + 0.02, -0.03, -look.eye_height - 0.05 * look.lid, rise)
        sheet.lay(0.65 * look.lid * stroke(fold, 0.02), dark)


def _brow(sheet: Sheet, look: Look, side: float, chance: np.random.Generator) -> None:
    inner, outer = side * (look.eye_gap - 0.27), side * (look.eye_gap + 0.30)
    height = -look.brow_rise
    line = curve(min(inner, outer), max(inner, outer), height, -look.brow_arch, -side * look.brow_tilt * 0.6)
    hairy = np.clip(0.85 + 0.35 * cloud(chance, 0.012, 0.03), 0, 1)
    thick = stroke(line, look.brow_thick * 1.5, 0.018)
    tail = np.clip(1.15 - np.abs(across() - inner) / 0.62, 0.25, 1)
    grey = min(1.0, 0.6 + look.hair_colour[0])
    colour: Colour = (look.hair_colour[0] * 0.7, look.hair_colour[1] * 0.7, look.hair_colour[2] * 0.7)
    sheet.lay(np.clip(thick * hairy * tail * (1.25 - 0.4 * grey + 0.2), 0, 1), colour)


def _nose(sheet: Sheet, look: Look) -> None:
    end = look.nose_length
    dark: Colour = (look.skin[0] * 0.42, look.skin[1] * 0.42, look.skin[2] * 0.5)
    for side in (-1.0, 1.0):
        hole = disc(side * look.nose_width * 0.45, end - 0.015, look.nose_width * 0.26, 0.035, 0.03)
        sheet.lay(0.85 * hole, (0.04, 0.05, 0.10))
        wing = [
            (side * look.nose_width * 0.86, end - 0.2),
            (side * look.nose_width * 1.04, end - 0.09),
            (side * look.nose_width * 0.9, end),
        ]
        sheet.lay(0.4 * stroke(wing, 0.025, 0.015), dark)
    sheet.lay(0.35 * spot(0, end + 0.03, look.nose_width * 0.7, 0.03), dark)


def _mouth(sheet: Sheet, look: Look) -> None:
    v, wide = look.nose_length + look.mouth_down, look.mouth_width
    middle = curve(-wide, wide, v, look.mouth_curve + 0.01)
    ends, bow = middle[0], 0.55 * look.lip_upper
    upper = [
        ends,
        (-wide * 0.5, v - look.lip_upper * 0.75),
        (-wide * 0.18, v - look.lip_upper * 1.15),
        (0.0, v - look.lip_upper * 1.15 + 0.35 * bow),
        (wide * 0.18, v - look.lip_upper * 1.15),
        (wide * 0.5, v - look.lip_upper * 0.75),
        middle[-1],
    ]
    lower = curve(-wide * 0.94, wide * 0.94, v, 1.35 * look.lip_lower + look.mouth_curve)
    darker: Colour = (look.lips[0] * 0.82, look.lips[1] * 0.82, look.lips[2] * 0.85)
    sheet.lay(0.9 * shape([*upper, *reversed(middle)], 0.012), darker)
    sheet.lay(0.9 * shape([*middle, *reversed(lower)], 0.016), look.lips, gloss=0.35)
    sheet.lay(0.9 * stroke(middle, 0.026), (look.lips[0] * 0.25, look.lips[1] * 0.25, look.lips[2] * 0.35))
    for side in (-1.0, 1.0):
        sheet.lay(0.35 * spot(side * (wide + 0.015), v, 0.035, 0.035), darker)


def _beard(sheet: Sheet, look: Look, edge: Outline, chance: np.random.Generator) -> Field:
    v, wide = look.nose_length + look.mouth_down, look.mouth_width
    lip = ((wide + 0.08, v + 0.02), (wide * 0.5, v - 0.17), (0.0, v - 0.22))
    below = ((0.0, v - 0.07), (wide * 0.6, v - 0.05))
    tash = shape([*lip, *_other_side(reversed(lip)), *_other_side(reversed(below)), *below], 0.03)
    around = disc(0, v + 0.14, wide + 0.16, edge.chin - v - 0.02, 0.08) * (
        1 - disc(0, v - 0.02, wide + 0.02, 0.15, 0.06)
    )
    goatee = np.asarray(around * np.clip((down() - v + 0.12) / 0.12, 0, 1), np.float32)
    jaw = np.clip((np.abs(across()) - 0.62 + 0.9 * np.clip(down() - v + 0.28, 0, 1)) / 0.12, 0, 1)
    cheeks = np.asarray(edge.inside * jaw * np.clip((down() - 0.35) / 0.35, 0, 1), np.float32)
    full = np.maximum(np.maximum(cheeks, goatee), tash)
    full = full * (1 - 0.95 * disc(0, v + 0.02, wide * 0.9, 0.1, 0.05))
    where: dict[Beard, tuple[Field, float]] = {
        Beard.NONE: (full, 0.0),
        Beard.STUBBLE: (full, 0.38),
        Beard.MOUSTACHE: (tash, 0.92),
        Beard.GOATEE: (np.maximum(goatee, tash), 0.88),
        Beard.FULL: (full, 0.94),
    }
    field, dense = where[look.beard]
    if not dense:
        return np.zeros_like(full)
    strands = np.clip(0.9 + 0.28 * cloud(chance, 0.008, 0.03), 0, 1)
    grain = 0.9 + 0.25 * cloud(chance, 0.01, 0.04)
    mask = np.asarray(np.clip(field * dense * strands, 0, 1), np.float32)
    sheet.lay(mask, look.hair_colour, shade=grain)
    return np.asarray(field * (1.0 if dense > 0.5 else 0.15), np.float32)  # noqa: PLR2004 - stubble keeps nothing warm


def mask_sheet(look: Look, edge: Outline) -> Field:
    """Give where a mask over mouth and nose lies."""
    low = edge.chin + 0.06
    top = look.nose_length * 0.42
    over = ((0.9, 0.8), (0.96, top + 0.16), (0.5, top + 0.08), (0.16, top - 0.06))
    under = ((0.28, low), (0.62, low - 0.25))
    return shape([*over, *_other_side(reversed((*under, *over))), *under], 0.02)


def _other_side(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(-u, v) for u, v in points]


def _mask(sheet: Sheet, look: Look, edge: Outline) -> None:
    cloth = mask_sheet(look, edge)
    colour = _MASKS[look.texture % len(_MASKS)]
    top = look.nose_length * 0.42
    for side in (-1.0, 1.0):
        for start, end in ((top + 0.16, 0.0), (0.8, 0.4)):
            sheet.lay(stroke([(side * 0.9, start), (side * 1.06, end)], 0.03), colour)
    pleats = 1 - 0.06 * (np.abs(np.sin((down() - top) * 9)) < 0.15)  # noqa: PLR2004 - a fold's width
    sheet.lay(cloth, colour, shade=np.asarray(pleats, np.float32), gloss=0.03)


def _glasses(sheet: Sheet, look: Look) -> Field:
    if look.glasses is Glasses.NONE:
        return np.zeros_like(across() + down())
    wide, high, thick = {
        Glasses.ROUND: (0.29, 0.27, 0.04),
        Glasses.BROAD: (0.35, 0.25, 0.075),
        Glasses.THIN: (0.33, 0.19, 0.028),
    }[look.glasses]
    lenses = np.zeros_like(across() + down())
    rims = np.zeros_like(lenses)
    for side in (-1.0, 1.0):
        u, v = side * look.eye_gap, 0.03
        ring = _frame(u, v, wide, high, 2.0 if look.glasses is Glasses.ROUND else 4.0)
        rims = np.maximum(rims, stroke([*ring, ring[0]], thick))
        lenses = np.maximum(lenses, shape(ring))
        rims = np.maximum(rims, stroke([(u + side * wide, v - 0.08), (side * 1.04, v - 0.04)], thick * 0.8))
        glint = stroke([(u - 0.12, v + 0.09), (u + 0.06, v - 0.13)], 0.05, 0.03)
        sheet.lay(0.25 * glint * shape(ring), (1.0, 1.0, 1.0))
    rims = np.asarray(rims, np.float32)
    bridge = curve(-look.eye_gap + wide, look.eye_gap - wide, 0.0, -0.05)
    rims = np.asarray(np.maximum(rims, stroke(bridge, thick)), np.float32)
    sheet.lay(np.asarray(0.06 * lenses, np.float32), (0.9, 0.9, 0.9))
    sheet.lay(np.asarray(blurred(rims, 0.02) * 0.18, np.float32), _BLACK)
    sheet.lay(rims, look.glasses_colour, gloss=0.6)
    return np.asarray(np.maximum(lenses, rims), np.float32)


def _frame(u: float, v: float, wide: float, high: float, power: float) -> list[tuple[float, float]]:
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** (2 / power) * wide
    y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** (2 / power) * high
    return [(float(u + a), float(v + b)) for a, b in zip(x, y, strict=True)]

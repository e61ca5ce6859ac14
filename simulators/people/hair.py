"""Hair in its styles, a scarf, a cap. Pure."""

from collections.abc import Callable

import numpy as np

from simulators.people.fields import Field, across, cloud, curve, disc, down, shape
from simulators.people.head import Outline
from simulators.people.looks import Colour, Hair, Look
from simulators.people.sheet import Sheet

_PARTS, _TEMPLE, _BROW, _SHOULDER = -1.15, -0.9, -0.6, 1.25
"""Heights on the sheet."""


def paint_hair_behind(sheet: Sheet, look: Look, chance: np.random.Generator) -> Field:
    """Paint what hangs behind neck and ears; gives where."""
    mask = {
        Hair.BOB: lambda: shape(_mirrored((1.2, -0.6), (1.3, 0.6), (1.12, 1.35)), 0.06),
        Hair.LONG: lambda: shape(_mirrored((1.2, -0.6), (1.34, 1.0), (1.42, 2.7)), 0.06),
        Hair.BUN: lambda: disc(0, -1.85, 0.42, 0.38, 0.05),
        Hair.CURLS: lambda: _ragged(disc(0, -0.55, 1.48, 1.4, 0.1), chance, 0.12),
        Hair.SCARF: lambda: shape(_mirrored((1.2, -0.9), (1.28, 0.6), (1.1, 1.7), (1.75, 3.2)), 0.04),
    }.get(look.hair)  # fmt: skip
    field = np.zeros_like(sheet.cover) if mask is None else mask()
    if look.hair is Hair.SCARF:
        sheet.lay(field, _cloth(look), shade=1 + 0.06 * cloud(chance, 0.03, 0.25))
    else:
        _strands(sheet, look, field, chance, wide=0.012, high=0.25)
    return field


def paint_hair_before(sheet: Sheet, look: Look, edge: Outline, chance: np.random.Generator) -> Field:
    """Paint what lies on skull and forehead; gives where."""
    u, v = across(), down()
    grown = np.where(edge.half > 0, edge.half, 0)

    def cap(above: float | Field, out: float, bend: float, sides: float) -> Field:
        """Cover the skull above a hairline: at `above` in the middle, bent down by `bend` at the temples."""
        line = above + bend * (np.abs(u) / 0.9) ** 3
        skull = np.clip((grown + out * np.clip((-v + 0.2) / 0.8, 0.25, 1) - np.abs(u)) / 0.03 + 0.5, 0, 1)
        skull = skull * (grown > 0)
        top = disc(0, -0.62, 1.0 + out, 1.06 + out * 1.3, 0.03)
        over = np.maximum(skull * (v < sides), top)
        return np.asarray(over * np.clip((line - v) / 0.05 + 0.5, 0, 1) * (v < sides), np.float32)

    young = float(np.clip((60 - look.age) / 40, 0, 1))
    line = -0.98 - 0.14 * (1 - young) * (not look.female)
    style = look.hair
    if style is Hair.BALD:
        return np.zeros_like(sheet.cover)
    if style in {Hair.SCARF, Hair.CAP}:
        return _worn(sheet, look, edge, chance)
    masks: dict[Hair, Callable[[], Field]] = {
        Hair.RING: lambda: np.asarray(cap(-0.2, 0.05, 0.75, 0.15) * np.clip((np.abs(u) - 0.62) / 0.14, 0, 1)),
        Hair.BUZZ: lambda: cap(line, 0.015, 0.75, 0.0),
        Hair.SHORT: lambda: cap(line + 0.05, 0.09, 0.8, 0.1),
        Hair.QUIFF: lambda: np.maximum(cap(line, 0.05, 0.6, 0.05), disc(look.parting * 0.5, -1.42, 0.86, 0.46, 0.06)),
        Hair.FRINGE: lambda: cap(np.asarray(-0.50 + 0.08 * look.parting * u, np.float32), 0.12, 0.1, 0.35),
        Hair.BOB: lambda: _parted(look, cap(line + 0.3, 0.2, 0.5, 1.2), edge),
        Hair.LONG: lambda: _parted(look, cap(line + 0.2, 0.17, 0.9, 1.6), edge),
        Hair.BUN: lambda: cap(line + 0.02, 0.05, 0.8, 0.05),
        Hair.CURLS: lambda: _ragged(cap(line + 0.12, 0.34, 0.5, 0.2), chance, 0.09),
    }
    field = np.asarray(masks[style](), np.float32)
    dense = 0.62 if style is Hair.BUZZ else 1.0
    if style is Hair.CURLS:
        _strands(sheet, look, field, chance, wide=0.04, high=0.04)
    else:
        _strands(sheet, look, field * dense, chance, wide=0.012, high=0.2)
    return field


def _parted(look: Look, mask: Field, edge: Outline) -> Field:
    """Let hair fall to both sides of a parting, and down beside the face."""
    u, v = across(), down()
    way = 0.18 + 0.55 * np.clip((v + 1.15) / 0.9, 0, 1) ** 0.6
    open_face = np.abs(u - look.parting * 0.6 * np.clip(-v, 0, 1)) < way
    beside = (np.abs(u) > edge.half * 0.9) & (np.abs(u) < edge.half + 0.28) & (edge.half > 0)
    sides = beside & (v > _TEMPLE) & (v < _SHOULDER)
    kept = np.where(open_face & (v > _PARTS), 0.0, mask)
    return np.asarray(np.maximum(kept, sides * 1.0), np.float32)


def _mirrored(*right: tuple[float, float]) -> list[tuple[float, float]]:
    """Give a polygon by its right side."""
    return [*right, *((-u, v) for u, v in reversed(right))]


def _ragged(mask: Field, chance: np.random.Generator, size: float) -> Field:
    rim = np.clip((mask - 0.5) * 2 + 0.6 * cloud(chance, size), 0, 1)
    return np.asarray(np.where(mask > 0.999, 1.0, rim * (mask > 0.02)), np.float32)  # noqa: PLR2004 - within, without


def _strands(sheet: Sheet, look: Look, mask: Field, chance: np.random.Generator, *, wide: float, high: float) -> None:
    if not float(mask.max()):
        return
    light = np.clip(1 + 0.22 * cloud(chance, wide, high) + 0.12 * cloud(chance, 0.1, 0.3), 0.3, 2.0)
    sheet.lay(mask, look.hair_colour, shade=np.asarray(light, np.float32), gloss=0.3)


def _cloth(look: Look) -> Colour:
    blue, green, red = look.coat
    return red, blue, green


def _worn(sheet: Sheet, look: Look, edge: Outline, chance: np.random.Generator) -> Field:
    u, v = across(), down()
    weave = np.asarray(1 + 0.05 * cloud(chance, 0.02, 0.2), np.float32)
    if look.hair is Hair.CAP:
        top = disc(0, -0.78, 1.1, 1.0, 0.03) * np.clip((-0.62 - 0.1 * (u / 0.9) ** 2 - v) / 0.04 + 0.5, 0, 1)
        brim = shape([*curve(-1.02, 1.02, -0.62, -0.06), *reversed(curve(-1.0, 1.0, -0.58, 0.12))])
        sheet.lay(np.asarray(top, np.float32), _cloth(look), shade=weave, gloss=0.05)
        sheet.lay(brim, _cloth(look), shade=np.asarray(0.7 * weave, np.float32), gloss=0.05)
        return np.asarray(np.maximum(top, brim), np.float32)
    outer = np.maximum(
        disc(0, -0.55, 1.18, 1.22, 0.03), (np.abs(u) < edge.half + 0.22) * (v > _BROW) * (edge.half > 0) * 1.0
    )
    face = disc(0, 0.25, 0.84, 1.22, 0.03)
    mask = np.asarray(outer * (1 - face) * (v < edge.chin + 0.5), np.float32)
    sheet.lay(mask, _cloth(look), shade=weave, gloss=0.05)
    return mask

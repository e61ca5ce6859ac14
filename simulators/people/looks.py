"""Who a simulated person is: lengths, colours, hair, age; drawn from a number, the same every time. Pure.

Lengths are in half widths of a face (about 70 mm), measured from the middle between the eyes.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

Colour = tuple[float, float, float]
"""Blue, green, red, from 0 to 1."""


class Hair(StrEnum):
    """How somebody wears it."""

    BALD = "bald"
    RING = "ring"
    BUZZ = "buzz"
    SHORT = "short"
    QUIFF = "quiff"
    FRINGE = "fringe"
    BOB = "bob"
    LONG = "long"
    BUN = "bun"
    CURLS = "curls"
    SCARF = "scarf"
    CAP = "cap"


class Beard(StrEnum):
    """What grows below."""

    NONE = "none"
    STUBBLE = "stubble"
    MOUSTACHE = "moustache"
    GOATEE = "goatee"
    FULL = "full"


class Glasses(StrEnum):
    """What stands before the eyes."""

    NONE = "none"
    ROUND = "round"
    BROAD = "broad"
    THIN = "thin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One person. `age` is in years; shares are from 0 to 1; `texture` seeds what is drawn by chance."""

    texture: int
    age: float
    female: bool
    skin: Colour
    red: float
    hair: Hair
    hair_colour: Colour
    parting: float
    beard: Beard
    glasses: Glasses
    glasses_colour: Colour
    forehead: float
    jaw: float
    chin: float
    square: float
    length: float
    fat: float
    eye_gap: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    eye_deep: float
    lid: float
    iris: Colour
    brow_rise: float
    brow_thick: float
    brow_arch: float
    brow_tilt: float
    nose_length: float
    nose_width: float
    nose_high: float
    nose_tip: float
    mouth_down: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    mouth_curve: float
    lips: Colour
    cheekbones: float
    freckles: float
    moles: int
    coat: Colour
    core: float
    """Temperature within, in °C."""


_SKINS: tuple[Colour, ...] = (
    (0.66, 0.74, 0.90),
    (0.55, 0.66, 0.85),
    (0.47, 0.60, 0.80),
    (0.40, 0.53, 0.74),
    (0.30, 0.43, 0.64),
    (0.22, 0.32, 0.50),
    (0.14, 0.20, 0.33),
)
_DARK_HAIR: tuple[Colour, ...] = ((0.05, 0.05, 0.06), (0.07, 0.09, 0.13), (0.10, 0.16, 0.26))
_LIGHT_HAIR: tuple[Colour, ...] = ((0.30, 0.50, 0.68), (0.12, 0.28, 0.55), (0.20, 0.34, 0.46))
_GREY: Colour = (0.70, 0.70, 0.70)
_IRISES: tuple[Colour, ...] = ((0.06, 0.10, 0.18), (0.10, 0.20, 0.32), (0.50, 0.42, 0.28), (0.30, 0.42, 0.34))
_FAIR = 3
"""So many skins from the front may go with light hair and light eyes."""
_WOMEN, _LIGHT = 0.5, 0.55
_OLD = 55.0


def look_of(number: int) -> Look:
    """Give a person by number: equal numbers are equal people."""
    chance = np.random.default_rng([7_331, number])

    def between(low: float, high: float) -> float:
        return float(chance.uniform(low, high))

    def about(middle: float, spread: float) -> float:
        return float(middle + spread * np.clip(chance.normal(), -2.0, 2.0))

    female = bool(chance.random() < _WOMEN)
    age = between(16, 84)
    tone = int(chance.integers(len(_SKINS)))
    fair = tone < _FAIR
    skin = _jittered(_SKINS[tone], chance, 0.06)
    natural = _LIGHT_HAIR if fair and chance.random() < _LIGHT else _DARK_HAIR
    colour = _jittered(_scaled(natural[int(chance.integers(len(natural)))], between(0.75, 1.3)), chance, 0.08)
    grey = float(np.clip((age - 42) / 30 + chance.normal() * 0.25, 0, 1))
    colour = _mixed(colour, _GREY, grey)
    male_hair = (Hair.BALD, Hair.RING, Hair.BUZZ, Hair.SHORT, Hair.QUIFF, Hair.FRINGE, Hair.CURLS, Hair.CAP)
    female_hair = (Hair.FRINGE, Hair.BOB, Hair.LONG, Hair.BUN, Hair.CURLS, Hair.SCARF, Hair.SHORT)
    styles = female_hair if female else male_hair
    hair = styles[int(chance.integers(len(styles)))]
    if not female and age < _OLD and hair is Hair.RING:
        hair = Hair.SHORT
    beards = tuple(Beard)
    beard = Beard.NONE if female else beards[int(chance.choice(len(beards), p=(0.38, 0.2, 0.12, 0.12, 0.18)))]
    glasses = tuple(Glasses)[int(chance.choice(4, p=(0.62, 0.13, 0.13, 0.12)))]
    lips = _mixed(_scaled(skin, 0.8), (0.28, 0.24, 0.66) if female else (0.34, 0.36, 0.62), between(0.3, 0.8))
    coat: Colour = (between(0.05, 0.8), between(0.05, 0.8), between(0.05, 0.8))
    return Look(
        texture=int(chance.integers(1 << 31)),
        age=age,
        female=female,
        skin=skin,
        red=between(0.0, 1.0) if fair else between(0.0, 0.4),
        hair=hair,
        hair_colour=colour,
        parting=between(-0.5, 0.5),
        beard=beard,
        glasses=glasses,
        glasses_colour=((0.05, 0.05, 0.05), (0.05, 0.1, 0.25), (0.6, 0.6, 0.6))[int(chance.integers(3))],
        forehead=about(0.90, 0.07),
        jaw=about(0.74 if female else 0.82, 0.11),
        chin=about(0.40 if female else 0.48, 0.10),
        square=about(2.3, 0.25),
        length=about(1.60 if female else 1.68, 0.16),
        fat=between(0.0, 1.0),
        eye_gap=about(0.45, 0.042),
        eye_width=about(0.215, 0.026),
        eye_height=about(0.095 if female else 0.085, 0.024),
        eye_tilt=about(0.05, 0.12),
        eye_deep=between(0.0, 1.0),
        lid=between(0.0, 1.0),
        iris=_IRISES[int(chance.integers(len(_IRISES)))] if fair else _IRISES[int(chance.integers(2))],
        brow_rise=about(0.30 if female else 0.26, 0.055),
        brow_thick=about(0.045 if female else 0.07, 0.026),
        brow_arch=about(0.07 if female else 0.04, 0.04),
        brow_tilt=about(0.0, 0.11),
        nose_length=about(0.66, 0.09),
        nose_width=about(0.25, 0.06),
        nose_high=about(0.42, 0.12),
        nose_tip=about(0.13, 0.035),
        mouth_down=about(0.31, 0.055),
        mouth_width=about(0.37, 0.065),
        lip_upper=about(0.065, 0.03),
        lip_lower=about(0.09, 0.038),
        mouth_curve=about(0.0, 0.04),
        lips=lips,
        cheekbones=between(0.0, 1.0),
        freckles=float(max(0.0, between(-1.5, 1.0))) if fair else 0.0,
        moles=int(chance.integers(0, 5)),
        coat=coat,
        core=about(36.8, 0.15),
    )


def _jittered(colour: Colour, chance: np.random.Generator, share: float) -> Colour:
    blue, green, red = (float(np.clip(part * (1 + share * chance.uniform(-1, 1)), 0, 1)) for part in colour)
    return blue, green, red


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    blue, green, red = (float(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return blue, green, red


def _scaled(colour: Colour, factor: float) -> Colour:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor

"""How warm a head is, as a thermal camera sees it: skin, what lies on it, what cools it. Pure.

Figures: facial skin 33 to 36 °C at an ambient of 18 to 24 °C, warmest at the inner corners of the eyes, nose and ears
cooler; hair, cloth and glasses show a temperature between skin and air.
"""

from dataclasses import dataclass

import numpy as np

from simulators.people.fields import Field, across, blurred, cloud, disc, down, spot
from simulators.people.head import Outline
from simulators.people.looks import Hair, Look
from simulators.people.paint import Painted

SKIN_BELOW_CORE = 2.6
"""Of the forehead, indoors."""
_CANTHUS_BELOW_CORE = 0.9
_GLASS = 0.14
_CLOTH = 0.3
_HAIR = 0.38
_BEARD = 0.72


@dataclass(frozen=True, kw_only=True, slots=True)
class Warmth:
    """A head's warmth on the sheet: `excess` over the air in °C at rest, and where breath shows (from -1 to 1)."""

    excess: Field
    breath: Field


def warm(look: Look, painted: Painted, edge: Outline, *, core: float, air: float) -> Warmth:
    """Give the warmth of a head whose core is at `core` in air of `air` °C."""
    chance = np.random.default_rng([look.texture, 3])
    cold = np.clip((24 - air) / 10, -0.5, 1.5)
    skin = core - SKIN_BELOW_CORE - 0.8 * cold
    field = np.full_like(painted.skin, skin)
    field += 0.15 * cloud(chance, 0.12) + 0.1 * cloud(chance, 0.3)
    end = look.nose_length
    field += 0.35 * spot(0, -0.75, 0.5, 0.25)
    nose = 2.2 + 0.9 * float(chance.uniform(-1, 1)) + 1.2 * cold
    field -= nose * np.maximum(spot(0, end - 0.12, 0.17, 0.2), 0.5 * spot(0, end * 0.5, 0.1, 0.25))
    for side in (-1.0, 1.0):
        field -= 0.9 * spot(side * 0.62, 0.45, 0.24, 0.24)
        field -= 0.5 * spot(side * look.eye_gap, 0.0, 0.14, 0.08)
        field -= (1.6 + 1.5 * cold) * disc(side * 1.06, 0.2, 0.16, 0.36, 0.06)
        field += 0.4 * spot(side * 0.82, -0.25, 0.12, 0.2)
        inner = side * (look.eye_gap - look.eye_width + 0.01)
        lack = core - _CANTHUS_BELOW_CORE - skin
        field += lack * spot(inner, 0.02, 0.085, 0.075)
    field += 0.5 * spot(0, end + look.mouth_down, look.mouth_width * 0.7, 0.06)
    field -= 0.7 * spot(0, edge.chin - 0.12, 0.3, 0.16)
    field += 0.5 * (down() > edge.chin)  # the neck's great vessels
    excess = np.asarray(field - air, np.float32)
    hair = _HAIR if look.hair not in {Hair.SCARF, Hair.CAP} else _CLOTH
    for mask, share in ((painted.beard, _BEARD), (painted.hair, hair), (painted.glasses, _GLASS)):
        excess = excess * (1 - mask * (1 - share))
    rim = np.clip(blurred(painted.sheet.cover, 0.05), 0, 1)
    breath = spot(0, end + 0.02, 0.2, 0.07) + 0.6 * spot(0, end + look.mouth_down, 0.25, 0.09)
    return Warmth(excess=np.asarray(excess * (0.9 + 0.1 * rim), np.float32), breath=np.asarray(breath, np.float32))


def mask_excess(at_rest: Field, *, breathing: float) -> Field:
    """Give the warmth of a mask that lies on skin of this excess: 28 to 31 °C indoors, warmer with each breath out."""
    u, v = across(), down()
    centre = np.exp(-0.5 * ((u / 0.42) ** 2 + ((v - 0.85) / 0.34) ** 2))
    return np.asarray(at_rest * (0.52 + 0.16 * centre * (1 + 0.5 * breathing)), np.float32)

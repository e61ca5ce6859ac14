"""Heads and attacks as a thermal camera would see them, made from published figures; not from what the product assumes.

A drawing is a function of places in the face's frame (`models.face.frame`). It is sampled more finely than the camera
has pixels, blurred as a lens does, and gets the camera's noise. Chance is a generator that the caller seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.temperature.view import ThermalFace

Map = npt.NDArray[np.float64]
Drawing = Callable[["Scene", Map, Map], Map]
FINER = 3


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What stands where: `eyes` thermal pixels from eye to eye, in air of `air` °C."""

    chance: np.random.Generator
    air: float = 22.0
    core: float = 36.6
    eyes: float = 11.0
    size: tuple[int, int] = (120, 160)
    noise: float = 0.06
    blur: float = 0.6
    parallax: tuple[float, float] = (0.0, 0.0)


def any_scene(seed: int, **known: object) -> Scene:
    """Draw a scene by lot: any weather of a sheltered entrance, any distance that a gate asks for, any good camera."""
    chance = np.random.default_rng(seed)
    drawn = {
        "chance": chance,
        "air": float(chance.uniform(8, 29)),
        "core": float(chance.normal(36.6, 0.3)),
        "eyes": float(chance.uniform(9.5, 20)),
        "noise": float(chance.uniform(0.03, 0.1)),
        "blur": float(chance.uniform(0.45, 0.8)),
        "parallax": (float(chance.uniform(-0.25, 0.25)), float(chance.uniform(-0.08, 0.08))),
    }
    return Scene(**(drawn | known))  # type: ignore[arg-type] # names and types are those of Scene


def shoot(scene: Scene, drawing: Drawing) -> ThermalFace:
    """Give the thermal picture, and where the alignment believes the face to be."""
    rows, columns = scene.size
    fine_y, fine_x = np.mgrid[0 : rows * FINER, 0 : columns * FINER]
    middle = (columns / 2 + scene.chance.uniform(-6, 6), rows * 0.45 + scene.chance.uniform(-5, 5))
    roll = scene.chance.uniform(-0.12, 0.12)
    turn = scene.eyes * np.exp(1j * roll)
    places = ((fine_x + 0.5) / FINER - 0.5 + 1j * ((fine_y + 0.5) / FINER - 0.5) - complex(*middle)) / turn
    warm = drawing(scene, places.real, places.imag)
    soft = cv2.GaussianBlur(warm.astype(np.float32), (0, 0), scene.blur * FINER)
    picture = cv2.resize(soft, (columns, rows), interpolation=cv2.INTER_AREA)
    pattern = scene.chance.normal(0, scene.noise / 2, columns)[None, :]
    noisy = picture + scene.chance.normal(0, scene.noise, (rows, columns)) + pattern
    believed = complex(*middle) + turn * complex(*scene.parallax)
    place = np.array([[turn.real, -turn.imag, believed.real], [turn.imag, turn.real, believed.imag]])
    return ThermalFace.of(noisy.astype(np.float32), place)


def bell(x: Map, y: Map, u: float, v: float, wide: float, high: float) -> Map:  # noqa: PLR0917 - a place, a size
    return np.exp(-0.5 * (((x - u) / wide) ** 2 + ((y - v) / high) ** 2))


def within(inside: Map, soft: float = 0.04) -> Map:
    """Give 1 where `inside` is positive, with a soft rim."""
    return np.clip(inside / soft + 0.5, 0, 1)


def oval(x: Map, y: Map, v: float, wide: float, high: float) -> Map:
    return within((1 - np.sqrt((x / wide) ** 2 + ((y - v) / high) ** 2)) * min(wide, high))


def sheet(x: Map, y: Map, u: float, v: float, wide: float, high: float, turn: float) -> Map:  # noqa: PLR0917
    """Give a rectangle with half sides `wide` and `high`."""
    a, b = (x - u) * np.cos(turn) + (y - v) * np.sin(turn), (y - v) * np.cos(turn) - (x - u) * np.sin(turn)
    return within(np.minimum(wide - np.abs(a), high - np.abs(b)))


def clouds(chance: np.random.Generator, x: Map, grain: float) -> Map:
    """Give smooth chance of spread 1; `grain` in parts of the picture's height."""
    small = chance.normal(size=(max(3, round(1 / grain)), max(4, round(1.3 / grain)))).astype(np.float32)
    grown = cv2.resize(small, (x.shape[1], x.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown / (grown.std() or 1), dtype=np.float64)


def room(scene: Scene, x: Map) -> Map:
    """Give what lies behind: walls near the air's temperature, something warm or cool somewhere."""
    return scene.air + scene.chance.uniform(0.1, 0.8) * clouds(scene.chance, x, 0.5) + 0.0 * x


def over(below: Map, cover: Map, value: Map | float) -> Map:
    return below * (1 - cover) + value * cover


def bust(scene: Scene, x: Map, y: Map, skin: float) -> Map:
    """Give a clothed body with a neck."""
    cloth = scene.air + scene.chance.uniform(0.25, 0.5) * (skin - scene.air)
    below = over(room(scene, x), within(y - 2.2 - 0.35 * np.abs(x) ** 1.2 + 0.4), cloth)
    neck = within(np.minimum(0.75 - np.abs(x), y - 0.8)) * within(2.7 - y)
    return over(below, neck, skin + 0.3)


def level(scene: Scene) -> float:
    """Give the forehead's temperature: indoors about 33.4 °C, lower in the cold."""
    return scene.core - 3.0 - 0.09 * (24 - scene.air) + float(scene.chance.normal(0, 0.4))


def person(scene: Scene, x: Map, y: Map) -> Map:
    """Draw somebody bare-faced; hair, beard and build by lot."""
    return head(scene, x, y)


def with_glasses(scene: Scene, x: Map, y: Map) -> Map:
    return head(scene, x, y, glasses=True)


def with_mask(scene: Scene, x: Map, y: Map) -> Map:
    return head(scene, x, y, mask=True)


def with_cap(scene: Scene, x: Map, y: Map) -> Map:
    return head(scene, x, y, cap=True)


def head(
    scene: Scene, x: Map, y: Map, *, glasses: bool = False, mask: bool = False, cap: bool = False
) -> Map:  # fmt: skip
    chance, skin = scene.chance, level(scene)
    cold = max(0.0, (24 - scene.air) / 10)
    field = np.full_like(x, skin) + 0.1 * clouds(chance, x, 0.1)
    corner = skin + max(0.4, chance.normal(0.9, 0.25)) + 0.3 * cold  # 34.3 °C where the forehead has 33.4
    eye = chance.uniform(0.28, 0.32)
    for side in (-1, 1):
        field += (corner - skin) * bell(x, y, side * eye, 0.03, chance.uniform(0.1, 0.15), 0.1)
        field -= 0.4 * bell(x, y, side * 0.68, 0.0, 0.12, 0.1)
        field -= (0.6 + 0.5 * cold) * chance.uniform(0.5, 1.5) * bell(x, y, side * 0.7, 0.6, 0.3, 0.3)
    field -= (1.0 + 1.5 * cold) * chance.uniform(0.2, 1.6) * bell(x, y, 0, 0.6, 0.2, 0.25)
    field += 0.4 * bell(x, y, 0, 1.16, 0.35, 0.1)
    field -= 0.5 * bell(x, y, 0, 1.75, 0.35, 0.2)
    hair_c = scene.air + chance.uniform(0.25, 0.5) * (skin - scene.air)
    out = bust(scene, x, y, skin)
    wide = chance.uniform(1.02, 1.2)
    hair = oval(x, y, 0.1, wide + chance.uniform(0.1, 0.35), chance.uniform(1.75, 2.0))
    if chance.random() < 0.3:  # long hair
        hair = np.maximum(hair, within(np.minimum(1.45 - np.abs(x), np.minimum(y + 0.5, 2.6 - y))))
    out = over(out, hair, hair_c)
    face = oval(x, y, 0.42, wide, 1.5) * within(y + chance.uniform(0.6, 1.1) - 0.15 * np.abs(x))
    out = over(out, face, field)
    if chance.random() < 0.25:  # a beard
        beard = oval(x, y, 1.35, 0.9, 0.62) * (1 - bell(x, y, 0, 1.16, 0.3, 0.1))
        out = over(out, beard * 0.7, 0.5 * skin + 0.5 * hair_c)
    if glasses:
        for side in (-1, 1):
            lens = within(np.minimum(chance.uniform(0.33, 0.42) - np.abs(x - side * 0.53), 0.29 - np.abs(y - 0.07)))
            out = over(out, lens, scene.air + chance.uniform(0.1, 0.35) * (skin - scene.air))
    if mask:
        cloth = oval(x, y, 1.15, 1.0, 0.85) * within(y - chance.uniform(0.25, 0.5) - 0.25 * np.abs(x))
        breath = scene.air + chance.uniform(0.45, 0.8) * (skin - scene.air)
        out = over(out, cloth, breath + 0.5 * clouds(chance, x, 0.08))
    if cap:
        out = over(out, oval(x, y, -0.9, wide + 0.1, 1.0) * within(-0.35 - y), hair_c)
    return out


def _holder(scene: Scene, x: Map, y: Map) -> Map:
    """Draw the one who holds a sheet before the face: body, and what of the head is beside the sheet."""
    return head(scene, x + scene.chance.uniform(-0.5, 0.5), y + scene.chance.uniform(-0.5, 0.8))


def _sheet_of(scene: Scene, x: Map, y: Map) -> Map:
    chance = scene.chance
    size = chance.uniform(1.25, 2.6)
    return sheet(
        x, y, chance.uniform(-0.2, 0.2), 0.4 + chance.uniform(-0.2, 0.3), size, size * 1.35, chance.uniform(-0.15, 0.15)
    )


def print_at_air(scene: Scene, x: Map, y: Map) -> Map:
    below, chance = _holder(scene, x, y), scene.chance
    paper = scene.air + chance.uniform(0, 0.15) * (34 - scene.air) + 0.15 * clouds(chance, x, 0.3)
    out = over(below, _sheet_of(scene, x, y), paper)
    for side in (-1, 1):  # fingers at the edges
        out = over(out, bell(x, y, side * chance.uniform(1.3, 2.2), chance.uniform(0.8, 2.2), 0.18, 0.3), 31.0)
    return out


def screen(scene: Scene, x: Map, y: Map) -> Map:
    chance = scene.chance
    warm = scene.air + chance.uniform(3, 14)
    glow = warm + chance.uniform(0.3, 2.0) * bell(x, y, chance.uniform(-0.8, 0.8), chance.uniform(-1, 1.5), 0.8, 1.0)
    return over(_holder(scene, x, y), _sheet_of(scene, x, y), glow + 0.05 * clouds(chance, x, 0.2))


def warm_print(scene: Scene, x: Map, y: Map) -> Map:
    chance = scene.chance
    warm = chance.uniform(31, 37) + chance.uniform(0.1, 0.8) * clouds(chance, x, chance.uniform(0.15, 0.5))
    return over(_holder(scene, x, y), _sheet_of(scene, x, y), warm)


def warm_face_print(scene: Scene, x: Map, y: Map) -> Map:
    """Draw a sheet that was warmed in the shape of a face, slowly ending, with warmer eyes; half with a cooler nose."""
    chance = scene.chance
    warm, ring = chance.uniform(31.5, 37) - scene.air, chance.uniform(0.0, 0.3)
    away = np.sqrt((x / 1.15) ** 2 + ((y - 0.25) / 1.6) ** 2)
    field = warm * (ring + (1 - ring) * np.clip((1.25 - away) / 0.5, 0, 1))
    for side in (-1, 1):
        field += chance.uniform(0.5, 2.0) * bell(x, y, side * 0.3, 0.02, 0.13, 0.1)
    if chance.random() < 0.5:
        field -= chance.uniform(0.5, 2.0) * bell(x, y, 0, 0.55, 0.16, 0.16)
    paper = scene.air + field + chance.uniform(0.05, 0.4) * clouds(chance, x, 0.3)
    return over(_holder(scene, x, y), _sheet_of(scene, x, y), paper)


def warm_cut_out(scene: Scene, x: Map, y: Map) -> Map:
    """Draw a heated print that was cut to the outline of the face."""
    chance = scene.chance
    warm = chance.uniform(31, 37) + chance.uniform(0.1, 0.8) * clouds(chance, x, chance.uniform(0.15, 0.5))
    return over(room(scene, x), oval(x, y, 0.35, 1.1, 1.6), warm)


def mask_with_eye_holes(scene: Scene, x: Map, y: Map) -> Map:
    """Draw a printed mask, worn: the eyes show through, the paper is warmed where it touches."""
    chance, below = scene.chance, head(scene, x, y)
    paper = scene.air + chance.uniform(0.25, 0.65) * (33.0 - scene.air)
    touched = paper + 0.2 * clouds(chance, x, 0.1)
    for u, v in ((0, 0.55), (-0.6, 0.5), (0.6, 0.5), (0, -0.6)):
        touched = touched + chance.uniform(0, 0.25) * (33 - scene.air) * bell(x, y, u, v, 0.2, 0.2)
    holes = np.maximum(oval(x - 0.48, y, 0.02, 0.26, 0.16), oval(x + 0.48, y, 0.02, 0.26, 0.16))
    paper_face = oval(x, y, 0.42, 1.25, 1.7)
    return over(below, paper_face * (1 - holes), touched)


def hand_behind_paper(scene: Scene, x: Map, y: Map) -> Map:
    chance = scene.chance
    paper = scene.air + 0.1 * (34 - scene.air)
    u, v, turn = chance.uniform(-0.4, 0.4), chance.uniform(0, 0.8), chance.uniform(-0.6, 0.6)
    size = chance.uniform(0.8, 1.4)
    a, b = (x - u) * np.cos(turn) + (y - v) * np.sin(turn), (y - v) * np.cos(turn) - (x - u) * np.sin(turn)
    hand = oval(a, b, 0.5 * size, 0.75 * size, 0.8 * size)
    for finger in (-0.6, -0.2, 0.2, 0.6):
        hand = np.maximum(hand, within(np.minimum(0.15 * size - np.abs(a - finger * size), 1.4 * size + b)) * (b < 0.3))
    warmth = cv2.GaussianBlur(hand.astype(np.float32), (0, 0), scene.eyes * FINER * chance.uniform(0.1, 0.3))
    through = paper + chance.uniform(4, 12) * warmth.astype(np.float64)
    return over(_holder(scene, x, y), _sheet_of(scene, x, y), through)


def hand_behind_cut_out(scene: Scene, x: Map, y: Map) -> Map:
    """Draw a face cut out of paper that a warm palm lies behind, filling it."""
    chance = scene.chance
    paper = scene.air + 0.1 * (34 - scene.air)
    hump = bell(
        x, y, chance.uniform(-0.3, 0.3), chance.uniform(0.1, 0.7), chance.uniform(0.5, 1.2), chance.uniform(0.6, 1.4)
    )
    warm = paper + chance.uniform(5, 12) * hump + 0.3 * clouds(chance, x, 0.12)
    return over(room(scene, x), oval(x, y, 0.35, 1.1, 1.6), warm)


def shirt(scene: Scene, x: Map, y: Map) -> Map:
    """Draw a face printed on a shirt."""
    warm = scene.air + scene.chance.uniform(0.4, 0.7) * (33 - scene.air)
    return over(room(scene, x), within(2.8 - np.abs(x)) * within(y + 3), warm + 0.4 * clouds(scene.chance, x, 0.15))


LIVING: dict[str, Drawing] = {
    "bare": person,
    "glasses": with_glasses,
    "mask": with_mask,
    "cap": with_cap,
}
ATTACKS: dict[str, Drawing] = {
    "print": print_at_air,
    "screen": screen,
    "warm print": warm_print,
    "warm face print": warm_face_print,
    "warm cut-out": warm_cut_out,
    "mask with eye holes": mask_with_eye_holes,
    "hand behind paper": hand_behind_paper,
    "hand behind cut-out": hand_behind_cut_out,
    "shirt": shirt,
}

"""A moment as a thermal camera has it: temperatures in °C, of people and of what they hold up. Pure.

Paper and glass are opaque to long-wave infrared: what is behind them shows only as far as it warms them.
"""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from simulators.people.attempts import FEVER_K, Kind
from simulators.people.fields import Field, blurred
from simulators.people.heat import Warmth, mask_excess, warm
from simulators.people.holes import eye_holes, paper_mask
from simulators.people.moment import Flat, Moment, flat_of
from simulators.people.paint import mask_sheet
from simulators.people.take import Figure, Pose, figure_of, place
from simulators.people.visible import beside, body_outline, fingers, holder_pose

Temperatures = npt.NDArray[np.float32]

NETD = 0.06
"""Noise of a pixel from picture to picture, in K."""
_FIXED = 0.03  # and from pixel to pixel, the same in every picture
_FINER = 2  # drawn so many times finer, because a pixel is the mean of its area
_BREATH_K = 0.9
_BODY = 0.34  # a coat shows so much of the skin's excess
_PRESENTED = {Kind.PRINT, Kind.SCREEN, Kind.WARM_PRINT, Kind.WARM_HAND}


def feel(moment: Moment, *, width: int, height: int) -> Temperatures:
    """Give the temperatures of a moment (height, width) in °C. The same moment gives the same ones."""
    excess = np.zeros((height * _FINER, width * _FINER), np.float32)
    act = moment.act
    if act.kind in _PRESENTED:
        _held(excess, moment)
    elif act.kind is Kind.EYE_HOLES:
        _worn(excess, moment)
    elif act.kind is not Kind.NOBODY:
        if act.kind is Kind.TWO:
            _person(excess, moment, moment.other, beside(moment), core=None, masked=False)
        core = figure_of(act.look).look.core + FEVER_K if act.fever else None
        _person(excess, moment, act.look, moment.pose, core=core, masked=act.mask)
    small = cv2.resize(cv2.GaussianBlur(excess, (0, 0), 0.6 * _FINER), (width, height), interpolation=cv2.INTER_AREA)
    chance = np.random.default_rng([moment.visit, moment.picture, 6])
    noise = chance.normal(0, NETD, (height, width)) + _pattern(width, height)
    rows = np.linspace(0.5, -0.5, height)[:, None]
    return np.asarray(small + moment.air + rows + noise, np.float32)


@lru_cache(maxsize=24)
def _warmth(look: int, core_c: float, air: float) -> Warmth:
    figure = figure_of(look)
    return warm(figure.look, figure.painted, figure.edge, core=core_c, air=air)


@lru_cache(maxsize=4)
def _pattern(width: int, height: int) -> Temperatures:
    return np.random.default_rng(11).normal(0, _FIXED, (height, width)).astype(np.float32)


def _head_excess(figure: Figure, moment: Moment, look: int, *, core: float | None, masked: bool) -> Field:
    """Give the excess over the air on the sheet, with the breath of this moment."""
    warmth = _warmth(look, round(core or figure.look.core, 3), moment.air)
    excess = warmth.excess + _BREATH_K * 0.5 * (moment.breath - 0.3) * warmth.breath
    if masked:
        cloth = mask_sheet(figure.look, figure.edge)
        excess = excess * (1 - cloth) + mask_excess(blurred(excess, 0.06), breathing=moment.breath) * cloth
    return np.asarray(excess, np.float32)


def _person(frame: Field, moment: Moment, look: int, pose: Pose, *, core: float | None, masked: bool) -> None:
    figure = figure_of(look)
    _body(frame, pose, core=core or figure.look.core, air=moment.air, chance=moment.chance(7))
    placed = place(figure, pose, width=frame.shape[1], height=frame.shape[0])
    if placed is None:
        return
    cover = figure.painted.sheet.cover
    part = placed.of(cover)
    window = placed.window(frame)
    brought = placed.of(_head_excess(figure, moment, look, core=core, masked=masked) * cover)
    window[:] = window * (1 - part) + brought


def _body(frame: Field, pose: Pose, *, core: float, air: float, chance: np.random.Generator) -> None:
    height, width = frame.shape
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [body_outline(pose, width, height)], 255, cv2.LINE_AA)
    part = mask.astype(np.float32) / 255
    folds = cv2.GaussianBlur(chance.normal(size=frame.shape).astype(np.float32), (0, 0), 0.3 * pose.half * height)
    creased = 0.5 * folds / max(float(folds.std()), 1e-6)
    frame[:] = frame * (1 - part) + ((core - 3 - air) * _BODY + creased) * part


def _held(frame: Field, moment: Moment) -> None:
    """Draw paper or a screen, with whoever holds it behind or beside."""
    height, width = frame.shape
    flat, holder, other = flat_of(moment), holder_pose(moment), figure_of(moment.other)
    if holder is not None:
        _person(frame, moment, moment.other, holder, core=None, masked=False)
    else:
        aside = Pose(x=flat.x + 0.5, y=0.6, half=flat.face_half)
        _body(frame, aside, core=other.look.core, air=moment.air, chance=moment.chance(7))
    part = flat.cover(width, height)
    frame[:] = frame * (1 - part) + _SURFACES[moment.act.kind](moment, flat, width, height) * part
    held = fingers(flat, width, height)
    frame[:] = frame * (1 - held) + (33.0 - moment.air) * held


def _cool_paper(moment: Moment, flat: Flat, width: int, height: int) -> Field:
    """Give paper that took a little of the hands' warmth, and of the breath behind it."""
    chance = moment.chance(8)
    s, t = flat.local(width, height)
    hands = np.exp(-(((np.abs(s) - 1) / 0.25) ** 2) - ((t - 0.6) / 0.4) ** 2) * chance.uniform(0.5, 2.5)
    breath = np.exp(-(((s - chance.uniform(-0.2, 0.2)) / 0.4) ** 2) - ((t - 0.35) / 0.3) ** 2)
    behind = chance.uniform(0.3, 2.0) if holder_pose(moment) is not None else chance.uniform(0, 0.3)
    return np.asarray(chance.uniform(0.1, 0.8) + hands + behind * breath, np.float32)


def _screen(moment: Moment, flat: Flat, width: int, height: int) -> Field:
    """Give a screen: evenly warm, a little more where the processor is."""
    chance = moment.chance(8)
    s, t = flat.local(width, height)
    processor = np.exp(-(((s + 0.4) / 0.5) ** 2) - ((t + 0.55) / 0.4) ** 2) * chance.uniform(0.2, 2.0)
    return np.asarray(chance.uniform(4, 14) + processor, np.float32)


def _warm_paper(moment: Moment, flat: Flat, width: int, height: int) -> Field:
    """Give paper that was warmed: all of it, in the shape of a face, or of a face with warmer eyes."""
    chance = moment.chance(8)
    s, t = flat.local(width, height)
    u, v = s * flat.wide / flat.face_half, (t * flat.high - flat.face_down) / flat.face_half
    warmth = chance.uniform(31.5, 37.0) - moment.air
    face = np.clip(1.25 - np.sqrt((u / 1.05) ** 2 + ((v - 0.2) / 1.5) ** 2), 0, 0.5) * 2
    how = int(chance.integers(4))
    field = warmth * ((1.0, 0.0, 0.0, 0.0)[how] + (0.0, 1.0, 1.0, 1.0)[how] * (0.25 + 0.75 * face))
    if how >= 2:  # noqa: PLR2004 - who takes care of the eyes too
        eyes = sum(np.exp(-(((u - side * 0.3) / 0.16) ** 2) - (v / 0.13) ** 2) for side in (-1.0, 1.0))
        field = field + chance.uniform(0.5, 2.0) * eyes
    if how == 3:  # noqa: PLR2004 - and of the nose
        field = field - chance.uniform(0.5, 2.0) * np.exp(-((u / 0.2) ** 2) - ((v - 0.5) / 0.2) ** 2)
    patches = cv2.GaussianBlur(
        chance.normal(size=(height, width)).astype(np.float32), (0, 0), 0.3 * flat.face_half * height
    )
    return np.asarray(field + chance.uniform(0.1, 0.8) * patches / max(float(patches.std()), 1e-6), np.float32)


def _hand_behind(moment: Moment, flat: Flat, width: int, height: int) -> Field:
    """Give thin paper with a palm and four fingers pressed against it."""
    chance = moment.chance(8)
    s, t = flat.local(width, height)
    turn = chance.uniform(-0.5, 0.5)
    size = flat.face_half * chance.uniform(0.7, 1.25)
    x, y = (
        (s * flat.wide - chance.uniform(-0.2, 0.2) * size) / size,
        (t * flat.high + chance.uniform(-0.3, 0.2) * size) / size,
    )
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    hand = np.exp(-(((x / 0.62) ** 2 + ((y - 0.35) / 0.6) ** 2) ** 2))
    for number in range(4):
        hand = np.maximum(hand, np.exp(-(((x + 0.48 - 0.32 * number) / 0.14) ** 4) - (((y + 0.55) / 0.62) ** 4)))
    through = chance.uniform(0.45, 0.92)
    soft = cv2.GaussianBlur(hand.astype(np.float32), (0, 0), chance.uniform(0.04, 0.14) * flat.face_half * height)
    return np.asarray(
        _cool_paper(moment, flat, width, height) + through * (chance.uniform(32, 35) - moment.air) * soft, np.float32
    )


_SURFACES = {
    Kind.PRINT: _cool_paper,
    Kind.SCREEN: _screen,
    Kind.WARM_PRINT: _warm_paper,
    Kind.WARM_HAND: _hand_behind,
}


def _worn(frame: Field, moment: Moment) -> None:
    """Draw a stranger who wears a printed face: eyes in its holes, and paper that the skin has warmed."""
    _person(frame, moment, moment.other, moment.pose, core=None, masked=False)
    printed, wearer, chance = figure_of(moment.act.look), figure_of(moment.other), moment.chance(8)
    placed = place(printed, moment.pose, width=frame.shape[1], height=frame.shape[0])
    if placed is None:
        return
    beneath = blurred(_head_excess(wearer, moment, moment.other, core=None, masked=False), chance.uniform(0.08, 0.25))
    touching = chance.uniform(0.3, 0.75) + 0.2 * wearer.height * chance.uniform(0, 1)
    paper = beneath * np.clip(touching, 0, 0.9)
    where = paper_mask(printed) * (1 - eye_holes(printed, moment.chance(4)))
    part = placed.of(np.asarray(where, np.float32))
    window = placed.window(frame)
    window[:] = window * (1 - part) + placed.of(np.asarray(paper, np.float32)) * part

"""A moment as a visible camera has it: people or what they hold up before a wall, and the sensor's noise. Pure."""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from simulators.people.attempts import ATTACKS, Kind
from simulators.people.holes import eye_holes, paper_mask
from simulators.people.moment import Flat, Moment, flat_of, held_before_face
from simulators.people.take import Light, Pose, draw_head, figure_of, lit, place

Image = npt.NDArray[np.uint8]
Frame = npt.NDArray[np.float32]

_NOISE = 2.8
_NOISE_ROOM = 64
_PAPER = (0.90, 0.93, 0.94)
_FRONTAL = Pose()
_STUDIO = Light(across=0.2, above=0.4, strength=0.95, ambient=0.6)


def see(moment: Moment, *, width: int, height: int) -> Image:
    """Give the picture of a moment (height, width, 3). The same moment gives the same picture."""
    frame = _backdrop(width, height) * np.float32(0.55 + 0.45 * moment.light.strength)
    kind = moment.act.kind
    if kind in ATTACKS:
        _present(frame, moment)
    elif kind is not Kind.NOBODY:
        _stand(frame, moment)
    image = cv2.GaussianBlur(cv2.convertScaleAbs(frame, alpha=255), (0, 0), 0.6)
    return np.asarray(cv2.add(image, _noise(moment, width, height), dtype=cv2.CV_8U), np.uint8)


def _noise(moment: Moment, width: int, height: int) -> npt.NDArray[np.int16]:
    """Give a window of one field of noise, elsewhere for each picture: new noise would cost more than all the rest."""
    field = _noise_field(width, height)
    across, down = np.random.default_rng([moment.visit, moment.picture, 5]).integers(_NOISE_ROOM, size=2)
    return field[down : down + height, across : across + width]


def beside(moment: Moment) -> Pose:
    """Give where a second person stands."""
    pose = moment.pose
    side = 1 if moment.visit % 2 else -1
    return Pose(x=pose.x + side * 3.0 * pose.half, y=pose.y + 0.02, half=pose.half * 0.95, yaw=-0.05 * side)


def _stand(frame: Frame, moment: Moment) -> None:
    act = moment.act
    if act.kind is Kind.TWO:
        _person(frame, moment.other, beside(moment), moment.light, masked=False)
    _person(frame, act.look, moment.pose, moment.light, masked=act.mask)


def _person(frame: Frame, look: int, pose: Pose, light: Light, *, masked: bool) -> None:
    figure = figure_of(look, masked)
    _body(frame, figure.look.coat, pose, light)
    draw_head(frame, figure, pose, light)


def _body(frame: Frame, coat: tuple[float, float, float], pose: Pose, light: Light) -> None:
    height, width = frame.shape[:2]
    corners = body_outline(pose, width, height)
    left, top = (max(0, int(corners[:, axis].min())) for axis in (0, 1))
    right, bottom = min(width, int(corners[:, 0].max()) + 1), height
    if left >= right or top >= bottom:
        return
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, [corners - np.array([left, top], np.int32)], 255, cv2.LINE_AA)
    part = (mask.astype(np.float32) / 255)[..., None]
    columns = (np.arange(left, right) + 0.5 - width / 2) / height - pose.x
    shade = 0.5 + 0.35 * light.strength * np.cos(np.clip(columns / (2.6 * pose.half), -1.4, 1.4) - 0.5 * light.across)
    over = np.array(coat, np.float32) * shade[None, :, None].astype(np.float32)
    window = frame[top:bottom, left:right]
    window += (over - window) * part


def body_outline(pose: Pose, width: int, height: int) -> npt.NDArray[np.int32]:
    """Give neck and shoulders as a polygon in pixels."""
    shoulders = [
        (-0.62, 1.95),
        (0.62, 1.95),
        (1.6, 2.35),
        (2.3, 2.9),
        (2.6, 9.0),
        (-2.6, 9.0),
        (-2.3, 2.9),
        (-1.6, 2.35),
    ]
    middle = np.array([width / 2 + pose.x * height, pose.y * height])
    return np.asarray(np.round(np.array(shoulders) * pose.half * height + middle), np.int32)


def _present(frame: Frame, moment: Moment) -> None:
    if moment.act.kind is Kind.EYE_HOLES:
        _wear(frame, moment)
        return
    flat = flat_of(moment)
    holder = holder_pose(moment)
    if holder is not None:
        _person(frame, moment.other, holder, moment.light, masked=False)
    else:
        _body(frame, figure_of(moment.other).look.coat, Pose(x=flat.x + 0.5, y=0.6, half=flat.face_half), moment.light)
    rows, columns = max(8, round(2 * flat.high * frame.shape[0])), max(8, round(2 * flat.wide * frame.shape[0]))
    picture = (
        _screen(moment, flat, columns, rows) if moment.act.kind is Kind.SCREEN else _print(moment, flat, columns, rows)
    )
    transform = flat.onto(columns, rows, frame.shape[1], frame.shape[0])
    shown = cv2.warpAffine(picture, transform, (frame.shape[1], frame.shape[0]), flags=cv2.INTER_LINEAR)
    part = flat.cover(frame.shape[1], frame.shape[0])[..., None]
    frame[:] = frame * (1 - part) + shown * part
    skin = np.array(figure_of(moment.other).look.skin, np.float32) * 0.85
    held = fingers(flat, frame.shape[1], frame.shape[0])[..., None]
    frame[:] = frame * (1 - held) + skin * held


def holder_pose(moment: Moment) -> Pose | None:
    """Give where the head of whoever holds something up is; None when it is out of view."""
    if not held_before_face(moment):
        return None
    pose = moment.pose
    return Pose(x=pose.x, y=pose.y + 0.02, half=pose.half * 0.9, yaw=0.0)


def fingers(flat: Flat, width: int, height: int) -> Frame:
    """Give where fingers lie over the edges of something that is held: 1 there, 0 elsewhere."""
    s, t = flat.local(width, height)
    found = np.zeros((height, width), np.float32)
    for side in (-1.0, 1.0):
        x = (s - side * 0.98) * (flat.wide / (0.22 * flat.face_half))
        for number in range(3 if side > 0 else 1):
            y = (t - 0.45 - 0.16 * number) * (flat.high / (0.085 * flat.face_half))
            np.maximum(found, 4.5 - 4 * (x * x + y * y), out=found)
    return np.minimum(found, 1.0)


def _studio_picture(moment: Moment, flat: Flat, columns: int, rows: int) -> Frame:
    picture = np.full((rows, columns, 3), 0.72, np.float32)
    half = flat.face_half / (2 * flat.high)
    pose = Pose(x=0.0, y=0.5 + flat.face_down / (2 * flat.high), half=half)
    draw_head(picture, figure_of(moment.act.look), pose, _STUDIO)
    return picture


def _print(moment: Moment, flat: Flat, columns: int, rows: int) -> Frame:
    """Print it: a printer's black is grey and its paper takes the light of the place."""
    picture = 0.06 + 0.86 * _studio_picture(moment, flat, columns, rows)
    edge = max(2, round(0.03 * columns))
    bordered = np.full_like(picture, 1.0) * np.array(_PAPER, np.float32)
    bordered[edge:-edge, edge:-edge] = picture[edge:-edge, edge:-edge]
    bend = 0.92 + 0.12 * np.cos(np.linspace(-1.2, 1.2, columns) - moment.light.across)
    return np.asarray(bordered * bend[None, :, None] * (0.5 + 0.5 * moment.light.strength), np.float32)


def _screen(moment: Moment, flat: Flat, columns: int, rows: int) -> Frame:
    """Show it on a screen: bright whatever the light, a dark rim, a reflection."""
    picture = np.clip(1.05 * _studio_picture(moment, flat, columns, rows), 0, 1.0)
    rim = max(2, round(0.05 * columns))
    framed = np.full_like(picture, 0.03)
    framed[rim:-rim, rim:-rim] = picture[rim:-rim, rim:-rim]
    down, across = np.mgrid[0:rows, 0:columns]
    glare = np.exp(-(((across / columns - 0.75 + 0.4 * down / rows) / 0.12) ** 2)) * 0.07 * moment.light.strength
    return np.asarray(framed + glare[..., None], np.float32)


def _wear(frame: Frame, moment: Moment) -> None:
    """Draw a printed face that a stranger wears, with the stranger's eyes behind its holes."""
    _person(frame, moment.other, moment.pose, moment.light, masked=False)
    figure = figure_of(moment.act.look)
    placed = place(figure, moment.pose, width=frame.shape[1], height=frame.shape[0])
    if placed is None:
        return
    sheet = paper_mask(figure) * (1 - eye_holes(figure, moment.chance(4)))
    printed = (0.06 + 0.86 * lit(figure, _STUDIO, _FRONTAL)) * (0.5 + 0.5 * moment.light.strength)
    part = placed.of(np.asarray(sheet, np.float32))[..., None]
    window = placed.window(frame)
    window[:] = window * (1 - part) + placed.of(np.asarray(printed, np.float32)) * part


@lru_cache(maxsize=2)
def _noise_field(width: int, height: int) -> npt.NDArray[np.int16]:
    chance, room = np.random.default_rng(5), _NOISE_ROOM
    return np.round(_NOISE * chance.standard_normal((height + room, width + room, 3), np.float32)).astype(np.int16)


@lru_cache(maxsize=4)
def _backdrop(width: int, height: int) -> Frame:
    """Draw what never moves: a wall, a door behind, a lamp's light."""
    frame = np.empty((height, width, 3), np.float32)
    rows = np.linspace(0.62, 0.45, height, dtype=np.float32)[:, None]
    columns = 1 - 0.25 * np.linspace(-1, 1, width, dtype=np.float32)[None, :] ** 2
    frame[:] = (rows * columns)[..., None] * np.array([0.93, 0.97, 1.0], np.float32)
    door = (int(0.66 * width), int(0.93 * width), int(0.12 * height))
    frame[door[2] :, door[0] : door[1]] *= np.array([0.55, 0.62, 0.72], np.float32)
    frame[door[2] : door[2] + int(0.25 * height), door[0] + width // 40 : door[1] - width // 40] *= 1.5
    cv2.line(frame, (0, int(0.86 * height)), (door[0], int(0.84 * height)), (0.35, 0.36, 0.38), max(1, height // 120))
    soft = cv2.GaussianBlur(frame, (0, 0), 0.012 * height)
    return np.asarray(np.clip(soft, 0, 1), np.float32)

"""One moment before a camera: a head turned, lit and placed, in a visible and in a thermal picture. Pure.

Places and lengths in a frame are parts of its height, so that all cameras of one stage show the same field.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from simulators.people.fields import LEFT, SCALE, TOP, Field, blurred
from simulators.people.head import Outline, outline, relief
from simulators.people.looks import Look, look_of
from simulators.people.paint import Painted, mask_sheet, paint

Image = npt.NDArray[np.uint8]
_ROUNDS = 4  # the turn is undone by so many steps, each many times nearer
_REACH = (2.3, 2.6, 3.3)  # of a head on the sheet: sideways, up, down


@dataclass(frozen=True, kw_only=True, slots=True)
class Pose:
    """Where a head is, and how it is turned.

    `x` (from the middle) and `y` of the point between the eyes, and `half`, half the face's width, are parts of the
    frame's height. Angles are in radians; smile and raised brows from 0 to 1.
    """

    x: float = 0.0
    y: float = 0.42
    half: float = 0.14
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    smile: float = 0.0
    brows: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """Light: direction in radians (0 from the camera; positive from the right, from above), and how much."""

    across: float = 0.35
    above: float = 0.5
    strength: float = 1.0
    ambient: float = 0.55
    warm: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A person as made once: looks, paint, relief (height, its normals) and how dark its hollows are."""

    look: Look
    edge: Outline
    painted: Painted
    height: Field
    normals: npt.NDArray[np.float32]
    hollow: Field


@lru_cache(maxsize=24)
def figure_of(number: int, masked: bool = False) -> Figure:  # noqa: FBT001, FBT002 - a key of the cache
    """Make a person by number, perhaps with a mask over mouth and nose; or give the one that was made."""
    look = look_of(number)
    edge = outline(look)
    painted = paint(look, edge, masked=masked)
    height = relief(look, edge)
    if masked:
        cloth = mask_sheet(look, edge)
        height = np.asarray(height * (1 - cloth) + (blurred(height, 0.16) + 0.06) * cloth, np.float32)
    raised = height + 0.10 * blurred(painted.hair, 0.06)
    dy, dx = np.gradient(raised * SCALE)
    normals = np.stack([-dx, -dy, np.ones_like(dx)], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    hollow = np.clip(1 + 2.2 * (height - blurred(height, 0.12)), 0.55, 1.12)
    return Figure(
        look=look,
        edge=edge,
        painted=painted,
        height=height,
        normals=normals.astype(np.float32),
        hollow=np.asarray(hollow, np.float32),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """Which pixels of the sheet are seen in a window of a frame."""

    left: int
    top: int
    columns: Field
    rows: Field

    def of(self, sheet: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Bring something from the sheet into the window; 0 outside."""
        brought = cv2.remap(sheet, self.columns, self.rows, cv2.INTER_LINEAR, borderValue=0)
        return np.asarray(brought, np.float32)

    def window(self, frame: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Give the window of a frame."""
        rows, columns = self.columns.shape
        return frame[self.top : self.top + rows, self.left : self.left + columns]


def place(figure: Figure, pose: Pose, *, width: int, height: int) -> Placed | None:
    """Find what the pixels of a frame show of a head; None when it is out of view."""
    unit = pose.half * height
    x0, y0 = width / 2 + pose.x * height, pose.y * height
    left, right = max(0, int(x0 - _REACH[0] * unit)), min(width, int(x0 + _REACH[0] * unit) + 1)
    top, bottom = max(0, int(y0 - _REACH[1] * unit)), min(height, int(y0 + _REACH[2] * unit) + 1)
    if right - left < 2 or bottom - top < 2:  # noqa: PLR2004 - pixels
        return None
    columns = (np.arange(left, right, dtype=np.float32) + 0.5 - x0) / unit
    rows = (np.arange(top, bottom, dtype=np.float32) + 0.5 - y0) / unit
    x, y = np.meshgrid(columns, rows)
    cos, sin = math.cos(pose.roll), math.sin(pose.roll)
    x, y = x * cos + y * sin, y * cos - x * sin
    u, v = _turned_back(figure.height, x, y, pose)
    u, v = _expressed(figure.look, u, v, pose)
    return Placed(
        left=left,
        top=top,
        columns=np.asarray((u - LEFT) * SCALE - 0.5, np.float32),
        rows=np.asarray((v - TOP) * SCALE - 0.5, np.float32),
    )


def _turned_back(height: Field, x: Field, y: Field, pose: Pose) -> tuple[Field, Field]:
    """Find the points of the sheet that stand at (x, y) once the head is turned."""
    if not pose.yaw and not pose.pitch:
        return x, y
    yaw, pitch = (np.float32(math.cos(pose.yaw)), np.float32(math.sin(pose.yaw))), np.float32(math.sin(pose.pitch))
    nod = np.float32(math.cos(pose.pitch))
    u, v = x, y
    for _ in range(_ROUNDS):
        columns, rows = (u - np.float32(LEFT)) * np.float32(SCALE), (v - np.float32(TOP)) * np.float32(SCALE)
        z = np.asarray(cv2.remap(height, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
        u = np.asarray((x - z * yaw[1]) / yaw[0], np.float32)
        deep = z * yaw[0] - u * yaw[1]
        v = np.asarray((y - deep * pitch) / nod, np.float32)
    return u, v


def _expressed(look: Look, u: Field, v: Field, pose: Pose) -> tuple[Field, Field]:
    """Undo a smile and raised brows: say where on the face at rest each point was."""
    moved_u, moved_v = np.zeros_like(u), np.zeros_like(v)
    if pose.smile:
        mouth = look.nose_length + look.mouth_down
        for side in (-1.0, 1.0):
            near = np.exp(-0.5 * (((u - side * look.mouth_width) / 0.2) ** 2 + ((v - mouth) / 0.16) ** 2))
            moved_u -= side * 0.05 * pose.smile * near
            moved_v += 0.06 * pose.smile * near
    if pose.brows:
        moved_v += 0.05 * pose.brows * np.exp(-0.5 * ((v + look.brow_rise) / 0.14) ** 2)
    return np.asarray(u + moved_u, np.float32), np.asarray(v + moved_v, np.float32)


def lit(figure: Figure, light: Light, pose: Pose) -> npt.NDArray[np.float32]:
    """Light a head: the sheet's colour (HEIGHT, WIDTH, 3) from 0 to about 1."""
    turned = light.across - pose.yaw, light.above + pose.pitch
    toward = np.array(
        [
            math.sin(turned[0]) * math.cos(turned[1]),
            -math.sin(turned[1]),
            math.cos(turned[0]) * math.cos(turned[1]),
        ],
        np.float32,
    )
    normals = figure.normals
    direct = np.clip(normals @ toward, 0, 1)
    half = toward + np.array([0, 0, 1], np.float32)
    shine = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1) ** 18 * figure.painted.sheet.gloss
    sky = 0.75 + 0.25 * np.clip(-normals[..., 1], -1, 1)
    strength = (light.ambient * sky + 0.75 * light.strength * direct) * figure.hollow
    colour = figure.painted.sheet.colour * strength[..., None] + 0.55 * light.strength * shine[..., None]
    return np.asarray(colour, np.float32)


def canvas_of(colour: npt.NDArray[np.float32], light: Light) -> npt.NDArray[np.float32]:
    """Tint by the colour of the light: positive is a lamp's, negative the sky's."""
    tint = np.array([1 - 0.25 * light.warm, 1.0, 1 + 0.15 * light.warm], np.float32)
    return np.asarray(colour * tint, np.float32)


def draw_head(frame: npt.NDArray[np.float32], figure: Figure, pose: Pose, light: Light) -> None:
    """Draw a head into a frame (height, width, 3) of colours from 0 to 1."""
    placed = place(figure, pose, width=frame.shape[1], height=frame.shape[0])
    if placed is None:
        return
    cover = placed.of(figure.painted.sheet.cover)[..., None]
    colour = placed.of(canvas_of(lit(figure, light, pose), light))
    part = placed.window(frame)
    part += (colour - part) * cover

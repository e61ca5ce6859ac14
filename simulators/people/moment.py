"""One moment on a stage, and the flat things that are held up there: what both cameras draw from. Pure."""

import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from simulators.people.attempts import NOBODY, Act, Kind
from simulators.people.cast import MOST, Role, look_number
from simulators.people.fields import Field
from simulators.people.looks import Glasses, look_of
from simulators.people.take import Light, Pose

_PHONE, _TABLET = (1.12, 1.75), (1.5, 2.0)
_TABLETS = 0.4


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What there is to see: who (`act`), where (`pose`), in which light and air (°C), and how far a breath is.

    `breath` is from -1 (in) to 1 (out). `visit` seeds what stays the same while they stand; `picture` the noise.
    """

    act: Act = NOBODY
    pose: Pose = field(default_factory=Pose)
    light: Light = field(default_factory=Light)
    air: float = 22.0
    breath: float = 0.0
    visit: int = 0
    picture: int = 0

    @property
    def other(self) -> int:
        """The look of whoever holds up a photo, or stands beside; who wears one takes the glasses off."""
        strangers = _bare_eyed() if self.act.kind is Kind.EYE_HOLES else _strangers()
        return strangers[self.visit % len(strangers)]

    def chance(self, purpose: int) -> np.random.Generator:
        """Give this visit's chance, another one for each purpose."""
        return np.random.default_rng([self.visit, purpose])


@cache
def _strangers() -> tuple[int, ...]:
    return tuple(look_number(Role.STRANGER, number) for number in range(1, MOST[Role.STRANGER] + 1))


@cache
def _bare_eyed() -> tuple[int, ...]:
    return tuple(number for number in _strangers() if look_of(number).glasses is Glasses.NONE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flat:
    """A flat thing before the cameras: middle, half width and half height in parts of the frame's height; turn.

    `face_half` is half the width of the face on it, `face_down` where its eyes are below the middle.
    """

    x: float
    y: float
    wide: float
    high: float
    turn: float
    face_half: float
    face_down: float

    def local(self, width: int, height: int) -> tuple[Field, Field]:
        """Give each pixel's place on it: -1 to 1 across, and down."""
        columns = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / height - self.x)[None, :]
        rows = ((np.arange(height, dtype=np.float32) + 0.5) / height - self.y)[:, None]
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        s = (columns * cos + rows * sin) / self.wide
        t = (rows * cos - columns * sin) / self.high
        return np.asarray(s, np.float32), np.asarray(t, np.float32)

    def cover(self, width: int, height: int) -> Field:
        """Give 1 where it is, 0 elsewhere."""
        s, t = self.local(width, height)
        soft = 1.0 / height
        inside = np.minimum((1 - np.abs(s)) * self.wide, (1 - np.abs(t)) * self.high) / soft + 0.5
        return np.asarray(np.clip(inside, 0, 1), np.float32)

    def onto(self, columns: int, rows: int, width: int, height: int) -> npt.NDArray[np.float64]:
        """Give the affine transform (2, 3) of a picture of it to a frame."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        across = 2 * self.wide * height / columns
        down = 2 * self.high * height / rows
        linear = np.array([[cos * across, -sin * down], [sin * across, cos * down]])
        middle = np.array([width / 2 + self.x * height, self.y * height])
        return np.column_stack([linear, middle - linear @ np.array([columns / 2, rows / 2])])


def flat_of(moment: Moment) -> Flat:
    """Give the paper or the screen of a presented face: no two visits hold up the same."""
    chance, pose = moment.chance(1), moment.pose
    size = chance.uniform(0.9, 1.15)
    half = pose.half * size
    if moment.act.kind is Kind.SCREEN:
        wide, high = _TABLET if chance.random() < _TABLETS else _PHONE
    else:
        wide, high = chance.uniform(1.3, 1.8), chance.uniform(1.8, 2.3)
    return Flat(
        x=pose.x,
        y=pose.y + 0.25 * half,
        wide=wide * half,
        high=high * half,
        turn=pose.roll + chance.uniform(-0.08, 0.08),
        face_half=half,
        face_down=-0.25 * half,
    )


def held_before_face(moment: Moment) -> bool:
    """Whether whoever holds it up hides behind it, or holds it away at arm's length."""
    return moment.chance(2).random() < 0.6  # noqa: PLR2004 - a share

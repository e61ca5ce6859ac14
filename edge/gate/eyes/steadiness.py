"""Whether a face stands where it stood a look before, so that both cameras' pictures show it in one place. Pure.

The cameras are not in step: the thermal picture is older than the visible one by up to its own period, and whoever
walks up is smaller in it by then. Nothing about warmth is said of somebody who moves, nor of a face that was not there
a look before: what is held up suddenly would be judged by the warmth of whoever stood there.
"""

import math

from models.face.frame import FaceFrame

_MOST_NEARER = 0.05
_MOST_ASIDE = 0.12
"""Of size, and in eye distances, from look to look. At ten looks a second and 0.7 m: 35 cm nearer and 8 cm aside in a
second; that whoever stands moves less is an assumption."""
_MOST_MISSED = 1
"""So many looks may miss a face that stands there."""


class Steadiness:
    """Remembers where the face of the look before was. The first look of all has nothing to be held against."""

    def __init__(self) -> None:
        self._before: FaceFrame | None = None
        self._missed = 0
        self._is_first = True

    def saw(self, frame: FaceFrame | None) -> bool:
        """Take the place of this look's face, None without one; say whether it is where it was."""
        before, first = self._before, self._is_first
        self._is_first = False
        if frame is None:
            self._missed += 1
            if self._missed > _MOST_MISSED:
                self._before = None
            return False
        self._before, self._missed = frame, 0
        return first if before is None else _is_near(before, frame)


def _is_near(before: FaceFrame, now: FaceFrame) -> bool:
    nearer = abs(math.log(now.eye_distance / before.eye_distance))
    aside = abs(now.place.shift - before.place.shift) / now.eye_distance
    return nearer <= _MOST_NEARER and aside <= _MOST_ASIDE

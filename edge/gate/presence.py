"""One visit of one face before the camera: when a look is enough to act on, and when to look again. Pure; seconds.

A blink or a thermal picture that came a moment late must not turn anybody away, so a refusal waits for several looks.
An opening does not wait, unless something looked like a picture of a face: then it takes several clear looks in a row.
Warmth cannot be told of somebody who moves: whoever walks up has longer, and is judged when they stand.
"""

from edge.gate.api import Answer, Check, Decision, Reason, Standing

PATIENCE_S = 1.2
WALK_S = 3.0
"""As long as the last two or three steps to a gate take: so long one may move before that itself is the answer."""
LEAST_LOOKS = 3
DOUBTS = 3
"""So many looks in a row must show life after one that did not."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 3.0, 30.0
_AT_ONCE = frozenset({Reason.FEVER, Reason.HEALTH_CODE_NOT_GREEN, Reason.RECORD_MISSING})
"""What is not asked for again until it comes out well."""


class Presence:
    """Somebody before the camera, from the first clear look until nobody is there."""

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._looks = 0
        self._doubts = 0
        self._not_before_s = float("-inf")
        self._pause_s = FIRST_PAUSE_S

    def ended(self) -> None:
        """Begin anew: nobody is there. A refusal that was just told still holds the next attempt off for a while."""
        self._first_s, self._looks, self._doubts, self._pause_s = None, 0, 0, FIRST_PAUSE_S

    def may_try(self, now: float) -> bool:
        """Whether it is time to judge: whoever was refused is not judged again at once, and ever more rarely."""
        return now >= self._not_before_s

    def is_enough(self, decision: Decision, now: float) -> bool:
        """Whether to act on what was decided by one look; otherwise look again."""
        if self._first_s is None:
            self._first_s = now
        self._looks += 1
        alive = next((one.standing for one in decision.results if one.check is Check.LIVENESS), None)
        if alive is Standing.FAILED:
            self._doubts = DOUBTS
        elif self._doubts and alive is Standing.PASSED:
            self._doubts -= 1
        if decision.answer is Answer.OPEN:
            return self._doubts == 0
        settled = _is_settled(decision)
        if settled and any(one.reason in _AT_ONCE for one in decision.results):
            return True
        return self._looks >= LEAST_LOOKS and now - self._first_s >= (PATIENCE_S if settled else WALK_S)

    def refused(self, now: float) -> None:
        """Take note that somebody was turned away, or passed to staff."""
        self._not_before_s = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._first_s, self._looks = None, 0

    def let_in(self, now: float, *, confirmed: bool) -> None:
        """Take note that the door was opened, or should have been."""
        self.ended()
        if not confirmed:
            self._not_before_s = now + FIRST_PAUSE_S


def _is_settled(decision: Decision) -> bool:
    """Whether somebody stood still enough for the cameras to tell what they are asked for."""
    return not any(
        one.check in {Check.LIVENESS, Check.TEMPERATURE} and one.reason is Reason.FACE_NOT_CLEAR
        for one in decision.results
    )

"""What is known of a stream: its rate, whether its picture moves, whether anything is to be seen. Pure."""

from collections import deque
from dataclasses import dataclass, field

_WINDOW_S = 5.0
_MOST = 1000
_MOVED = 2


@dataclass(kw_only=True, slots=True)
class Rate:
    """Pictures a second over the last five seconds. Times are monotonic seconds."""

    _times: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST))

    def add(self, at_s: float) -> None:
        """Count a picture."""
        self._times.append(at_s)
        self._forget(at_s)

    def at(self, now_s: float) -> float:
        """Give the rate; measured between pictures, so that it is right from the second one on."""
        self._forget(now_s)
        if len(self._times) < _MOVED:
            return 0.0
        span = self._times[-1] - self._times[0]
        quiet = now_s - self._times[-1]
        per_picture = span / (len(self._times) - 1)
        span += max(quiet - 2 * per_picture, 0.0)  # a pause counts when it is longer than usual
        return round((len(self._times) - 1) / span, 2) if span > 0 else 0.0

    def _forget(self, now_s: float) -> None:
        while self._times and self._times[0] < now_s - _WINDOW_S:
            self._times.popleft()


@dataclass(kw_only=True, slots=True)
class Stillness:
    """How long a picture has been the same in every pixel that counts.

    No sensor gives the same picture twice: noise alone changes it. So a picture that stays is one that the camera
    repeats.
    """

    _imprint: bytes = b""
    _since_s: float = 0.0
    _last_s: float = 0.0

    def see(self, imprint: bytes, at_s: float) -> None:
        """Take note of a picture."""
        if imprint != self._imprint:
            self._imprint, self._since_s = imprint, at_s
        self._last_s = at_s

    @property
    def for_s(self) -> float:
        """For how many seconds it had been the same, when it was last seen."""
        return self._last_s - self._since_s


def is_covered(*, brightness: float, spread: float, dark_below: float, even_below: float) -> bool:
    """Whether nothing is to be seen: very dark, or one even colour, as with a hand, a bag or paint on the lens."""
    return brightness < dark_below or spread < even_below

"""What happens at a QR or card reader: people present what they have, by themselves at times, or when they are told.

`present:0008075634` (a card by the number printed on it, `123,14706` too) or `present:VISIT-7` (a code's text) happens
once. `hold:...` leaves it lying there, and the reader says it again and again, until it is cleared. Without a parameter
it is what the profile has as a sample.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random

from drivers.api import Value
from drivers.places.reader import ReaderPoint
from drivers.profile import Profile
from simulators.machines.api import UnknownFault

PRESENT, HOLD = "present", "hold"

_TEN = re.compile(r"[0-9]{10}")
_THREE_AND_FIVE = re.compile(r"([0-9]{3}),([0-9]{5})")
_EVERY_S = 90.0  # somebody comes so often, on average
_AGAIN_S = 0.2  # a reader says what lies there so often
_MOST_WAITING = 64


class ReaderMachine:
    """People before a reader. `take` gives what it reads now, the earliest first."""

    def __init__(self, profile: Profile, *, time_scale: float = 1.0) -> None:
        self._profile = profile
        self._how = profile.reader
        self._scale = time_scale
        wanted = "text" if self._how.content == "text" else "card"
        samples = [str(p.sample) for p in profile.points.values() if p.at(ReaderPoint).field == wanted]
        self._sample = samples[0] if samples else "0008075634"
        self._waiting: deque[str] = deque(maxlen=_MOST_WAITING)
        self._lying = ""
        self._again_s = 0.0
        self._read = 0

    def take(self) -> Sequence[str]:
        """Give what is read now: texts, or numbers of cards as they are printed."""
        read = list(self._waiting)
        self._waiting.clear()
        self._read += len(read)
        return read

    def values(self) -> Mapping[str, Value]:
        """Give a sample for what is told once; a reader itself holds nothing but its count."""
        return {
            name: self._read if point.at(ReaderPoint).field == "count" else point.sample
            for name, point in self._profile.points.items()
        }

    def step(self, dt_s: float, random: Random) -> None:
        """Let people come."""
        if random.random() < dt_s * self._scale / _EVERY_S:
            self._waiting.append(self._anybody(random))
        self._again_s -= dt_s
        if self._lying and self._again_s <= 0:
            self._waiting.append(self._lying)
            self._again_s = _AGAIN_S

    def write(self, point: str, value: Value) -> None:
        """Refuse: a reader only speaks. ValueError."""
        raise ValueError(f"{point} cannot be set to {value!r}")

    def faults(self) -> tuple[str, ...]:
        """Name what can happen at it."""
        return (PRESENT, HOLD)

    def active(self) -> tuple[str, ...]:
        """Name what happens now, without what it is: `present` only until the reader has said it."""
        return tuple(kind for kind, now in ((PRESENT, self._waiting), (HOLD, self._lying)) if now)

    def fault(self, name: str) -> None:
        """Have something presented; UnknownFault says how to write it."""
        kind, _, written = name.partition(":")
        what = written or self._sample
        if kind not in self.faults() or not self._can_be(what):
            raise UnknownFault(name, (f"{PRESENT}:{self._sample}", f"{HOLD}:{self._sample}"))
        if kind == PRESENT:
            self._waiting.append(what)
        else:
            self._lying, self._again_s = what, 0.0

    def clear(self, name: str | None) -> None:
        """Take away what lies there, or what was not said yet. UnknownFault."""
        kind = None if name is None else name.partition(":")[0]
        if kind not in {None, *self.faults()}:
            raise UnknownFault(str(name), self.faults())
        if kind in {None, HOLD}:
            self._lying = ""
        if kind in {None, PRESENT}:
            self._waiting.clear()

    def _can_be(self, what: str) -> bool:
        if self._how.content != "text":
            return number_of(what) is not None
        try:
            size = len(what.encode(self._how.charset))
        except UnicodeEncodeError:
            return False
        return what.isprintable() and 0 < size <= self._how.max_length

    def _anybody(self, random: Random) -> str:
        if self._how.content == "text":
            return f"{self._sample}-{random.randrange(100):02d}"
        return f"{random.getrandbits(24):010d}"


def number_of(printed: str) -> int | None:
    """Give a card's number by what is printed on it, `0008075634` or `123,14706`; None for anything else."""
    if _TEN.fullmatch(printed) and int(printed) < 1 << 32:
        return int(printed)
    match = _THREE_AND_FIVE.fullmatch(printed)
    if match is None or int(match[1]) > 0xFF or int(match[2]) > 0xFFFF:  # noqa: PLR2004 - eight and sixteen bits
        return None
    return int(match[1]) * 65536 + int(match[2])

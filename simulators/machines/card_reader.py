"""A card reader: people present cards and press keys, its lights and its relay do as they are told, somebody opens it.

What happens once is a fault that has its parameter: `present:26:2C1A3F0` (bits and their hexadecimal number),
`keys:1234#`, `restart`. The others stay until they are cleared.
"""

import re
from collections import deque
from collections.abc import Mapping
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.api import Faults, UnknownFault, gauges

PRESENT, KEYS, RESTART = "present", "keys", "restart"
TAMPER, POWER_FAILURE = "tamper", "power-failure"
PLAIN_TEXT, WRONG_KEY, DEFAULT_KEY, REPLAY = "plain-text", "wrong-key", "default-key", "replay"
"""What a reader does that somebody has changed: it knows no secure channel, has another key or everybody's, or somebody
plays again what it said before."""

_CARD = re.compile(r"(\d{1,4}):([0-9A-Fa-f]+)")
_PRESSED = re.compile(r"[0-9*#]{1,20}")
_MOST_WAITING = 64
_TAMPER_POINT, _POWER_POINT = "tamper", "power_failure"
Event = tuple[str, int, int] | tuple[str, str]


class CardReaderMachine:
    """What people do at a reader, waiting to be told; and what it was told to do."""

    def __init__(self, profile: Profile) -> None:
        self._gauges = gauges(profile)
        self._now: dict[str, Value] = {name: gauge.point.sample for name, gauge in self._gauges.items()}
        self._lasting = Faults(TAMPER, POWER_FAILURE, PLAIN_TEXT, WRONG_KEY, DEFAULT_KEY, REPLAY)
        self._relays: dict[int, float] = {}
        self.waiting: deque[Event] = deque(maxlen=_MOST_WAITING)
        self.restarts = 0
        self.told: list[tuple[str, Value]] = []
        """What its outputs were told, the oldest first."""

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        states: dict[str, Value] = {
            _TAMPER_POINT: TAMPER in self._lasting,
            _POWER_POINT: POWER_FAILURE in self._lasting,
        }
        return {**self._now, **{name: value for name, value in states.items() if name in self._now}}

    def step(self, dt_s: float, random: Random) -> None:  # noqa: ARG002 - people come by faults, not by chance
        """Let timed outputs run out."""
        self._relays = {number: left - dt_s for number, left in self._relays.items() if left > dt_s}

    def write(self, point: str, value: Value) -> None:
        """Keep what a point is set to."""
        self._now[point] = self._gauges[point].fit(value)

    def switch(self, number: int, seconds: float) -> None:
        """Hold an output for a time."""
        self._relays[number] = seconds
        self.told.append(("output", seconds))

    def is_on(self, number: int) -> bool:
        """Whether an output is on."""
        return number in self._relays

    def faults(self) -> tuple[str, ...]:
        """Name what can happen at it."""
        return (PRESENT, KEYS, RESTART, *self._lasting.known)

    def active(self) -> tuple[str, ...]:
        """Name what is wrong with it now; what happens once is over at once."""
        return self._lasting.active

    def fault(self, name: str) -> None:
        """Bring something about; UnknownFault."""
        kind, _, parameter = name.partition(":")
        if kind == PRESENT and (card := _CARD.fullmatch(parameter)) and 0 < int(card[1]) <= 1024:  # noqa: PLR2004 - bits
            bits, value = int(card[1]), int(card[2], 16)
            self.waiting.append((PRESENT, bits, value & ((1 << bits) - 1)))
        elif kind == KEYS and _PRESSED.fullmatch(parameter):
            self.waiting.append((KEYS, parameter))
        elif name == RESTART:
            self.restarts += 1
        elif kind in {PRESENT, KEYS}:
            raise UnknownFault(name, ("present:26:2C1A3F0", "keys:1234#"))
        else:
            self._lasting.add(name)

    def clear(self, name: str | None) -> None:
        """End something that lasts, or all of it. UnknownFault."""
        if name is None or name.partition(":")[0] not in {PRESENT, KEYS, RESTART}:
            self._lasting.remove(name)

"""A card reader: people present cards and press keys, its lights and its relay do as they are told, somebody opens it.

`present:26:2F623AE` (bits and their hexadecimal number) or `present:123,4567` (facility and number of a 26 bit card),
`keys:1234#` and `restart` happen once: they last until the reader has told them, or has started again. The others stay
until they are cleared.
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
_PRINTED = re.compile(r"(\d{1,3}),(\d{1,5})")
_PRESSED = re.compile(r"[0-9*#]{1,20}")
_MOST_WAITING = 64
_CARD_BITS, _FACILITY, _RESIDENTS = 26, 123, 400
_ANY_CARD, _ANY_KEYS = "26:2F623AE", "1234#"
_TAMPER_POINT, _POWER_POINT = "tamper", "power_failure"
Event = tuple[str, int, int] | tuple[str, str]


def resident(number: int) -> int:
    """Give the bits of a resident's card."""
    return _bits_of(_FACILITY, number)


def _bits_of(facility: int, number: int) -> int:
    """Give a card's 26 bits, with the parities in front and behind."""
    data = facility << 16 | number
    even, odd = (data >> 12).bit_count() % 2, 1 - (data & 0xFFF).bit_count() % 2
    return even << 25 | data << 1 | odd


class CardReaderMachine:
    """What people do at a reader, waiting to be told; and what it was told to do."""

    def __init__(self, profile: Profile, *, visits_per_s: float = 0.0) -> None:
        self._visits_per_s = visits_per_s
        self._gauges = gauges(profile)
        self._now: dict[str, Value] = {name: gauge.point.sample for name, gauge in self._gauges.items()}
        self._lasting = Faults(TAMPER, POWER_FAILURE, PLAIN_TEXT, WRONG_KEY, DEFAULT_KEY, REPLAY)
        self._relays: dict[int, float] = {}
        self.waiting: deque[Event] = deque(maxlen=_MOST_WAITING)
        self._restarts = False
        self.told: list[tuple[str, Value]] = []
        """What its outputs were told, the oldest first."""

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        states: dict[str, Value] = {
            _TAMPER_POINT: TAMPER in self._lasting,
            _POWER_POINT: POWER_FAILURE in self._lasting,
        }
        return {**self._now, **{name: value for name, value in states.items() if name in self._now}}

    def step(self, dt_s: float, random: Random) -> None:
        """Let residents come, and timed outputs run out."""
        if self._visits_per_s and random.random() < dt_s * self._visits_per_s:
            self.waiting.append((PRESENT, _CARD_BITS, resident(random.randrange(1, _RESIDENTS))))
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
        return (*self._lasting.known, PRESENT, KEYS, RESTART)

    def active(self) -> tuple[str, ...]:
        """Name what is wrong with it now, and what it has not told yet."""
        waits = {event[0] for event in self.waiting} | ({RESTART} if self._restarts else set())
        return (*self._lasting.active, *(kind for kind in (PRESENT, KEYS, RESTART) if kind in waits))

    def starts_again(self) -> bool:
        """Say once whether the reader starts again now."""
        restarts, self._restarts = self._restarts, False
        return restarts

    def fault(self, name: str) -> None:
        """Bring something about; UnknownFault."""
        kind, _, parameter = name.partition(":")
        card = _CARD.fullmatch(parameter or _ANY_CARD)
        printed = _PRINTED.fullmatch(parameter)
        if kind == PRESENT and card and 0 < int(card[1]) <= 1024:  # noqa: PLR2004 - bits
            bits, value = int(card[1]), int(card[2], 16)
            self.waiting.append((PRESENT, bits, value & ((1 << bits) - 1)))
        elif kind == PRESENT and printed and int(printed[1]) <= 0xFF and int(printed[2]) <= 0xFFFF:  # noqa: PLR2004 - eight and sixteen bits
            self.waiting.append((PRESENT, _CARD_BITS, _bits_of(int(printed[1]), int(printed[2]))))
        elif kind == KEYS and _PRESSED.fullmatch(parameter or _ANY_KEYS):
            self.waiting.append((KEYS, parameter or _ANY_KEYS))
        elif name == RESTART:
            self._restarts = True
        elif name in self._lasting.known:
            self._lasting.add(name)
        else:
            raise UnknownFault(name, (*self._lasting.known, f"{PRESENT}:{_ANY_CARD}", f"{KEYS}:{_ANY_KEYS}", RESTART))

    def clear(self, name: str | None) -> None:
        """End something that lasts, or take back what was not told yet; all of it for None. UnknownFault."""
        kind = None if name is None else name.partition(":")[0]
        if kind not in {PRESENT, KEYS, RESTART}:
            self._lasting.remove(name)
        if kind is None or kind == RESTART:
            self._restarts = False
        kept = [event for event in self.waiting if kind is not None and event[0] != kind]
        self.waiting.clear()
        self.waiting.extend(kept)

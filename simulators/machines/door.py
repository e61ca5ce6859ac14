"""A door: a lock that a relay lets go for a time, a leaf with its contact, a button inside, and who walks through.

Whoever was let in pulls the leaf a moment after the lock lets go, and it closes behind them. The button inside lets the
lock go by its own wires, as the fire system does; both are only reported.
"""

from collections.abc import Mapping
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.api import Faults, HasFaults, UnknownFault, gauges
from simulators.machines.generic import GenericMachine

FORCED, HELD_OPEN, TAMPERED = "forced", "held-open", "tampered"
FIRE, RELEASE_FAILED = "fire", "release-failed"
LOCK_WITHOUT_POWER, MODE_CHANGED = "lock-without-power", "mode-changed"
RELAY_DEAD, RELAY_STUCK, RELAY_WITHOUT_EFFECT = "relay-dead", "relay-stuck", "relay-without-effect"
"""It takes orders and does not switch; it does not let go again; it switches, and the lock feels nothing."""
TAILGATING, CLOSE_TAILGATING, NOBODY_WALKS = "tailgating", "tailgating-close", "nobody-walks"
"""A second person catches the leaf and opens it again; two walk on one swing; who was let in does not come."""
HURRY = "hurry"
"""Whoever comes walks quickly, as in the morning."""
EXIT_PRESSED, BOUNCE = "exit-pressed", "contact-bounce"
"""These happen once."""

_LASTING = (
    FORCED,
    HELD_OPEN,
    TAMPERED,
    FIRE,
    RELEASE_FAILED,
    LOCK_WITHOUT_POWER,
    MODE_CHANGED,
    RELAY_DEAD,
    RELAY_STUCK,
    RELAY_WITHOUT_EFFECT,
    TAILGATING,
    CLOSE_TAILGATING,
    NOBODY_WALKS,
    HURRY,
)
_ONCE = (EXIT_PRESSED, BOUNCE)

_REACTS_S = 0.4  # from the lock's click to the pull
_SWING_S = 3.0  # the leaf stands open for one person
_QUICK_SWING_S = 1.2
_CAUGHT_S = 0.5  # closed, and pulled open again
_PRESS_S = 0.8
_EXIT_RELEASE_S = 3.0
_BOUNCE_S = 0.15
_FOR_GOOD_S = 3600.0
Span = tuple[float, float]


class DoorMachine(HasFaults):
    """A door with its people. Its figures are those points of `_figures` that the profile has; the others rest."""

    def __init__(self, profile: Profile) -> None:
        self._gauges = gauges(profile)
        self._rest = GenericMachine(profile)
        self._faults = Faults(*_LASTING, *_ONCE)
        self._has = set(profile.points)
        self._now = 0.0
        self._relay_until = 0.0
        self._exit_until = 0.0
        self._pressed_until = 0.0
        self._bounces_until = 0.0
        self._swings: list[Span] = []
        self._beams: list[Span] = []
        self._propped = False

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        own = {name: value for name, value in self._figures().items() if name in self._has}
        return {**self._rest.values(), **{name: self._gauges[name].fit(value) for name, value in own.items()}}

    def step(self, dt_s: float, random: Random) -> None:
        """Let `dt_s` seconds pass."""
        self._rest.step(dt_s, random)
        self._now += dt_s
        if HELD_OPEN in self._faults and self._is_open:
            self._propped = True
        self._swings = [span for span in self._swings if span[1] > self._now]
        self._beams = [span for span in self._beams if span[1] > self._now]

    def write(self, point: str, value: Value) -> None:
        """Take an order. ValueError refuses it."""
        self._gauges[point].check(value)
        if point == "unlock_time":
            self._let_go(float(value))
        elif point == "lock_relay":
            self._let_go(_FOR_GOOD_S if value else 0.0)
        else:
            self._rest.write(point, value)

    def active(self) -> tuple[str, ...]:
        """Name the faults that it has now, and what happens at this moment."""
        now = ((EXIT_PRESSED, self._pressed_until), (BOUNCE, self._bounces_until))
        return (*self._faults.active, *(name for name, until in now if until > self._now))

    def fault(self, name: str) -> None:
        """Bring something about; UnknownFault."""
        if name == BOUNCE:
            self._bounces_until = self._now + _BOUNCE_S
        elif name == EXIT_PRESSED:
            self._press()
        elif name in _LASTING:
            self._faults.add(name)
            if name == HELD_OPEN and not self._is_open:
                self._press()  # somebody leaves, and props it open
        else:
            raise UnknownFault(name, self._faults.known)

    def clear(self, name: str | None) -> None:
        """End a fault, or all; a leaf that was propped or forced falls shut. UnknownFault."""
        if name not in _ONCE:
            self._faults.remove(name)
        if name in {None, EXIT_PRESSED}:
            self._pressed_until = 0.0
        if name in {None, BOUNCE}:
            self._bounces_until = 0.0
        if HELD_OPEN not in self._faults:
            self._propped = False

    @property
    def _is_open(self) -> bool:
        swings = any(start <= self._now < end for start, end in self._swings)
        return swings or self._propped or FORCED in self._faults

    @property
    def _relay(self) -> bool:
        if RELAY_DEAD in self._faults:
            return False
        return RELAY_STUCK in self._faults or self._relay_until > self._now

    def _figures(self) -> Mapping[str, Value]:
        fire = self._faults.has_any(FIRE, RELEASE_FAILED)
        released = self._relay and RELAY_WITHOUT_EFFECT not in self._faults
        by_fire = fire and RELEASE_FAILED not in self._faults
        powered = not (released or by_fire or self._exit_until > self._now or LOCK_WITHOUT_POWER in self._faults)
        more: dict[str, Value] = {"relay_mode": 1} if MODE_CHANGED in self._faults else {}
        return {
            "door_closed": not (self._is_open or self._bounces_until > self._now),
            "exit_button": self._pressed_until > self._now,
            "tamper_intact": TAMPERED not in self._faults,
            "fire_release": fire,
            "lock_power": powered,
            "lock_relay": self._relay,
            "beam": any(start <= self._now < end for start, end in self._beams),
            **more,
        }

    def _let_go(self, seconds: float) -> None:
        """Switch the relay for so long; somebody walks through when the lock was held until now."""
        comes = seconds > 0 and self._relay_until <= self._now
        self._relay_until = self._now + seconds
        if comes and not self._faults.has_any(RELAY_DEAD, RELAY_WITHOUT_EFFECT, NOBODY_WALKS):
            self._walk(self._now + min(_REACTS_S, seconds / 2))

    def _walk(self, at_s: float) -> None:
        """Have whoever was let in walk through, from `at_s` on."""
        if TAILGATING in self._faults and "beam" not in self._has:
            caught = at_s + _QUICK_SWING_S + _CAUGHT_S
            self._swings += [(at_s, at_s + _QUICK_SWING_S), (caught, caught + _QUICK_SWING_S)]
            return
        two = self._faults.has_any(TAILGATING, CLOSE_TAILGATING)
        swing = _QUICK_SWING_S if HURRY in self._faults else _SWING_S
        self._swings.append((at_s, at_s + swing * (2 if two else 1)))
        for number in range(2 if two else 1):
            start = at_s + swing / 3 + swing * number
            self._beams.append((start, start + swing / 5))

    def _press(self) -> None:
        """Press the button inside: the lock lets go by its own wires, and somebody leaves."""
        self._pressed_until = self._now + _PRESS_S
        self._exit_until = self._now + _EXIT_RELEASE_S
        self._swings.append((self._now + _REACTS_S, self._now + _REACTS_S + _SWING_S))

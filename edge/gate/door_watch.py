"""How a door stands, from its contact, its button, the fire input and what was granted. Pure; times are seconds.

False alarms are the plague of door contacts: a leaf that swings in the wind, a button whose edge is polled late. So an
opening counts only when it outlasts `bounce`, and an exit request that comes a moment after the opening excuses it.
"""

from dataclasses import dataclass
from enum import IntEnum

_PULSE_SLACK_S = 1.5
"""Somebody pulls the handle in the last moment of the pulse, and the contact is polled a little later."""
_EXIT_S = 10.0
"""How long after the exit button an opening is no break-in."""
_TOLD_S = 10.0
"""How long tailgating is shown."""


class DoorState(IntEnum):
    """As the point `door` of the profile has it."""

    CLOSED = 0
    UNLOCKED = 1
    OPEN = 2
    HELD = 3
    FORCED = 4
    FIRE = 5
    UNKNOWN = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class DoorRules:
    """The times of one door, in seconds."""

    bounce_s: float = 0.3
    held_after_s: float = 20.0
    release_within_s: float = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DoorView:
    """A door at one moment. `busy`: a grant is not used up, or the door stands open: nobody else is let in now.

    `passed` counts grants that somebody used. `release_failed` is None where nothing tells whether the lock has power.
    """

    state: DoorState
    forced: bool
    held: bool
    tailgating: bool
    release_failed: bool | None
    busy: bool
    passed: int


class DoorWatch:
    """Remembers what matters of the past. Nothing is known of a door until its contact was told."""

    def __init__(self, rules: DoorRules, *, has_contact: bool = True, has_lock_power: bool = True) -> None:
        self._rules = rules
        self._has_contact = has_contact
        self._has_lock_power = has_lock_power
        self._closed: bool | None = None
        self._open_since = 0.0
        self._opening_is = ""
        self._granted_until = -1.0
        self._used = True
        self._exit_until = -1.0
        self._pressed = False
        self._fire_since: float | None = None
        self._lock_power: bool | None = None
        self._tailgating_until = -1.0
        self._beams = 0
        self._beam = False
        self._passed = 0

    def granted(self, *, seconds: float, now: float) -> None:
        """Take note that the lock is let go for so long; before it happens, because the door may move meanwhile."""
        self._granted_until = now + seconds + _PULSE_SLACK_S
        self._used = False
        self._beams = 0

    def withdrawn(self, *, now: float) -> None:
        """Take note that the lock was not let go after all. A door that moves now is not excused."""
        self._granted_until = now
        self._used = True

    def contact(self, *, closed: bool | None, now: float) -> None:
        """Take what the contact says; None when it cannot be read."""
        before, self._closed = self._closed, closed
        if closed is False and before is not False:
            self._open_since = now
            self._opening_is = self._excuse(now) or ("before" if before is None else "")
            if self._opening_is == "grant":
                if self._used:
                    self._tailgating_until = now + _TOLD_S
                else:
                    self._passed += 1
                self._used = True

    def exit_button(self, *, pressed: bool, now: float) -> None:
        """Take what the exit button says; also a moment after the door moved."""
        self._pressed = pressed
        if pressed:
            self._exit_until = now + _EXIT_S
            if self._closed is False and not self._opening_is and now - self._open_since <= _PULSE_SLACK_S:
                self._opening_is = "exit"

    def fire(self, *, released: bool, now: float) -> None:
        """Take what the fire input says."""
        if released and self._fire_since is None:
            self._fire_since = now
        elif not released:
            if self._fire_since is not None and self._closed is False:
                self._opening_is = "fire"  # who left it open did so lawfully, until it closes
                self._open_since = now
            self._fire_since = None

    def lock_power(self, *, powered: bool | None) -> None:
        """Take whether the lock has power."""
        self._lock_power = powered

    def beam(self, *, interrupted: bool, now: float) -> None:
        """Take a light barrier in the passage: each interruption is somebody; two on one grant are one too many."""
        if interrupted and not self._beam and self._excuse(now) in {"grant", ""} and self._passed:
            self._beams += 1
            if self._beams > 1:
                self._tailgating_until = now + _TOLD_S
        self._beam = interrupted

    def view(self, now: float) -> DoorView:
        """Say how the door stands."""
        open_for = now - self._open_since if self._closed is False else 0.0
        fire = self._fire_since is not None
        forced = self._closed is False and not self._opening_is and not fire and open_for >= self._rules.bounce_s
        held = self._closed is False and not forced and not fire and open_for >= self._rules.held_after_s
        waiting = now < self._granted_until and not self._used
        return DoorView(
            state=self._state(fire=fire, forced=forced, held=held, waiting=waiting),
            forced=forced,
            held=held,
            tailgating=now < self._tailgating_until and not fire,
            release_failed=self._release_failed(now),
            busy=waiting or (self._closed is False and not fire),
            passed=self._passed,
        )

    def _excuse(self, now: float) -> str:
        """Say why an opening at this moment is none by force; empty when it is."""
        if self._fire_since is not None:
            return "fire"
        if self._pressed or now < self._exit_until:
            return "exit"
        return "grant" if now < self._granted_until else ""

    def _state(self, *, fire: bool, forced: bool, held: bool, waiting: bool) -> DoorState:
        if fire:
            return DoorState.FIRE
        if forced:
            return DoorState.FORCED
        if held:
            return DoorState.HELD
        if self._closed is False:
            return DoorState.OPEN
        if waiting:
            return DoorState.UNLOCKED
        return DoorState.CLOSED if self._closed or not self._has_contact else DoorState.UNKNOWN

    def _release_failed(self, now: float) -> bool | None:
        if not self._has_lock_power:
            return None
        if self._fire_since is None or now - self._fire_since < self._rules.release_within_s:
            return False
        return self._lock_power is not False

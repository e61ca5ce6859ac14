"""What lets cars and people through one by one: a parking barrier, a turnstile. Doors are in `door`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.api import Faults, HasFaults, gauges, raw_of
from simulators.machines.generic import GenericMachine

_BOOM_S = 3.0  # from closed to open
_STAYS_OPEN_S = 8.0
_PASSES_S = 3.0
_COUNTER = 65_536


class _Passage(HasFaults, ABC):
    """What both have in common: the points that a model names move by it, the others by a GenericMachine."""

    def __init__(self, profile: Profile, *faults: str) -> None:
        self._gauges = gauges(profile)
        self._rest = GenericMachine(profile)
        self._faults = Faults(*faults)
        self._has = set(profile.points)

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        own = {name: value for name, value in self._figures().items() if name in self._has}
        return {**self._rest.values(), **{name: self._gauges[name].fit(value) for name, value in own.items()}}

    def step(self, dt_s: float, random: Random) -> None:
        """Let `dt_s` seconds pass."""
        self._rest.step(dt_s, random)
        self._move(dt_s)

    def write(self, point: str, value: Value) -> None:
        """Take an order. ValueError refuses it."""
        self._gauges[point].check(value)
        if not self._obey(point, value):
            self._rest.write(point, value)

    @abstractmethod
    def _figures(self) -> Mapping[str, Value]:
        """Give the points that the model moves."""

    @abstractmethod
    def _move(self, dt_s: float) -> None:
        """Let time pass for them."""

    @abstractmethod
    def _obey(self, point: str, value: Value) -> bool:
        """Take an order; False when it is none of the model's."""


class BarrierMachine(_Passage):
    """A boom that rises on an order, waits for the car, and comes down by itself."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile, "obstacle", "car-on-loop", "lost-travel", "hot-board", "service-due")
        status = profile.points["gate_status"]
        self._codes = {word: raw_of(status, word) or 0 for word in ("opening", "closing", "stopped")}
        self._codes["open"], self._codes["closed"] = _exactly(profile, "Open"), _exactly(profile, "Closed")
        self._raised = 0.0  # 0 closed, 1 open
        self._wanted = False
        self._waits_s = 0.0
        self._moves = 0

    def _figures(self) -> Mapping[str, Value]:
        more: dict[str, Value] = {}
        if "hot-board" in self._faults:
            more["board_temperature"] = 80
        if "service-due" in self._faults:
            more["operations_since_service"] = 100_001 + self._moves
        if "operations" in self._has:
            more["operations"] = int(self._rest.values()["operations"]) + self._moves
        lost = "lost-travel" in self._faults
        return {
            "gate_status": self._status(),
            "position": round(100 * self._raised),
            "needs_calibration": lost,
            **more,
        }

    def _status(self) -> int:
        moving = 0.0 < self._raised < 1.0
        if moving and "obstacle" in self._faults:
            return self._codes["stopped"]
        if moving:
            return self._codes["opening" if self._wanted else "closing"]
        return self._codes["open" if self._raised else "closed"]

    def _move(self, dt_s: float) -> None:
        if "lost-travel" in self._faults:
            return  # it does not know where it is, and stands still
        if "obstacle" in self._faults and (self._raised in {0.0, 1.0}):
            self._raised = 0.5  # stopped on its way
        if "obstacle" in self._faults:
            return
        if "car-on-loop" in self._faults:
            self._wanted, self._waits_s = True, _STAYS_OPEN_S
        self._waits_s = max(0.0, self._waits_s - dt_s) if self._raised >= 1.0 else self._waits_s
        self._wanted = self._wanted and (self._raised < 1.0 or self._waits_s > 0)
        change = dt_s / _BOOM_S
        self._raised = min(1.0, self._raised + change) if self._wanted else max(0.0, self._raised - change)

    def _obey(self, point: str, value: Value) -> bool:
        if point != "open_order":
            return False
        if value:
            self._moves += 0 if self._wanted else 1
            self._wanted, self._waits_s = True, _STAYS_OPEN_S
        return True


class TurnstileMachine(_Passage):
    """Permits are used up by people who pass, one after the other."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile, "motor", "blocked", "anti-panic", "free-entry", "object-in-passage")
        self._mode = {word: raw_of(profile.points["mode"], word) or 0 for word in ("normal", "blocked", "anti-panic")}
        self._permits = {"entry": 0, "exit": 0}
        self._passed = {"entry": 0, "exit": 0}
        self._passing_s = dict.fromkeys(self._permits, 0.0)

    def _figures(self) -> Mapping[str, Value]:
        mode = next((word for word in ("blocked", "anti-panic") if word in self._faults), "normal")
        home = self._rest.values()
        occupied = "object-in-passage" in self._faults
        return {
            "entry_permits": _COUNTER - 1 if "free-entry" in self._faults else self._permits["entry"],
            "exit_permits": self._permits["exit"],
            "entry_zone": int(occupied or self._passing_s["entry"] > 0),
            "exit_zone": int(self._passing_s["exit"] > 0),
            "entries": int(home["entries"]) + self._passed["entry"],
            "exits": int(home["exits"]) + self._passed["exit"],
            "error": 1 if "motor" in self._faults else 0,
            "mode": self._mode[mode],
        }

    def _move(self, dt_s: float) -> None:
        if "motor" in self._faults or "blocked" in self._faults:
            return
        for side, permits in self._permits.items():
            if not permits:
                continue
            self._passing_s[side] += dt_s
            if self._passing_s[side] >= _PASSES_S:
                self._passing_s[side] = 0.0
                self._permits[side] -= 1
                self._passed[side] += 1

    def _obey(self, point: str, value: Value) -> bool:
        side = point.removesuffix("_permits")
        if side not in self._permits:
            return False
        if "blocked" in self._faults:
            raise ValueError("the turnstile is blocked")
        self._permits[side] = int(value)
        return True


def _exactly(profile: Profile, meaning: str) -> int:
    labels = profile.points["gate_status"].enumeration
    return int(next(key for key, label in labels.items() if label.en == meaning))

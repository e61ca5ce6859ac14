"""A charging post: cars come, plug in, charge until they are full, and leave; what they take is counted."""

from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.model import Model, near

FAULT = "fault"
ERROR_TOLD = "error-told"
INTERRUPTED = "interrupted"
TAKES_NOTHING = "takes-nothing"

_PLUGGED_S, _FULL_S, _FREE_S = 60.0, 1800.0, 2400.0  # how long a car waits for its charge, stays full, is not there
_CHARGES_S = 5400.0
_VOLTAGE_LOW, _CURRENT_HIGH = 188.0, 36.0
_ERROR = 0x20  # any but zero: the vendor has no list of them for the public


class ChargerMachine(Model):
    """It begins as its profile's sample says: free, plugged, or charging; then a car follows the other."""

    def __init__(self, profile: Profile, *, time_scale: float = 1.0) -> None:
        self._phases = [n for n in (1, 2, 3) if f"current_{n}" in profile.points] or [1]
        low = [f"voltage-{n}-low" for n in self._phases]
        high = [f"current-{n}-high" for n in self._phases]
        super().__init__(
            profile, (FAULT, ERROR_TOLD, INTERRUPTED, TAKES_NOTHING, *low, *high), sensors=("power", "current_1")
        )
        self._scale = time_scale
        self._volts = {n: self.sample(f"voltage_{n}", 230.0) for n in self._phases}
        self._amps = self.sample("current_1", 10.0) or 10.0
        self._factor = self.sample("power_factor", 99.0)
        self._share = 1.0  # of its current that the car takes now
        self._energy_kwh = 0.0
        self._session = "charging" if self.sample("state", 0) == self.state("state", "charging") else "free"
        self._left_s = _CHARGES_S
        self._tremble = dict.fromkeys(self._phases, 0.0)

    def move(self, dt: float, random: Random) -> None:
        """Let cars come and go, and count what they take."""
        self._left_s -= dt * self._scale
        if self._left_s <= 0:
            self._session, lasts = _NEXT[self._session]
            self._left_s = lasts * random.uniform(0.5, 1.5)
        self._share = near(self._share, float(self._charges and TAKES_NOTHING not in self._faults), dt, 4.0)
        self._tremble = {n: random.gauss(0.0, 0.3) for n in self._phases}
        self._energy_kwh += self._power / 1000 * dt / 3600

    def figures(self) -> dict[str, Value]:
        """Say what the known points would show."""
        figures: dict[str, Value] = {
            "state": self._state(),
            "cable": self.state("cable", "not plugged in")
            if self._session == "free"
            else self.state("cable", "and the car, locked", "and the car"),
            "error_code": _ERROR if self._faults.has_any(FAULT, ERROR_TOLD) else 0,
            "power": self._power,
            "energy": self.sample("energy", 0.0) + self._energy_kwh,
            "power_factor": self._factor if self._share > 0.01 else 0.0,  # noqa: PLR2004 - nothing flows
        }
        for n in self._phases:
            figures[f"voltage_{n}"] = self._voltage(n)
            figures[f"current_{n}"] = self._current(n)
        return figures

    @property
    def _charges(self) -> bool:
        held = self._faults.has_any(FAULT, INTERRUPTED)
        return not held and (self._session == "charging" or self._asked)

    @property
    def _asked(self) -> bool:
        """Whether a fault needs a car that charges."""
        return self._faults.has_any(TAKES_NOTHING, *(f"current-{n}-high" for n in self._phases))

    @property
    def _power(self) -> float:
        return sum(self._voltage(n) * self._current(n) for n in self._phases) * self._factor / 100

    def _state(self) -> int:
        if FAULT in self._faults:
            return self.state("state", "error")
        if INTERRUPTED in self._faults:
            return self.state("state", "interrupted")
        if self._charges:
            return self.state("state", "charging")
        return self.state("state", "not ready" if self._session in {"plugged", "full"} else "ready, waits", "ready")

    def _voltage(self, phase: int) -> float:
        low = f"voltage-{phase}-low" in self._faults
        return (_VOLTAGE_LOW if low else self._volts[phase] - 2 * self._share) + 2 * self._tremble[phase]

    def _current(self, phase: int) -> float:
        amps = _CURRENT_HIGH if f"current-{phase}-high" in self._faults else self._amps
        return max(0.0, self._share * (amps + self._tremble[phase] / 3))


_NEXT = {
    "free": ("plugged", _PLUGGED_S),
    "plugged": ("charging", _CHARGES_S),
    "charging": ("full", _FULL_S),
    "full": ("free", _FREE_S),
}
"""What follows in the life of a post, and how long that lasts on average."""

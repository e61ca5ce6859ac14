"""An escalator: it runs up or down, stops by its safety chain, brakes, and is started again by its attendant."""

from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.model import Model

REVERSE = "runs-down"
BAD_BRAKE = "bad-brake"

_CHAIN = (
    "stop_upper",
    "stop_lower",
    "stop_cabinet",
    "stop_remote",
    "handrail_jam",
    "step_raised",
    "landing_lower",
    "landing_upper",
    "tension_lower",
    "handrail_off_lower",
    "chain_stretched",
    "step_roller",
    "step_sag_upper",
    "step_missing",
    "emergency_brake_worn",
    "emergency_brake",
    "service_brake",
    "gearbox_hot",
)
"""Contacts that stop it: each is a fault by its point's name. The landings are its comb plates."""

_MOTION = {
    "overspeed-20": "more than 20",
    "overspeed-25": "more than 25",
    "late-stop": "did not stop",
    "reversed": "reversed",
    "unpowered-motion": "without its drive",
    "signal-d0-missing": "d0 missing",
    "signal-d90-missing": "d90 missing",
    "signals-missing": "both speed",
    "sensor-unplugged": "not plugged",
}
"""Faults of movement, with words of the state by which the controller tells them. All stop it but `late-stop`."""

_STARTS_M_S2, _BRAKES_M_S2, _BADLY = 0.4, 0.3, 0.25
_TOO_LONG_M = 1.2
_ATTENDANT_S = 6.0  # until somebody turns the key, once all is well
_SUPPLY = "supply-lost"


class EscalatorMachine(Model):
    """It runs up unless `runs-down` has turned it round; `bad-brake` stops it, and it takes its time to stand."""

    def __init__(self, profile: Profile) -> None:
        self._chain = {name.replace("_", "-"): name for name in _CHAIN if name in profile.points}
        super().__init__(
            profile,
            (*self._chain, *_MOTION, REVERSE, BAD_BRAKE, _SUPPLY),
            told={"machine-room-open": {"machine_room_open": True}},
            sensors=("speed",),
        )
        self._nominal = self.sample("nominal_speed", 0.5) or 0.5
        self._speed = self._nominal
        self._way_m = 0.0
        self._braking_m = self.sample("braking_distance", 500.0) / 1000
        self._down = False
        self._well_s = 0.0
        self._tremble = 0.0

    def move(self, dt: float, random: Random) -> None:
        """Run, or brake, and start again when all has been well for some seconds."""
        self._tremble = random.gauss(0.0, 0.003)
        stopped = self._is_held
        if not stopped and self._down is not (REVERSE in self._faults):
            stopped = self._speed > 0  # it turns round at a standstill only
            self._down = self._down if stopped else not self._down
        self._well_s = 0.0 if self._is_held else self._well_s + dt
        if stopped:
            self._brake(dt)
        elif self._speed or self._well_s >= _ATTENDANT_S:
            self._braking_m = self._braking_m if self._speed else 0.0
            self._speed = min(self._nominal, self._speed + _STARTS_M_S2 * dt)
        self._way_m += self._speed * dt

    def figures(self) -> dict[str, Value]:
        """Say what the known points would show."""
        runs = self._speed > 0
        driven = runs and not self._is_held
        supply = _SUPPLY in self._faults
        return {
            **{point: fault in self._faults for fault, point in self._chain.items()},
            "state": self._state(),
            "speed": max(0.0, self._speed * self._factor + self._tremble) if runs else 0.0,
            "nominal_speed": self._nominal,
            "run_distance": self.sample("run_distance", 0.0) + self._way_m / 1000,
            "braking_distance": self._braking_m * 1000,
            "braking_normal": self._braking_m <= _TOO_LONG_M,
            "up_contactor": driven and not self._down,
            "down_contactor": driven and self._down,
            "brake_contactor": driven,
            "supply_abnormal": supply,
        }

    @property
    def _is_held(self) -> bool:
        """Whether something keeps it from running."""
        return self._faults.has_any(*self._chain, *_MOTION, BAD_BRAKE, _SUPPLY)

    @property
    def _factor(self) -> float:
        return 1.28 if "overspeed-25" in self._faults else 1.22 if "overspeed-20" in self._faults else 1.0

    def _brake(self, dt: float) -> None:
        if self._speed == self._nominal:
            self._braking_m = 0.0
        slower = max(0.0, self._speed - _BRAKES_M_S2 * (_BADLY if BAD_BRAKE in self._faults else 1.0) * dt)
        self._braking_m += (self._speed + slower) / 2 * dt
        self._speed = slower

    def _state(self) -> int:
        told = next((words for fault, words in _MOTION.items() if fault in self._faults), None)
        if told is not None:
            return self.state("state", told)
        if not self._speed:
            return self.state("state", "stopped", "stop")
        return self.state("state", "running down" if self._down else "running up")

"""A sump with pumps in duty and standby: water flows in, they take turns to pump it out, and help each other."""

from math import exp
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.model import Model, near

STORM = "storm"
CHECK_VALVE = "check-valve"
STUCK_CONTACTOR = "stuck-contactor"
LEVEL_LOST = "level-lost"
SUPPLY_LOST = "supply-lost"
STOPPED_OUTSIDE = "stopped-outside"
DRIVES_OFF = "drives-off"
ALL_TRIP = "pumps-trip"

_PER_CM = {"cm": 1.0, "m": 0.01, "mm": 10.0}
_DAY_S = 86_400.0
_START_S = 19 * 3600.0  # in the evening, when something flows
_INFLOW, _PUMPED = 0.35, 1.0  # cm of level a second; at the peak of the day, and by one pump
_STORM = 2.8
_LOST_CM, _FULL = 2.0, 1.3  # what no pump can take, and where the sump overflows, of the high water
_STOP, _START, _HELP = 0.15, 0.55, 0.8  # between dry run and high water
_AUTOMATIC, _OFF = 2, 0


class SumpMachine(Model):
    """As many pumps as the profile has `pump_N_...` points.

    `storm` brings more than all pumps take; with `check-valve` what they pump runs back; `stuck-contactor` pumps the
    sump dry; `pump-N-trip` and `pump-N-off` take one pump away, `pumps-trip` and the faults of control all of them.
    """

    def __init__(self, profile: Profile, *, time_scale: float = 1.0) -> None:
        numbers = {int(name.split("_")[1]) for name in profile.points if name[:5] == "pump_" and name[5:6].isdigit()}
        self._numbers = sorted(numbers) or [1]
        away = [f"pump-{number}-{how}" for number in self._numbers for how in ("trip", "off")]
        super().__init__(
            profile,
            (
                STORM,
                *away,
                ALL_TRIP,
                CHECK_VALVE,
                STUCK_CONTACTOR,
                LEVEL_LOST,
                SUPPLY_LOST,
                STOPPED_OUTSIDE,
                DRIVES_OFF,
            ),
            told={
                "floats-disagree": {"implausible_level": True, "float_high_water": True},
                "motor-leak": {"leakage": True},
            },
            sensors=("level",),
        )
        self._scale = time_scale
        gauge = self._gauges.get("level")
        self._per_cm = _PER_CM.get(gauge.point.unit, 1.0) if gauge is not None else 1.0
        self._dry = self.sample("dry_run_level", 15 * self._per_cm) / self._per_cm
        self._high = self.sample("high_water_level", 120 * self._per_cm) / self._per_cm
        self._level = self.sample("level", 60 * self._per_cm) / self._per_cm
        self._time_s = _START_S
        self._running: list[int] = []
        self._duty = 0
        self._flow = self._pumped = 0.0

    def move(self, dt: float, random: Random) -> None:
        """Let water come, and pump it out."""
        self._time_s += dt * self._scale
        hour = self._time_s % _DAY_S / 3600
        use = 0.15 + 0.5 * exp(-(((hour - 7.5) / 1.5) ** 2)) + 0.85 * exp(-(((hour - 19.5) / 2) ** 2))
        wanted = _STORM if STORM in self._faults else _INFLOW * use * max(0.2, random.gauss(1.0, 0.2))
        self._flow = near(self._flow, wanted, dt, 5.0)
        self._switch()
        pumped = _PUMPED * len(self._running)
        if CHECK_VALVE in self._faults and self._running:
            pumped = self._flow + 0.02 * (self._level - self._at(_START))
        self._pumped = near(self._pumped, pumped, dt, 2.0)
        self._level = min(max(self._level + (self._flow - self._pumped) * dt, _LOST_CM), _FULL * self._high)

    def figures(self) -> dict[str, Value]:
        """Say what the known points would show."""
        tripped = {number: self._faults.has_any(f"pump-{number}-trip", ALL_TRIP) for number in self._numbers}
        high, dry = self._level >= self._high, self._level <= self._dry
        lost = LEVEL_LOST in self._faults
        wrong = any(tripped.values()) or high or dry or lost or SUPPLY_LOST in self._faults
        figures: dict[str, Value] = {
            "level": 0.0 if lost else self._level * self._per_cm,
            "pump_running": bool(self._running),
            "high_water": high,
            "dry_run": dry,
            "float_high_water": high,
            "float_dry_run": not dry,
            "sensor_fault": lost,
            "supply_fault": SUPPLY_LOST in self._faults,
            "switched_off_outside": STOPPED_OUTSIDE in self._faults,
            "drives_on": DRIVES_OFF not in self._faults,
            "collective_fault": wrong or "motor-leak" in self._faults,
        }
        for number in self._numbers:
            figures[f"pump_{number}_running"] = number in self._running
            figures[f"pump_{number}_fault"] = tripped[number]
            figures[f"pump_{number}_mode"] = _OFF if f"pump-{number}-off" in self._faults else _AUTOMATIC
        return figures

    def _at(self, share: float) -> float:
        return self._dry + share * (self._high - self._dry)

    def _ready(self) -> list[int]:
        """Name the pumps that can run, the duty pump first."""
        if self._faults.has_any(ALL_TRIP, SUPPLY_LOST, STOPPED_OUTSIDE, DRIVES_OFF):
            return []
        turns = self._numbers[self._duty :] + self._numbers[: self._duty]
        return [n for n in turns if not self._faults.has_any(f"pump-{n}-trip", f"pump-{n}-off")]

    def _switch(self) -> None:
        ready = self._ready()
        before = self._running
        self._running = [number for number in before if number in ready]
        if STUCK_CONTACTOR in self._faults:
            self._running = ready[:1]
        elif self._level <= self._at(_STOP):
            self._running = []
        elif self._level >= self._at(_HELP):
            self._running = ready[:2]
        elif (self._level >= self._at(_START) or before) and not self._running:
            self._running = ready[:1]
        if before and not self._running:
            self._duty = (self._duty + 1) % len(self._numbers)

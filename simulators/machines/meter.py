"""Meters: what a building uses over the day, and the counters that add it up."""

import math
from collections.abc import Mapping
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.api import Faults, HasFaults, gauges
from simulators.machines.generic import STUCK_SENSOR

PHASE_LOST = "phase-lost"
OVERVOLTAGE = "overvoltage"
BATTERY_LOW = "battery-low"
LEAK = "leak"
VALVE_FAULT = "valve-fault"

_DAY_S = 86_400.0
_START_S = 18 * 3600.0  # in the evening, when there is something to see
_PHASES = "abc"
_VOLTAGE = 221.5
_OVERVOLTAGE = 30.0
_FACTOR = 0.95
_PHASE_KW = 2.6
_MOST_KW = 25.0  # a phase's 120 A: what the meter can show
_PER_KW = {"W": 1000.0}
_FLOW = 3.2  # cubic metres an hour, typical of an evening
_LEAK = 1.5
_HEAT_PER_M3K = 1.163  # kWh to warm a cubic metre of water by one kelvin
_SUPPLY, _RETURN = 48.5, 33.5
_ABNORMAL = 3


class Day:
    """The time of day, and how much is used in it: little at night, a peak in the morning, more in the evening."""

    def __init__(self, time_scale: float) -> None:
        self._scale = time_scale
        self._at_s = _START_S

    def pass_by(self, dt_s: float) -> float:
        """Let time pass; gives how many hours of the day went by."""
        self._at_s = (self._at_s + dt_s * self._scale) % _DAY_S
        return dt_s * self._scale / 3600

    @property
    def use(self) -> float:
        """How much is used now: 1 is a typical evening."""
        hour = self._at_s / 3600
        return 0.2 + 0.5 * _peak(hour, 7.5) + 0.8 * _peak(hour, 19.5)


class ElectricityMachine(HasFaults):
    """Three phases with noise, and counters of energy. Points of other names stay as they are."""

    def __init__(self, profile: Profile, *, time_scale: float = 1.0) -> None:
        self._gauges = gauges(profile)
        self._day = Day(time_scale)
        self._faults = Faults(STUCK_SENSOR, PHASE_LOST, OVERVOLTAGE, BATTERY_LOW)
        self._energy = _sample(profile, "energy", 12345.67)
        self._volts = dict.fromkeys(_PHASES, _VOLTAGE)
        self._load = dict.fromkeys(_PHASES, _PHASE_KW)

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        volts = {phase: self._voltage(phase) for phase in _PHASES}
        power = {phase: 0.0 if volts[phase] == 0 else self._load[phase] for phase in _PHASES}
        figures: dict[str, Value] = {
            "energy": self._energy,
            "power": sum(power.values()) * self._per_kw("power"),
            "power_factor": _FACTOR,
            "clock_battery_low": BATTERY_LOW in self._faults,
        }
        for phase in _PHASES:
            figures[f"voltage_{phase}"] = volts[phase]
            figures[f"current_{phase}"] = power[phase] * 1000 / volts[phase] / _FACTOR if volts[phase] else 0.0
            figures[f"power_{phase}"] = power[phase] * self._per_kw(f"power_{phase}")
            figures[f"phase_{phase}_lost"] = volts[phase] == 0
        known = {name: self._gauges[name].fit(value) for name, value in figures.items() if name in self._gauges}
        still = {name: gauge.fit(gauge.point.sample) for name, gauge in self._gauges.items() if name not in known}
        return {**still, **known}

    def step(self, dt_s: float, random: Random) -> None:
        """Let `dt_s` seconds pass."""
        hours = self._day.pass_by(dt_s)
        if STUCK_SENSOR in self._faults:
            return
        use = self._day.use
        for phase in _PHASES:
            self._volts[phase] = _near(self._volts[phase], _VOLTAGE - 3 * use, 0.4, dt_s, random)
            self._load[phase] = min(max(0.05, _near(self._load[phase], _PHASE_KW * use, 0.05, dt_s, random)), _MOST_KW)
        used = sum(self._load[phase] for phase in _PHASES if self._voltage(phase))
        self._energy += used * hours

    def write(self, point: str, value: Value) -> None:
        """Refuse: a meter is only read. ValueError."""
        raise ValueError(f"{point} cannot be set to {value!r}")

    def _per_kw(self, name: str) -> float:
        """Say how many of the point's units make a kilowatt; 1 for a point that the profile does not have."""
        gauge = self._gauges.get(name)
        return 1.0 if gauge is None else _PER_KW.get(gauge.point.unit, 1.0)

    def _voltage(self, phase: str) -> float:
        if phase == "b" and PHASE_LOST in self._faults:
            return 0.0
        return self._volts[phase] + (_OVERVOLTAGE if phase == "a" and OVERVOLTAGE in self._faults else 0.0)


class FlowMachine(HasFaults):
    """Water that flows, warm or cold, and counters of volume and heat. Points of other names stay as they are."""

    def __init__(self, profile: Profile, *, time_scale: float = 1.0) -> None:
        self._gauges = gauges(profile)
        self._day = Day(time_scale)
        self._faults = Faults(STUCK_SENSOR, LEAK, BATTERY_LOW, VALVE_FAULT)
        self._volume = _sample(profile, "volume", 1234.56)
        self._energy = _sample(profile, "energy", 0.0)
        self._hours = _sample(profile, "hours", 0.0)
        self._flow = _FLOW
        self._supply, self._return = _SUPPLY, _RETURN

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        figures: dict[str, Value] = {
            "volume": self._volume,
            "flow": self._flow,
            "energy": self._energy,
            "power": self._flow * (self._supply - self._return) * _HEAT_PER_M3K,
            "supply_temperature": self._supply,
            "return_temperature": self._return,
            "hours": math.floor(self._hours),
            "battery_low": BATTERY_LOW in self._faults,
        }
        if VALVE_FAULT in self._faults:
            figures["valve"] = _ABNORMAL
        known = {name: self._gauges[name].fit(value) for name, value in figures.items() if name in self._gauges}
        still = {name: gauge.fit(gauge.point.sample) for name, gauge in self._gauges.items() if name not in known}
        return {**still, **known}

    def step(self, dt_s: float, random: Random) -> None:
        """Let `dt_s` seconds pass."""
        hours = self._day.pass_by(dt_s)
        if STUCK_SENSOR in self._faults:
            return
        lost = _LEAK if LEAK in self._faults else 0.0
        self._flow = max(lost, _near(self._flow, _FLOW * self._day.use + lost, 0.05, dt_s, random))
        self._supply = _near(self._supply, _SUPPLY, 0.1, dt_s, random)
        self._return = min(self._supply - 1, _near(self._return, _RETURN, 0.1, dt_s, random))
        self._volume += self._flow * hours
        self._energy += self._flow * (self._supply - self._return) * _HEAT_PER_M3K * hours
        self._hours += hours

    def write(self, point: str, value: Value) -> None:
        """Refuse: a meter is only read. ValueError."""
        raise ValueError(f"{point} cannot be set to {value!r}")


def _sample(profile: Profile, point: str, otherwise: float) -> float:
    return float(profile.points[point].sample) if point in profile.points else otherwise


def _near(now: float, home: float, noise: float, dt_s: float, random: Random) -> float:
    """Move towards home within some seconds, with noise of about this size."""
    pull = min(1.0, 0.2 * dt_s)
    return now + (home - now) * pull + random.gauss(0.0, noise * math.sqrt(2 * pull))


def _peak(hour: float, at: float) -> float:
    away = min(abs(hour - at), 24 - abs(hour - at))
    return math.exp(-((away / 2.0) ** 2))

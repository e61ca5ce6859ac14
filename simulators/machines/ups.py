"""An uninterruptible power supply: mains, a battery that is drawn and charged again, a load, and a bypass."""

from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.model import Model, near

MAINS_LOST = "mains-lost"
WEAK_BATTERY = "weak-battery"
HIGH_LOAD = "high-load"
OVERLOAD = "overload"
BYPASS = "bypass"
INVERTER_FAULT = "inverter-fault"
BATTERY_OFF = "battery-disconnected"
CHARGER_FAULT = "charger-fault"
BATTERY_HOT = "battery-hot"
BATTERY_OVERHEATED = "battery-overheated"
SWITCHED_OFF = "switched-off"

_FULL_AGAIN_S = 3 * 3600.0
_WEAK = 0.1  # of its capacity is left
_LOADS = {OVERLOAD: 118.0, HIGH_LOAD: 88.0}
_HOT_C, _OVERHEATED_C, _TOO_HOT_C = 46.0, 64.0, 55.0
_WARMS_S = 60.0


class UpsMachine(Model):
    """Its samples are its ordinary life: load, runtime at that load, voltages.

    With `mains-lost` the battery is drawn for as long as its runtime says; then the output is gone until the mains are
    back. `weak-battery` leaves a tenth of the runtime.
    """

    def __init__(self, profile: Profile) -> None:
        own = (MAINS_LOST, WEAK_BATTERY, HIGH_LOAD, OVERLOAD, BYPASS, INVERTER_FAULT, BATTERY_OFF, CHARGER_FAULT)
        super().__init__(
            profile,
            (*own, BATTERY_HOT, BATTERY_OVERHEATED, SWITCHED_OFF),
            told={
                "output-short": {"output_short": True, "fault": True},
                "too-hot": {"overtemperature": True, "fault": True},
                "battery-worn": {"battery_replace": True, "fault": True},
                "battery-old": {"battery_near_end": True},
                "test-failed": {"test_failed": True, "test_passed": False},
                "general-fault": {"fault": True},
            },
            sensors=("load", "battery_temperature", "input_voltage"),
        )
        self._load_ref = self._load = self.sample("load", 30.0) or 30.0
        self._runtime = self.sample("runtime", 1800.0)
        self._delay = self.sample("shutdown_delay", 120.0)
        self._charge = 1.0
        self._empty = False
        self._temperature = self.sample("battery_temperature", 25.0)
        self._mains_v = self.sample("input_voltage", 230.0)
        self._energy = 0.0
        self._tremble = 0.0

    def move(self, dt: float, random: Random) -> None:
        """Draw the battery, or charge it."""
        load = next((load for fault, load in _LOADS.items() if fault in self._faults), self._load_ref)
        self._tremble = random.gauss(0.0, 0.4)
        self._load = near(self._load, load, dt, 5.0)
        warm = next(
            (c for fault, c in ((BATTERY_OVERHEATED, _OVERHEATED_C), (BATTERY_HOT, _HOT_C)) if fault in self._faults),
            self.sample("battery_temperature", 25.0),
        )
        self._temperature = near(self._temperature, warm, dt, _WARMS_S)
        if MAINS_LOST not in self._faults:
            self._empty = False
            if not self._faults.has_any(CHARGER_FAULT, BATTERY_OFF):
                self._charge = min(1.0, self._charge + dt / _FULL_AGAIN_S)
        elif self._on_battery:
            self._charge = max(0.0, self._charge - dt / self._lasts_s)
            self._empty = self._charge <= 0
        self._energy += 0.0 if self._off else dt / 3600 * 10 * self._load

    def figures(self) -> dict[str, Value]:
        """Say what the known points would show."""
        mains, battery, off = MAINS_LOST not in self._faults, self._on_battery, self._off
        load = 0.0 if off else self._load + self._tremble
        overload = OVERLOAD in self._faults
        inverter, bypass = INVERTER_FAULT in self._faults, self._on_bypass
        battery_off, charger = BATTERY_OFF in self._faults, CHARGER_FAULT in self._faults
        too_hot = self._temperature > _TOO_HOT_C
        left_s = self._charge * self._lasts_s
        return {
            "online": mains and not off and not bypass,
            "on_battery": battery,
            "on_bypass": bypass,
            "output_off": off,
            "input_bad": not mains,
            "power_failure": not mains,
            "fault": overload or inverter or battery_off or charger or too_hot,
            "overload": overload,
            "output_overload": overload,
            "inverter_fault": inverter,
            "battery_disconnected": battery_off,
            "charger_fault": charger,
            "battery_overtemperature": too_hot,
            "shutdown_imminent": battery and left_s <= self._delay,
            "last_change": self.state("last_change", "input voltage low" if not mains else "acceptable"),
            "runtime": 0 if battery_off else left_s,
            "charge": 0.0 if battery_off else 100 * self._charge,
            "battery_voltage": self.sample("battery_voltage", 54.0) * (0.85 + 0.15 * self._charge),
            "battery_temperature": self._temperature,
            "load": load,
            "apparent_load": load * self.sample("apparent_load", self._load_ref) / self._load_ref,
            "output_current": load / self._load_ref * self.sample("output_current", 3.0),
            "output_voltage": 0.0 if off else self.sample("output_voltage", 230.0),
            "output_frequency": 0.0 if off else self.sample("output_frequency", 50.0),
            "input_voltage": self._mains_v + self._tremble if mains else 0.0,
            "energy": self.sample("energy", 0.0) + self._energy,
        }

    @property
    def _lasts_s(self) -> float:
        """How long a full battery carries the load of now, in seconds."""
        capacity = _WEAK if WEAK_BATTERY in self._faults else 1.0
        return self._runtime * capacity * self._load_ref / max(self._load, 1.0)

    @property
    def _on_bypass(self) -> bool:
        return MAINS_LOST not in self._faults and self._faults.has_any(BYPASS, INVERTER_FAULT, OVERLOAD)

    @property
    def _off(self) -> bool:
        unfed = MAINS_LOST in self._faults and self._faults.has_any(BATTERY_OFF, INVERTER_FAULT)
        return self._empty or unfed or SWITCHED_OFF in self._faults

    @property
    def _on_battery(self) -> bool:
        return MAINS_LOST in self._faults and not self._off

"""Detectors of gas, smoke and leaks: quiet until something happens."""

from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.model import Model, Told, near

_TRACE, _MUCH = 30.0, 65.0  # per cent of the lower explosive limit
_LOW, _HIGH = 20.0, 40.0  # where the panel alarms
_SPREADS_S, _AIRS_S = 8.0, 12.0


class GasMachine(Model):
    """A panel with a sensor on each `gas_N`: `gas-leak-N` goes up to the high alarm, `gas-trace-N` to the low one."""

    def __init__(self, profile: Profile) -> None:
        self._numbers = [n for n in range(1, 33) if f"gas_{n}" in profile.points]
        kinds = ("gas-leak", "gas-trace", "sensor-fault", "comms-fault", "disabled")
        super().__init__(
            profile,
            [f"{kind}-{n}" for n in self._numbers for kind in kinds],
            sensors=[f"gas_{n}" for n in self._numbers],
        )
        self._gas = {n: self.sample(f"gas_{n}", 0.0) for n in self._numbers}

    def move(self, dt: float, random: Random) -> None:
        """Let gas spread, and be aired."""
        for n in self._numbers:
            rest = self.sample(f"gas_{n}", 0.0) + random.gauss(0.0, 0.3)
            leaks, traces = f"gas-leak-{n}" in self._faults, f"gas-trace-{n}" in self._faults
            home = _MUCH if leaks else _TRACE if traces else rest
            self._gas[n] = near(self._gas[n], home, dt, _SPREADS_S if leaks or traces else _AIRS_S)

    def figures(self) -> dict[str, Value]:
        """Say what the known points would show."""
        figures: dict[str, Value] = {}
        for n in self._numbers:
            sensor, comms = f"sensor-fault-{n}" in self._faults, f"comms-fault-{n}" in self._faults
            disabled = f"disabled-{n}" in self._faults
            alarms = not (sensor or comms or disabled)
            figures |= {
                f"gas_{n}": self._gas[n],
                f"gas_{n}_alarm_1": alarms and self._gas[n] >= _LOW,
                f"gas_{n}_alarm_2": alarms and self._gas[n] >= _HIGH,
                f"gas_{n}_fault": sensor or comms,
                f"gas_{n}_sensor_fault": sensor,
                f"gas_{n}_comms_fault": comms,
                f"gas_{n}_disabled": disabled,
            }
        return figures


class SmokeMachine(Model):
    """A smoke detector."""

    def __init__(self, profile: Profile) -> None:
        told = {
            "smoke": {"smoke_alarm": True, "relay": False},
            "soiled": {"service_alarm": True},
            "removed": {"detector_mounted": False, "relay": False},
        }
        super().__init__(profile, (), told=told)

    def move(self, dt: float, random: Random) -> None:
        """Do nothing: it tells what is."""

    def figures(self) -> dict[str, Value]:
        """Say what the known points would show; everything else rests."""
        return {"smoke_alarm": False, "service_alarm": False, "detector_mounted": True, "relay": True}


class LeakMachine(Model):
    """A leak-sensing cable: it says where water is, when it is broken, and when it is dirty."""

    def __init__(self, profile: Profile) -> None:
        length = next((float(p.sample) for name, p in profile.points.items() if name == "cable_length"), 10.0)
        told: Told = {
            "leak": {"leak": True, "summary_alarm": True, "leak_distance": round(0.6 * length, 1), "leak_current": 180},
            "cable-break": {"cable_break": True, "summary_alarm": True, "leg_1_resistance": 20_000},
            "contamination": {"contamination": True, "summary_alarm": True, "leak_current": 25},
        }
        super().__init__(profile, (), told=told)

    def move(self, dt: float, random: Random) -> None:
        """Do nothing: it tells what is."""

    def figures(self) -> dict[str, Value]:
        """Say what the known points would show at rest."""
        quiet = ("leak_distance", "leak_current", "leg_1_resistance")
        return {
            **{name: self.sample(name, 0.0) for name in quiet},
            **dict.fromkeys(("leak", "cable_break", "contamination", "summary_alarm"), False),
        }

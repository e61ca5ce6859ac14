"""Water that is measured: its quality in the network, and its level in a tank."""

from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.model import Model, near

CHLORINE_FALLS, CHLORINE_HIGH = "chlorine-falls", "chlorine-high"
TURBIDITY_SPIKE = "turbidity-spike"
LOW_SUPPLY, LEAK, OVERFLOW, PROBE_OUT = "low-supply", "leak", "overflow", "probe-out"

_NORMAL = 1
_STIRS_S, _DECAYS_S, _CLEARS_S = 20.0, 45.0, 30.0
_OVERDOSED, _SPIKE = 5.0, 8.0  # times the sample
_PER_CM = {"cm": 1.0, "m": 0.01, "mm": 10.0}
_LOW, _EMPTY, _FULL, _OUT_CM = 0.31, 0.1, 1.3, -8.0  # of the sample; and what a probe shows in air
_REFILLS_S, _RUNS_OUT_S = 40.0, 60.0


class WaterQualityMachine(Model):
    """Chlorine that is dosed and used up, and turbidity. The analyser says itself what it cannot measure.

    What it can say of that is a fault each, by the words of its `reading_status`: `over-range`, `needs-sample`.
    """

    def __init__(self, profile: Profile) -> None:
        status = profile.points.get("reading_status")
        words = {} if status is None else {key: label.en for key, label in status.enumeration.items()}
        units = profile.points.get("turbidity_unit")
        other = next((int(u) for u in units.enumeration if int(u) != units.sample), None) if units else None
        super().__init__(
            profile,
            [*[CHLORINE_FALLS, CHLORINE_HIGH] * ("chlorine" in profile.points)]
            + [TURBIDITY_SPIKE] * ("turbidity" in profile.points),
            told={
                **{
                    text.lower().replace(" ", "-"): {"reading_status": int(key), "error": True}
                    for key, text in words.items()
                    if int(key) != _NORMAL
                },
                "calibration-error": {"calibration_error": True, "error": True},
                "left-in-service": {"service_mode": 1},
                **({} if other is None else {"wrong-unit": {"turbidity_unit": other}}),
            },
            sensors=("chlorine", "turbidity"),
        )
        self._chlorine = self._home_chlorine = self.sample("chlorine", 0.5)
        self._turbidity = self._home_turbidity = self.sample("turbidity", 0.3)

    def move(self, dt: float, random: Random) -> None:
        """Dose and use up."""
        if CHLORINE_FALLS in self._faults:
            self._chlorine = near(self._chlorine, 0.0, dt, _DECAYS_S)
        else:
            more = _OVERDOSED if CHLORINE_HIGH in self._faults else 1.0
            home = self._home_chlorine * more * random.gauss(1.0, 0.03)
            self._chlorine = max(0.0, near(self._chlorine, home, dt, _STIRS_S))
        spike = _SPIKE if TURBIDITY_SPIKE in self._faults else 1.0
        takes = _STIRS_S if spike > 1 else _CLEARS_S
        home = self._home_turbidity * spike * random.gauss(1.0, 0.05)
        self._turbidity = max(0.0, near(self._turbidity, home, dt, takes))

    def figures(self) -> dict[str, Value]:
        """Say what the known points would show."""
        return {"chlorine": self._chlorine, "turbidity": self._turbidity}


class TankMachine(Model):
    """A tank that is drawn from and refilled: `low-supply` lets it sink, `leak` empties it, `overflow` fills it."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile, (LOW_SUPPLY, LEAK, OVERFLOW, PROBE_OUT), sensors=("level",))
        gauge = self._gauges.get("level")
        self._per_cm = _PER_CM.get(gauge.point.unit, 1.0) if gauge is not None else 1.0
        self._home = self._level = self.sample("level", 150.0)
        self._tremble = 0.0

    def move(self, dt: float, random: Random) -> None:
        """Draw, and refill."""
        share = _EMPTY if LEAK in self._faults else _LOW if LOW_SUPPLY in self._faults else 1.0
        home = self._home * (_FULL if OVERFLOW in self._faults else share)
        self._level = near(self._level, home, dt, _REFILLS_S if home >= self._level else _RUNS_OUT_S)
        self._tremble = random.gauss(0.0, 0.003 * self._home)

    def figures(self) -> dict[str, Value]:
        """Say what the known points would show."""
        out = PROBE_OUT in self._faults
        return {"level": _OUT_CM * self._per_cm if out else self._level + self._tremble}

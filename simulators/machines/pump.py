"""A booster set: pumps on one speed, PI control of the discharge pressure, staging, and homes that draw water.

The hydraulics are quasi-static: each pump lifts H0 s^2 - A q^2, homes draw in proportion to the square root of the
pressure. The constants follow from the profile's samples, so a set of any size behaves. Everything is inside in bar,
m3/h, W, and a speed of 0 to 1; the units of the points do the rest.
"""

from collections.abc import Mapping
from math import exp, pi, sin, sqrt
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.api import Faults, HasFaults, gauges, raw_of
from simulators.machines.generic import OUT_OF_RANGE, STUCK_SENSOR, GenericMachine, beyond

DRY_RUN = "dry-run"
DRIVE_FAULT = "drive-fault"

_PER_BAR = {"bar": 1.0, "mbar": 1000.0, "kPa": 100.0, "MPa": 0.1, "m": 10.2, "psi": 14.504}
_PER_WATT = {"W": 1.0, "kW": 0.001}
_PER_FULL_SPEED = {"%": 100.0, "Hz": 50.0, "rpm": 2900.0}
_LONGEST_STEP_S = 0.1
_DAY_S = 86400.0
_START_S = 6.6 * 3600  # before the morning's peak, so that a demo's first minutes have something to show
_KP, _KI = 0.03, 0.06  # of full speed, per bar, and per bar and second
_RAMP_PER_S = 0.12  # of full speed
_DRY_BAR = 0.03
_TRIP_AFTER_S, _RECOVER_AFTER_S = 4.0, 2.0
_STAGE_UP_S, _STAGE_DOWN_S = 4.0, 15.0
_SENSORS = ("discharge_pressure", "feedback")
_NOISE = 1.6  # of a deadband: a reading now and then passes it by noise alone, as real ones do


class PumpMachine(HasFaults):
    """A booster set of as many pumps as the profile has `pump_N_...` points, one without any."""

    def __init__(self, profile: Profile, *, time_scale: float = 1.0) -> None:
        self._gauges = gauges(profile)
        self._time_scale = time_scale
        self._faults = Faults(DRY_RUN, DRIVE_FAULT, STUCK_SENSOR, OUT_OF_RANGE)
        numbers = {int(name.split("_")[1]) for name in self._gauges if name.startswith("pump_") and name[5:6].isdigit()}
        self._count = max(numbers, default=1)
        self._units()
        alarm = profile.points.get("alarm_code")
        self._dry_code = (alarm and raw_of(alarm, "water shortage", "dry run", "dry-run")) or 57
        self._drive_code = (alarm and raw_of(alarm, "overcurrent", "overload", "hardware", "fault")) or 1
        self._time_s = _START_S
        self._turbulence = self._swell = 0.0
        self._dry_s = self._wet_s = self._stage_s = 0.0
        self._tripped: str | None = None
        self._switched_on = self._on = True
        self._staged = 1
        self._speed = self._integral = self._speed_ref
        self._suction = self._suction_ref
        self._discharge = self._setpoint
        self._flow, self._power = self._flow_ref, self._power_ref
        self._energy_kwh = self._volume_m3 = self._hours = 0.0
        self._pump_hours = [0.0] * self._count
        self._noise: dict[str, float] = {}
        self._driven = tuple(sorted(self._figures()))  # in one order, or a seed would not decide the noise
        self._rest = GenericMachine(profile, only=set(self._gauges).difference(self._driven))
        self._shown: dict[str, Value] = {}
        self._show()

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        return dict(self._shown)

    def step(self, dt_s: float, random: Random) -> None:
        """Let time pass, in pieces that the controller can follow."""
        left = dt_s
        while left > 0:
            piece = min(left, _LONGEST_STEP_S)
            self._move(piece, random)
            left -= piece
        for name in self._driven:
            gauge = self._gauges[name]
            sigma = max(_NOISE * gauge.point.deadband, abs(gauge.point.modbus.scale))
            self._noise[name] = random.gauss(0.0, sigma)
        self._rest.step(dt_s, random)
        self._show()

    def write(self, point: str, value: Value) -> None:
        """Take a setpoint, a control word (bit 0: by bus, bit 1: on, bit 2: reset), or a switch."""
        self._gauges[point].check(value)
        if point == "setpoint":
            self._wanted = self._to_bar(point, float(value))
        elif point == "control":
            self._control = int(value)
            self._switched_on = bool(self._control & 2)
            if self._control & 4:
                self._reset()
        elif point in {"on", "running", "start"}:
            self._switched_on = bool(value)
        elif point == "reset":
            self._reset()
        else:
            self._rest.write(point, value)
        self._show()

    def _units(self) -> None:
        """Take the operating point from the samples."""
        maximum = self._sample("sensor_maximum", 0.0)
        unit = self._gauges["sensor_maximum"].point.unit if maximum else "bar"
        self._sensor_bar = maximum / _PER_BAR.get(unit, 1.0) or 16.0
        self._suction_ref = self._sample("suction_pressure", 2.0) / self._per("suction_pressure", _PER_BAR)
        discharge = self._sample("discharge_pressure", 6.0) / self._per("discharge_pressure", _PER_BAR)
        self._wanted = self._to_bar("setpoint", self._sample("setpoint", 0.0)) or discharge
        self._setpoint = self._wanted
        self._flow_ref = self._sample("flow", 20.0) or 20.0
        self._power_ref = (self._sample("power", 4000.0) or 4000.0) / self._per("power", _PER_WATT)
        self._speed_ref = self._sample("speed", 0.0) / self._per("speed", _PER_FULL_SPEED) or 0.9
        self._control = int(self._sample("control", 3.0))
        lift = max(self._wanted - self._suction_ref, 0.5)
        self._loss = 0.3 * lift / self._flow_ref**2
        self._head = 1.3 * lift / self._speed_ref**2

    def _sample(self, name: str, default: float) -> float:
        gauge = self._gauges.get(name)
        return default if gauge is None or gauge.kind is str else float(gauge.point.sample)

    def _per(self, name: str, table: Mapping[str, float]) -> float:
        gauge = self._gauges.get(name)
        return table.get(gauge.point.unit, 1.0) if gauge is not None else next(iter(table.values()))

    def _to_bar(self, name: str, value: float) -> float:
        gauge = self._gauges.get(name)
        if gauge is not None and gauge.point.unit == "%":
            return value / 100 * self._sensor_bar
        return value / self._per(name, _PER_BAR)

    def _from_bar(self, name: str, bar: float) -> float:
        gauge = self._gauges.get(name)
        if gauge is not None and gauge.point.unit == "%":
            return bar / self._sensor_bar * 100
        return bar * self._per(name, _PER_BAR)

    def _reset(self) -> None:
        self._faults.remove(DRIVE_FAULT)
        if DRY_RUN not in self._faults:
            self._tripped = None

    def _healthy(self) -> list[int]:
        """Name the pumps that can run, the duty pump first."""
        return [n for n in range(self._count) if not (n == 0 and DRIVE_FAULT in self._faults)]

    def _running(self) -> list[int]:
        if not self._on or self._tripped is not None or self._speed < 0.02:  # noqa: PLR2004 - standstill
            return []
        return self._healthy()[: self._staged]

    def _demand(self) -> float:
        """Say what homes would draw at the setpoint, in m3/h: two peaks a day, little at night."""
        hour = self._time_s % _DAY_S / 3600
        peaks = exp(-(((hour - 7.5) / 1.3) ** 2)) + 1.2 * exp(-(((hour - 19.5) / 1.8) ** 2))
        base = 0.35 + 0.3 * max(0.0, sin((hour - 6) / 16 * pi)) + 0.9 * peaks
        return float(self._flow_ref * base * max(0.2, 1 + self._turbulence))

    def _move(self, dt: float, random: Random) -> None:
        self._time_s += dt * self._time_scale
        self._turbulence += -self._turbulence * dt / 4 + 0.1 * sqrt(dt / 2) * random.gauss(0, 1)
        self._swell += -self._swell * dt / 3 + 0.06 * sqrt(dt / 1.5) * random.gauss(0, 1)
        dry = DRY_RUN in self._faults
        mains = _DRY_BAR if dry else max(0.5, self._suction_ref + self._swell)
        self._suction += (mains - self._suction) * min(1.0, dt / (0.8 if dry else 1.5))
        self._protect(dry, dt)
        self._on = self._switched_on
        self._setpoint += max(-0.5 * dt, min(0.5 * dt, self._wanted - self._setpoint))
        self._control_speed(dt)
        self._hydraulics(dry, dt)
        running = self._running()
        self._energy_kwh += self._power * dt / 3.6e6
        self._volume_m3 += self._flow * dt / 3600
        self._hours += dt / 3600 if running else 0.0
        for number in running:
            self._pump_hours[number] += dt / 3600

    def _protect(self, dry: bool, dt: float) -> None:  # noqa: FBT001 - a state of the machine
        """Trip some seconds after the water is gone, and start again some seconds after it is back."""
        self._dry_s = self._dry_s + dt if dry and self._on else 0.0
        self._wet_s = 0.0 if dry else self._wet_s + dt
        if self._dry_s > _TRIP_AFTER_S:
            self._tripped = DRY_RUN
        elif self._tripped is not None and self._wet_s > _RECOVER_AFTER_S:
            self._tripped = None

    def _control_speed(self, dt: float) -> None:
        healthy = len(self._healthy())
        target = 0.0
        if self._on and self._tripped is None and healthy:
            error = self._setpoint - self._measured_bar()
            self._integral = min(1.0, max(0.3, self._integral + _KI * error * dt))
            target = min(1.0, max(0.3, self._integral + _KP * error))
            self._stage(target, healthy, dt)
        else:
            self._staged, self._integral = 1, 0.5
        step = _RAMP_PER_S * dt * (1 if target else 3)
        self._speed += max(-step, min(step, target - self._speed))

    def _measured_bar(self) -> float:
        stuck = self._shown.get("discharge_pressure") if STUCK_SENSOR in self._faults else None
        return self._discharge if stuck is None else float(stuck) / self._per("discharge_pressure", _PER_BAR)

    def _stage(self, target: float, healthy: int, dt: float) -> None:
        direction = 1 if target > 0.98 else -1 if target < 0.8 else 0  # noqa: PLR2004 - of full speed
        wanted = min(healthy, max(1, self._staged + direction))
        self._stage_s = self._stage_s + dt if wanted != self._staged else 0.0
        if self._stage_s > (_STAGE_UP_S if direction > 0 else _STAGE_DOWN_S):
            self._staged, self._stage_s = wanted, 0.0
        self._staged = min(self._staged, healthy)

    def _hydraulics(self, dry: bool, dt: float) -> None:  # noqa: FBT001 - a state of the machine
        count = len(self._running())
        demand = self._demand()
        reference = max(self._setpoint, 0.1)
        if count and not dry:
            lift = self._suction + self._head * self._speed**2
            pressure = max(0.0, lift / (1 + self._loss * demand**2 / (count**2 * reference)))
        else:
            pressure = max(0.0, self._suction - 0.2) * 0.8
        flow = demand * sqrt(pressure / reference) if count and not dry else 0.0
        ratio = self._speed / self._speed_ref
        share = flow / (count * self._flow_ref) if count else 0.0
        power = count * self._power_ref * ratio**3 * (0.12 if dry else 0.45 + 0.55 * share)
        self._discharge += (pressure - self._discharge) * min(1.0, dt / (4.0 if dry or not count else 0.6))
        self._flow += (flow - self._flow) * min(1.0, dt / 0.8)
        self._power += (power - self._power) * min(1.0, dt / 0.4)

    def _code(self) -> int:
        if self._tripped is not None:
            return self._dry_code
        return self._drive_code if DRIVE_FAULT in self._faults else 0

    def _figures(self) -> dict[str, Value]:
        """Say what the known points would show without noise, for those that the profile has."""
        running, code = self._running(), self._code()
        figures: dict[str, Value] = {
            "running": bool(running),
            "on": self._on,
            "start": self._switched_on,
            "remote": bool(self._control & 1),
            "control": self._control,
            "alarm_active": code != 0,
            "alarm_code": code,
            "fault_code": code,
            "suction_pressure": self._from_bar("suction_pressure", self._suction),
            "discharge_pressure": self._from_bar("discharge_pressure", self._discharge),
            "feedback": self._from_bar("feedback", self._discharge),
            "flow": self._flow,
            "speed": (self._speed if running else 0.0) * self._per("speed", _PER_FULL_SPEED),
            "power": self._power * self._per("power", _PER_WATT),
            "energy": self._sample("energy", 0.0) + self._energy_kwh,
            "volume": self._sample("volume", 0.0) + self._volume_m3,
            "run_hours": self._sample("run_hours", 0.0) + self._hours,
            "setpoint": self._from_bar("setpoint", self._wanted),
            "actual_setpoint": self._from_bar("actual_setpoint", self._setpoint),
            "pumps_running": len(running),
        }
        for number in range(self._count):
            figures |= self._pump(number, number in running, max(1, len(running)))
        return {name: value for name, value in figures.items() if name in self._gauges}

    def _pump(self, number: int, runs: bool, sharing: int) -> dict[str, Value]:  # noqa: FBT001 - a state
        at = f"pump_{number + 1}_"
        power = self._power / sharing if runs else 0.0
        return {
            f"{at}running": runs,
            f"{at}fault": number == 0 and DRIVE_FAULT in self._faults,
            f"{at}speed": (self._speed if runs else 0.0) * self._per(f"{at}speed", _PER_FULL_SPEED),
            f"{at}current": power / (1.732 * 400 * 0.85),
            f"{at}power": power * self._per(f"{at}power", _PER_WATT),
            f"{at}hours": self._sample(f"{at}hours", 0.0) + self._pump_hours[number],
        }

    def _show(self) -> None:
        frozen = set(_SENSORS) if STUCK_SENSOR in self._faults else set()
        running = bool(self._running())
        shown: dict[str, Value] = dict(self._rest.values())
        for name, figure in self._figures().items():
            if name in frozen and name in self._shown:
                shown[name] = self._shown[name]
                continue
            value = figure
            if name in _NOISY or name.endswith(_NOISY_PUMP):
                shakes = name in _NOISY_AT_REST or (running and bool(figure))
                value = float(figure) + (self._noise.get(name, 0.0) if shakes else 0.0)
            shown[name] = self._gauges[name].fit(value)
        if OUT_OF_RANGE in self._faults:  # the transmitter's wire is shorted; the controller has a sensor of its own
            shown |= {name: beyond(self._gauges[name]) for name in _SENSORS if name in shown}
        self._shown = shown


_NOISY_AT_REST = frozenset({"suction_pressure", "discharge_pressure", "feedback"})
_NOISY = _NOISY_AT_REST | {"flow", "speed", "power"}
_NOISY_PUMP = ("_speed", "_current", "_power")

"""An elevator: people call it, it travels with a trapezoid of speed, opens, waits, closes, and counts its runs."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from math import copysign, sqrt
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.api import Faults, HasFaults, gauges, raw_of
from simulators.machines.generic import GenericMachine

TRAPPED = "trapped"
SAFETY_CIRCUIT = "safety-circuit"
DOOR_FAULT = "door-fault"
INSPECTION = "inspection"
ALARM_BUTTON = "alarm-button"

_LONGEST_STEP_S = 0.1
_FLOORS, _HEIGHT_M = 18, 3.0
_ACCELERATION, _EMERGENCY = 0.8, 1.5  # m/s2
_CREEP_M_S = 0.3
_DOOR_S, _HOLD_S = 2.0, 3.0
_ZONE_M = 0.2
_CLEAR_OF_FLOORS_M = 0.6  # a trapped car stands at least so far from every floor
_CALL_EVERY_S, _BUSIEST_S = 60.0, 1.0
_PERSON = 7.5  # percent of the rated load
_BALANCED = 45.0  # percent of the rated load that the counterweight carries
_FULL_HZ = 50.0  # what a drive puts out at the rated speed
_STANDBY_AFTER_S = 60.0
_NOISE = (("bus_voltage", 3.0), ("current", 0.3), ("load", 0.2), ("torque", 1.0))


class _Phase(Enum):
    IDLE = auto()
    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()
    RUNNING = auto()
    BRAKING = auto()
    STUCK = auto()
    CREEPING = auto()


class ElevatorMachine(HasFaults):
    """One car in a shaft of 18 floors, or fewer where the profile's range of `floor` says so.

    It speaks as a controller does (`speed`, `mode`, `door_state`) or as a drive (`running`, `output_frequency`,
    `tripped`), by the points that the profile has.

    `trapped` shows what the profile lets it show: a car between two floors with somebody in it, and a fault code only
    where the code list has one for entrapment. `safety-circuit` stops the car anywhere, with its code.
    """

    def __init__(self, profile: Profile, *, time_scale: float = 1.0) -> None:
        self._gauges = gauges(profile)
        self._profile = profile
        self._faults = Faults(TRAPPED, SAFETY_CIRCUIT, DOOR_FAULT, INSPECTION, ALARM_BUTTON)
        self._call_every_s = max(_BUSIEST_S, _CALL_EVERY_S / time_scale)
        floor = profile.points.get("floor")
        self._bottom = max(1, round(floor.range.low)) if floor and floor.range else 1
        self._top = min(round(floor.range.high), _FLOORS) if floor and floor.range else _FLOORS
        self._rated = self._sample("rated_speed", 0.0) or 1.75
        start = min(max(round(self._sample("floor", 1.0)), self._bottom), self._top)
        self._position = (start - self._bottom) * _HEIGHT_M
        self._velocity = 0.0
        self._phase = _Phase.IDLE
        self._in_phase_s = 0.0
        self._target = start
        self._boards_at: tuple[int, int] | None = None  # where the next passengers wait, and where they want to go
        self._riders = 0
        self._destination: int | None = None
        self._door_failed = False
        self._runs, self._hours = 0, 0.0
        self._noise: dict[str, float] = {}
        self._codes = self._find_codes()
        self._rest = GenericMachine(profile, only=set(self._gauges) - set(self._figures()))
        self._phases: Mapping[_Phase, Callable[[float, Random], None]] = {
            _Phase.IDLE: self._idle,
            _Phase.OPENING: self._opening,
            _Phase.OPEN: self._open,
            _Phase.CLOSING: self._closing,
            _Phase.RUNNING: self._run,
            _Phase.BRAKING: self._brake,
            _Phase.STUCK: self._stuck,
            _Phase.CREEPING: self._creep,
        }

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        shown: dict[str, Value] = dict(self._rest.values())
        for name, figure in self._figures().items():
            noise = self._noise.get(name, 0.0) if figure else 0.0
            shown[name] = self._gauges[name].fit(float(figure) + noise if noise else figure)
        return shown

    def step(self, dt_s: float, random: Random) -> None:
        """Let time pass, in pieces that the car's movement can follow."""
        left = dt_s
        while left > 0:
            piece = min(left, _LONGEST_STEP_S)
            self._in_phase_s += piece
            self._phases[self._phase](piece, random)
            self._hours += piece / 3600 if self._velocity else 0.0
            left -= piece
        for name, sigma in _NOISE:
            if name in self._gauges:
                self._noise[name] = random.gauss(0.0, sigma)
        self._rest.step(dt_s, random)

    def write(self, point: str, value: Value) -> None:
        """Take `reset`, a call to a floor (`call_floor`), or whatever else the profile lets be written."""
        self._gauges[point].check(value)
        if point == "call_floor":
            self._boards_at = (min(max(int(value), self._bottom), self._top), self._bottom)
        elif point == "reset" and value:
            self.clear(SAFETY_CIRCUIT)
            self.clear(DOOR_FAULT)
        else:
            self._rest.write(point, value)

    def fault(self, name: str) -> None:
        """Bring a fault about. `trapped` needs a passenger under way, so it may take a quarter of a minute to show."""
        self._faults.add(name)
        if name == SAFETY_CIRCUIT and self._phase in {_Phase.RUNNING, _Phase.CREEPING}:
            self._enter(_Phase.BRAKING)

    def clear(self, name: str | None) -> None:
        """End one fault, or all: a car between floors creeps to the nearest one and opens."""
        self._faults.remove(name)
        if DOOR_FAULT not in self._faults:
            self._door_failed = False

    @property
    def _floor(self) -> int:
        return self._bottom + round(self._position / _HEIGHT_M)

    def _height(self, floor: int) -> float:
        return (floor - self._bottom) * _HEIGHT_M

    def _from_floor(self, position: float) -> float:
        return abs(position - round(position / _HEIGHT_M) * _HEIGHT_M)

    def _enter(self, phase: _Phase) -> None:
        self._phase, self._in_phase_s = phase, 0.0

    def _held(self) -> bool:
        """Whether something keeps the car from starting by itself."""
        return SAFETY_CIRCUIT in self._faults

    def _idle(self, dt: float, random: Random) -> None:
        if self._held():
            return
        if INSPECTION in self._faults:
            self._inspect()
            return
        if DOOR_FAULT in self._faults or self._destination is not None:
            self._enter(_Phase.OPENING)
            return
        if TRAPPED in self._faults and self._boards_at is None:
            self._boards_at = (self._floor, self._far_from(self._floor))
        if self._boards_at is None and random.random() < dt / self._call_every_s:
            self._boards_at = self._call(random)
        if self._boards_at is not None:
            self._go(self._boards_at[0])

    def _inspect(self) -> None:
        """Travel slowly between two floors, with rests, as a technician on the car's roof does."""
        if self._in_phase_s > _HOLD_S:
            self._target = self._floor + (1 if self._floor < self._top else -1)
            self._enter(_Phase.CREEPING)

    def _call(self, random: Random) -> tuple[int, int]:
        """Somebody goes out or comes home, as most do, or visits a neighbour."""
        floor = random.randint(self._bottom + 1, self._top)
        other = self._bottom if random.random() < 0.8 else random.randint(self._bottom, self._top)  # noqa: PLR2004
        if other == floor:
            other = self._bottom
        return (floor, other) if random.random() < 0.5 else (other, floor)  # noqa: PLR2004 - half of them

    def _far_from(self, floor: int) -> int:
        return self._top if self._top - floor > floor - self._bottom else self._bottom

    def _go(self, floor: int) -> None:
        self._target = floor
        if floor == self._floor:
            self._enter(_Phase.OPENING)
            return
        self._runs += 1
        self._enter(_Phase.RUNNING)

    def _opening(self, _dt: float, _random: Random) -> None:
        if self._in_phase_s >= _DOOR_S:
            self._enter(_Phase.OPEN)

    def _open(self, _dt: float, random: Random) -> None:
        if self._in_phase_s < _HOLD_S / 2:
            return
        self._leave_and_board(random)
        if self._in_phase_s >= _HOLD_S:
            self._enter(_Phase.CLOSING)

    def _leave_and_board(self, random: Random) -> None:
        if self._destination == self._floor:
            self._riders, self._destination = 0, None
        if self._boards_at is not None and self._boards_at[0] == self._floor and INSPECTION not in self._faults:
            self._riders = 1 if TRAPPED in self._faults else random.choice((1, 1, 1, 2, 2, 3, 5))
            self._destination, self._boards_at = self._boards_at[1], None
            if self._destination == self._floor:
                self._destination = self._far_from(self._floor)

    def _closing(self, _dt: float, _random: Random) -> None:
        if self._held():
            self._in_phase_s = 0.0
        elif DOOR_FAULT in self._faults:
            if self._in_phase_s >= _DOOR_S / 2:
                self._door_failed = True
                self._enter(_Phase.OPENING)
        elif self._in_phase_s >= _DOOR_S:
            self._enter(_Phase.IDLE)
            if self._destination is not None:
                self._go(self._destination)

    def _run(self, dt: float, _random: Random) -> None:
        if TRAPPED in self._faults:
            if not self._riders:
                self._stop_at_next()
            elif self._stops_between_floors():
                self._enter(_Phase.BRAKING)
                return
        away = self._height(self._target) - self._position
        if abs(away) <= max(0.005, abs(self._velocity) * dt):
            self._position, self._velocity = self._height(self._target), 0.0
            self._enter(_Phase.OPENING)
            return
        wanted = min(self._rated, sqrt(2 * _ACCELERATION * abs(away)))
        self._velocity = copysign(min(wanted, abs(self._velocity) + _ACCELERATION * dt), away)
        self._position += self._velocity * dt

    def _stop_at_next(self) -> None:
        """Let an empty car take up the passenger who will be trapped, at the next floor where it can stop."""
        ahead = self._position + copysign(self._velocity**2 / (2 * _ACCELERATION) + 0.3, self._velocity)
        up = self._velocity > 0
        steps = ahead / _HEIGHT_M
        floor = self._bottom + (int(steps) + 1 if up else int(max(steps, 0.0)))
        floor = min(floor, self._target) if up else max(floor, self._target)
        self._target = floor
        self._boards_at = (floor, self._far_from(floor))

    def _stops_between_floors(self) -> bool:
        stop = self._position + copysign(self._velocity**2 / (2 * _EMERGENCY), self._velocity)
        return abs(self._velocity) > 0.5 and self._from_floor(stop) > _CLEAR_OF_FLOORS_M  # noqa: PLR2004 - under way

    def _brake(self, dt: float, _random: Random) -> None:
        slower = abs(self._velocity) - _EMERGENCY * dt
        self._velocity = copysign(max(slower, 0.0), self._velocity) if slower > 0 else 0.0
        self._position += self._velocity * dt
        if self._velocity == 0:
            self._enter(_Phase.STUCK)

    def _stuck(self, _dt: float, _random: Random) -> None:
        if self._held() or (TRAPPED in self._faults and self._riders):
            return
        self._target = min(max(self._floor, self._bottom), self._top)
        if self._riders:
            self._destination = self._target  # whoever was trapped walks out here
        self._enter(_Phase.CREEPING)

    def _creep(self, dt: float, _random: Random) -> None:
        away = self._height(self._target) - self._position
        if abs(away) <= _CREEP_M_S * dt:
            self._position, self._velocity = self._height(self._target), 0.0
            self._enter(_Phase.IDLE if INSPECTION in self._faults and not self._riders else _Phase.OPENING)
            return
        self._velocity = copysign(_CREEP_M_S, away)
        self._position += self._velocity * dt

    def _find_codes(self) -> dict[str, int]:
        point = next((p for name in ("fault_code", "alarm_code") if (p := self._profile.points.get(name))), None)
        if point is None:
            return {}
        words = {
            SAFETY_CIRCUIT: ("safety circuit", "safety"),
            DOOR_FAULT: ("door does not close", "door close", "door"),
            TRAPPED: ("trapped", "entrapment"),
        }
        return {name: code for name, some in words.items() if (code := raw_of(point, *some)) is not None}

    def _code(self) -> int:
        if self._held():
            return self._codes.get(SAFETY_CIRCUIT, 0)
        if self._door_failed:
            return self._codes.get(DOOR_FAULT, 0)
        return self._codes.get(TRAPPED, 0) if self._is_trapped() else 0

    def _is_trapped(self) -> bool:
        return self._phase is _Phase.STUCK and self._riders > 0 and self._from_floor(self._position) > _ZONE_M

    def _sample(self, name: str, default: float) -> float:
        gauge = self._gauges.get(name)
        return default if gauge is None or gauge.kind is str else float(gauge.point.sample)

    def _state(self, name: str, *words: str) -> int:
        """Give the number by which a point says something; its sample where it has no number for that."""
        point = self._profile.points.get(name)
        if point is None:
            return 0
        found = raw_of(point, *words)
        return found if found is not None else int(self._sample(name, 0))

    def _mode(self) -> int:
        if self._held():
            return self._state("mode", "fault", "stop")
        if INSPECTION in self._faults and not self._riders:
            return self._state("mode", "inspection", "maintenance")
        return self._state("mode", "automatic", "normal")

    def _figures(self) -> dict[str, Value]:
        """Say what the known points would show without noise, for those that the profile has."""
        moving = self._velocity != 0
        closed = self._phase not in {_Phase.OPENING, _Phase.OPEN, _Phase.CLOSING}
        heading = "up" if self._velocity > 0 else "down" if moving else "stop"
        code = self._code()
        load = self._riders * _PERSON
        figures: dict[str, Value] = {
            "speed": abs(self._velocity),
            "rated_speed": self._rated,
            "bus_voltage": self._sample("bus_voltage", 540.0) - (8.0 if moving else 0.0),
            "current": 6.0 + 4.0 * self._riders + 6.0 * abs(self._velocity) / self._rated if moving else 0.0,
            "floor": self._floor,
            "position": self._position,
            "load": load,
            "running": moving,
            "output_frequency": _FULL_HZ * self._velocity / self._rated,
            "torque": (load - _BALANCED) * copysign(1, self._velocity) if moving else 0.0,
            "tripped": self._held(),
            "sto_open": self._held(),
            "standby": self._phase is _Phase.IDLE and self._in_phase_s > _STANDBY_AFTER_S,
            "inspection": INSPECTION in self._faults and not self._riders,
            "door_closed": closed,
            "door_open": self._phase is _Phase.OPEN,
            "door_state": self._state("door_state", *_DOOR_WORDS[self._phase]),
            "door": self._state("door", *_DOOR_WORDS[self._phase]),
            "mode": self._mode(),
            "direction": self._state("direction", heading),
            "fault_code": code,
            "alarm_code": code,
            "fault": code != 0,
            "passenger_present": self._riders > 0,
            "door_zone": self._from_floor(self._position) <= _ZONE_M,
            "trapped": self._is_trapped(),
            "alarm_button": ALARM_BUTTON in self._faults,
            "run_count": self._sample("run_count", 0.0) + self._runs,
            "run_hours": self._sample("run_hours", 0.0) + self._hours,
        }
        return {name: value for name, value in figures.items() if name in self._gauges}


_DOOR_WORDS: Mapping[_Phase, tuple[str, ...]] = {
    _Phase.IDLE: ("held closed", "closed"),
    _Phase.OPENING: ("opening", "open"),
    _Phase.OPEN: ("held open", "open"),
    _Phase.CLOSING: ("closing", "closed"),
    _Phase.RUNNING: ("running", "closed"),
    _Phase.BRAKING: ("running", "closed"),
    _Phase.STUCK: ("stopped", "closed"),
    _Phase.CREEPING: ("running", "closed"),
}

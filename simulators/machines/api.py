"""What a simulated machine is, and how its figures become values that a device's points can hold."""

from collections.abc import Mapping
from random import Random
from typing import Protocol

from drivers import packed
from drivers.api import Value
from drivers.modbus import codec
from drivers.places.meters import MeterPoint
from drivers.places.modbus import ModbusPoint
from drivers.profile import Point, Profile, RegisterType


class UnknownFault(ValueError):
    """A fault that this machine does not have; `known` are those that it has."""

    def __init__(self, fault: str, known: tuple[str, ...]) -> None:
        self.known = known
        super().__init__(f"no fault {fault!r}; there are: {', '.join(known)}")


class Machine(Protocol):
    """A machine's behaviour. It does no input or output, reads no clock, and draws chance from what it is given."""

    def values(self) -> Mapping[str, Value]:
        """Give what every point of the profile shows now, in engineering units, each fit for its registers."""
        ...

    def step(self, dt_s: float, random: Random) -> None:
        """Let `dt_s` seconds pass."""
        ...

    def write(self, point: str, value: Value) -> None:
        """Take a command from a master; its effect comes with the machine's inertia. ValueError refuses it."""
        ...

    def faults(self) -> tuple[str, ...]:
        """Name the faults that this machine can have."""
        ...

    def active(self) -> tuple[str, ...]:
        """Name the faults that it has now."""
        ...

    def fault(self, name: str) -> None:
        """Bring a fault about; UnknownFault."""
        ...

    def clear(self, name: str | None) -> None:
        """End one fault, or all; what they did fades with the machine's inertia. UnknownFault."""
        ...


class Faults:
    """The faults that a machine can have, and those that it has."""

    def __init__(self, *known: str) -> None:
        self.known = known
        self._active: list[str] = []

    @property
    def active(self) -> tuple[str, ...]:
        """Those that it has, the oldest first."""
        return tuple(self._active)

    def __contains__(self, name: str) -> bool:
        return name in self._active

    def has_any(self, *names: str) -> bool:
        """Whether it has one of these."""
        return any(name in self._active for name in names)

    def add(self, name: str) -> None:
        """Begin one; it makes no difference when it is there already. UnknownFault."""
        self._check(name)
        if name not in self._active:
            self._active.append(name)

    def remove(self, name: str | None) -> None:
        """End one, or all. UnknownFault."""
        if name is None:
            self._active.clear()
            return
        self._check(name)
        if name in self._active:
            self._active.remove(name)

    def _check(self, name: str) -> None:
        if name not in self.known:
            raise UnknownFault(name, self.known)


class HasFaults:
    """The part of a machine that has faults by name, in `_faults`."""

    _faults: Faults

    def faults(self) -> tuple[str, ...]:
        """Name the faults that it can have."""
        return self._faults.known

    def active(self) -> tuple[str, ...]:
        """Name the faults that it has now."""
        return self._faults.active

    def fault(self, name: str) -> None:
        """Bring a fault about; UnknownFault."""
        self._faults.add(name)

    def clear(self, name: str | None) -> None:
        """End one fault, or all; UnknownFault."""
        self._faults.remove(name)


class Gauge:
    """One point as a machine sees it: brings a figure to the point's type, and into what point and registers hold."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self.kind = point.value_type
        low, high = _holds(point)
        if point.range is not None:
            low, high = max(low, point.range.low), min(high, point.range.high)
        self.low, self.high = low, high

    def fit(self, value: Value) -> Value:
        """Give the nearest value that the point can show."""
        if self.kind is bool:
            return bool(value)
        if self.kind is str:
            return str(value)
        figure = min(max(float(value), self.low), self.high)
        return round(figure) if self.kind is int else figure

    def check(self, value: Value) -> None:
        """ValueError when a master may not write this value."""
        if self.kind in {int, float} and not self.low <= float(value) <= self.high:
            raise ValueError(f"{value} is outside {self.low:g} to {self.high:g}")


def gauges(profile: Profile) -> dict[str, Gauge]:
    """Make the gauge of every point."""
    return {name: Gauge(point) for name, point in profile.points.items()}


def raw_of(point: Point, *words: str) -> int | None:
    """Find a number of a point's enumeration by a word of its English meaning, the first word that any has."""
    for word in words:
        for key, label in point.enumeration.items():
            if word in label.en.lower():
                return int(key)
    return None


def _holds(point: Point) -> tuple[float, float]:
    if isinstance(point.table, MeterPoint):
        return packed.limits(point.table)
    if not isinstance(point.table, ModbusPoint):
        return -1e9, 1e9  # told as text or in a float: any machine's figures
    modbus = point.table
    if modbus.type in {RegisterType.BOOL, RegisterType.STRING}:
        return 0.0, 1.0
    if modbus.type.is_float:
        return -1e9, 1e9  # any machine's figures, and exact enough in 32 bits
    low, high = codec.limits(modbus)
    if modbus.absent is not None:  # the number that means "not available" is in use at one end of the scale
        taken = modbus.absent * modbus.scale + modbus.offset
        step = abs(modbus.scale)
        low = low + step if abs(taken - low) < step / 2 else low
        high = high - step if abs(taken - high) < step / 2 else high
    return low, high

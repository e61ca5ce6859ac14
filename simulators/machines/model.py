"""What machines with behaviour of their own have in common: their faults, what they show, and points that rest."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.api import Faults, HasFaults, gauges, raw_of
from simulators.machines.generic import OUT_OF_RANGE, STUCK_SENSOR, GenericMachine, beyond

Told = Mapping[str, Mapping[str, Value]]
"""Faults, and what the device shows of them while they last: points with values, as far as the profile has them."""


class Model(HasFaults, ABC):
    """A machine that moves in steps of at most `longest_step_s`.

    `sensors` are the points that stick or leave their range. A point that no figure tells rests, as in any device.
    """

    def __init__(
        self,
        profile: Profile,
        faults: Iterable[str],
        *,
        told: Told | None = None,
        sensors: Iterable[str] = (),
        longest_step_s: float = 1.0,
    ) -> None:
        self._profile = profile
        self._gauges = gauges(profile)
        self._told = {fault: points for fault, points in (told or {}).items() if set(points) & set(profile.points)}
        self._sensors = tuple(name for name in sensors if name in self._gauges)
        own = (STUCK_SENSOR, OUT_OF_RANGE) if self._sensors else ()
        self._faults = Faults(*dict.fromkeys((*faults, *self._told, *own)))
        self._quiet = {name: g.point.sample for name, g in self._gauges.items() if name in self._told_points}
        self._longest_step_s = longest_step_s
        self._held: dict[str, Value] = {}
        self._resting: GenericMachine | None = None

    @abstractmethod
    def figures(self) -> dict[str, Value]:
        """Say what the known points would show; those that the profile does not have are left out."""

    @abstractmethod
    def move(self, dt: float, random: Random) -> None:
        """Let some time pass."""

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        shown: dict[str, Value] = dict(self._rest.values())
        shown |= {name: self._gauges[name].fit(value) for name, value in self._all_figures().items()}
        if STUCK_SENSOR in self._faults:
            shown |= self._held
        if OUT_OF_RANGE in self._faults:
            shown |= {name: beyond(self._gauges[name]) for name in self._sensors}
        return shown

    def step(self, dt_s: float, random: Random) -> None:
        """Let time pass, in pieces that the machine can follow."""
        left = dt_s
        while left > 0:
            piece = min(left, self._longest_step_s)
            self.move(piece, random)
            left -= piece
        self._rest.step(dt_s, random)

    def write(self, point: str, value: Value) -> None:
        """Keep what is written, unless the machine itself decides what the point shows. ValueError."""
        self._gauges[point].check(value)
        if point in self._all_figures():
            raise ValueError(f"{point} cannot be set to {value!r}")
        self._rest.write(point, value)

    def fault(self, name: str) -> None:
        """Bring a fault about."""
        if name == STUCK_SENSOR and STUCK_SENSOR not in self._faults:
            now = self.values()
            self._held = {sensor: now[sensor] for sensor in self._sensors}
        self._faults.add(name)

    def sample(self, name: str, otherwise: float) -> float:
        """Give a point's sample; something else where the profile has no such number."""
        gauge = self._gauges.get(name)
        return otherwise if gauge is None or gauge.kind is str else float(gauge.point.sample)

    def state(self, name: str, *words: str) -> int:
        """Give the number by which a point says something in words; its sample where it has none for that."""
        point = self._profile.points.get(name)
        found = None if point is None else raw_of(point, *words)
        return int(self.sample(name, 0)) if found is None else found

    def _all_figures(self) -> dict[str, Value]:
        told = {name: value for fault in self._faults.active for name, value in self._told.get(fault, {}).items()}
        return {name: v for name, v in {**self._quiet, **self.figures(), **told}.items() if name in self._gauges}

    @property
    def _told_points(self) -> set[str]:
        return {name for points in self._told.values() for name in points}

    @property
    def _rest(self) -> GenericMachine:
        if self._resting is None:
            self._resting = GenericMachine(self._profile, only=set(self._gauges) - set(self._all_figures()))
        return self._resting


def near(now: float, home: float, dt: float, takes_s: float) -> float:
    """Move towards home; most of the way within `takes_s`."""
    return now + (home - now) * min(1.0, dt / takes_s)

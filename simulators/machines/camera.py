"""Cameras: what is wrong with their pictures. The pictures themselves are drawn by their servers."""

from collections.abc import Mapping
from random import Random

from drivers.api import Value
from drivers.places.camera import CameraPoint
from drivers.places.thermal import ThermalPoint
from drivers.profile import Point, Profile
from simulators.machines.api import Faults, Gauge, HasFaults, gauges

FROZEN = "frozen"
COVERED = "covered"
BLINDED = "blinded"
CORRUPT = "corrupt"
HOT_SPOT = "hot-spot"
FEVER = "fever"
SHUTTER = "shutter"

_DARK, _WHITE = 4.0, 244.0
_HOT, _FEVER_FACE = 96.0, 39.0


class CameraMachine(HasFaults):
    """A visible camera: its picture stands still, or is covered, or blinded by light, or every fifth is damaged."""

    def __init__(self, profile: Profile) -> None:
        self._gauges = gauges(profile)
        self._faults = Faults(FROZEN, COVERED, BLINDED, CORRUPT)

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now, roughly: the truth is in the pictures."""
        return {name: gauge.fit(self._value(gauge.point)) for name, gauge in self._gauges.items()}

    def _value(self, point: Point) -> Value:
        if not isinstance(point.table, CameraPoint):
            return point.sample
        unseen = COVERED in self._faults or BLINDED in self._faults
        figures: dict[str, Value] = {"frozen": FROZEN in self._faults, "covered": unseen}
        if unseen:
            figures |= {"brightness": _DARK if COVERED in self._faults else _WHITE}
        return figures.get(point.table.figure, point.sample)

    def step(self, dt_s: float, random: Random) -> None:
        """Nothing moves here."""

    def write(self, point: str, value: Value) -> None:  # noqa: ARG002 - every write is refused
        """Refuse: a camera is only looked at."""
        raise ValueError(f"{point} of a camera cannot be written")


class ThermalCameraMachine(CameraMachine):
    """A thermal camera: something hot in view, somebody with fever passing, a cover, a closed shutter."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self._faults = Faults(HOT_SPOT, FEVER, COVERED, SHUTTER)

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now, roughly: the truth is in the pictures."""
        return {name: gauge.fit(self._warmest(gauge)) for name, gauge in self._gauges.items()}

    def _warmest(self, gauge: Gauge) -> Value:
        place = gauge.point.table
        if isinstance(place, ThermalPoint) and place.figure == "maximum" and place.region is None:
            if HOT_SPOT in self._faults:
                return _HOT
            if FEVER in self._faults:
                return _FEVER_FACE
        return gauge.point.sample

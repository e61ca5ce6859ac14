"""What a thermal array looks at: a cabinet with like parts, of which one grows hot, and people who pass.

The picture is made of hundredths of a degree, as the module sends them; the figures are taken from those very numbers.
"""

import math
from collections.abc import Mapping, Sequence
from random import Random

from drivers.api import Value
from drivers.places.thermal import Region, ThermalPoint
from drivers.profile import Profile
from simulators.machines.api import Faults, HasFaults

HOT_SPOT = "hot-spot"
PERSON = "person"
FROZEN = "frozen"
DEFECTIVE_PIXEL = "defective-pixel"

ROWS, COLUMNS = 24, 32
_AMBIENT, _PART = 24.0, 31.0
_NOISE = 0.08  # a typical pixel's, at four pictures a second
_SELF_HEATING = 4.5  # the sensor itself is warmer than the room
_GROWS_K_S, _COOLS_K_S, _HOTTEST = 1.0, 0.4, 58.0
_SPOT_WIDTH = 1.6  # pixels
_SKIN, _BODY_WIDTH, _PASSES_S, _EVERY_S = 34.2, 2.6, 6.0, 45.0
_ABSOLUTE_ZERO = -273_15
_CENTRE: Region = (10, 14, 4, 4)
_ALL: Region = (0, 0, ROWS, COLUMNS)


class ThermalArrayMachine(HasFaults):
    """The scene before a thermal array; temperatures move with inertia, people with a walker's speed."""

    def __init__(self, profile: Profile, *, time_scale: float = 1.0) -> None:
        self._places = {name: point.at(ThermalPoint) for name, point in profile.points.items()}
        self._samples = {name: point.sample for name, point in profile.points.items()}
        self._scale = time_scale
        self._faults = Faults(HOT_SPOT, PERSON, FROZEN, DEFECTIVE_PIXEL)
        self._excess = 0.0
        self._walk_s = -_EVERY_S / 2  # negative: so long until somebody comes
        self._parts = next((place.alike for place in self._places.values() if place.alike), (_CENTRE,))
        self._hundredths = self._drawn(Random(0))  # noqa: S311 - noise, and repeatable

    @property
    def hundredths(self) -> Sequence[int]:
        """The picture, by rows of 32 from above."""
        return self._hundredths

    @property
    def ambient_hundredths(self) -> int:
        """What the module says of itself."""
        return round((_AMBIENT + _SELF_HEATING) * 100)

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now; its sample where a pixel is defective (`shown` says which)."""
        return {name: self._samples[name] if value is None else value for name, value in self.shown().items()}

    def shown(self) -> Mapping[str, Value | None]:
        """Give what every point shows now, None where a pixel of it is defective."""
        figures = {name: self._figure(place) for name, place in self._places.items()}
        return {name: None if value is None else value / 100 for name, value in figures.items()}

    def step(self, dt_s: float, random: Random) -> None:
        """Let the hot spot grow or cool, and people walk; then look."""
        if FROZEN in self._faults:
            return
        if HOT_SPOT in self._faults:
            self._excess = min(_HOTTEST, self._excess + _GROWS_K_S * dt_s)
        else:
            self._excess = max(0.0, self._excess - _COOLS_K_S * dt_s)
        self._walk_s += dt_s if self._walk_s >= 0 else dt_s * self._scale
        if self._walk_s > _PASSES_S:
            self._walk_s = -_EVERY_S * random.uniform(0.5, 1.5)
        self._hundredths = self._drawn(random)

    def write(self, point: str, value: Value) -> None:
        """Refuse: an array is only read. ValueError."""
        raise ValueError(f"{point} cannot be set to {value!r}")

    def _drawn(self, random: Random) -> list[int]:
        picture = [[_AMBIENT + 0.04 * row for _ in range(COLUMNS)] for row in range(ROWS)]
        for row, column, height, width in self._parts:
            for y in range(row, min(row + height, ROWS)):
                picture[y][column : column + width] = [_PART] * len(picture[y][column : column + width])
        row, column, height, width = self._parts[min(1, len(self._parts) - 1)]
        _warm(picture, (row + height / 2, column + width / 2), self._excess, _SPOT_WIDTH)
        if PERSON in self._faults or self._walk_s >= 0:
            share = 0.5 if PERSON in self._faults else self._walk_s / _PASSES_S
            across = share * (COLUMNS + 4 * _BODY_WIDTH) - 2 * _BODY_WIDTH
            _warm(picture, (ROWS * 0.8, across), _SKIN - _AMBIENT, _BODY_WIDTH)
        hundredths = [round(100 * (pixel + random.gauss(0.0, _NOISE))) for line in picture for pixel in line]
        if DEFECTIVE_PIXEL in self._faults:
            hundredths[0] = _ABSOLUTE_ZERO
        for place in self._places.values():
            if place.figure == "mean":
                _settle(hundredths, _numbers(place.region or _ALL))
        return hundredths

    def _figure(self, place: ThermalPoint) -> float | None:
        """Give a figure in hundredths; None where a pixel is defective."""
        if place.figure == "ambient":
            return self.ambient_hundredths
        if place.figure == "difference":
            hottest = [max(self._pixels(region)) for region in place.alike]
            return None if min(map(min, map(self._pixels, place.alike))) < _ABSOLUTE_ZERO / 2 else _spread(hottest)
        pixels = self._pixels(place.region or _ALL)
        if min(pixels) < _ABSOLUTE_ZERO / 2:
            return None
        return {
            "minimum": min(pixels),
            "maximum": max(pixels),
            "mean": round(sum(pixels) / len(pixels)),
            "rise": max(pixels) - self.ambient_hundredths,
        }[place.figure]

    def _pixels(self, region: Region) -> list[int]:
        return [self._hundredths[number] for number in _numbers(region)]


def _numbers(region: Region) -> list[int]:
    row, column, height, width = region
    return [y * COLUMNS + x for y in range(row, row + height) for x in range(column, column + width)]


def _settle(hundredths: list[int], region: Sequence[int]) -> None:
    """Move a mean that lies just between two hundredths, which everybody would round as he likes."""
    if 2 * sum(hundredths[number] for number in region) % (2 * len(region)) == len(region):
        hundredths[region[-1]] += 1


def _spread(figures: Sequence[int]) -> int:
    return max(figures) - min(figures)


def _warm(picture: list[list[float]], at: tuple[float, float], by_k: float, width: float) -> None:
    """Add something warm that fades with the distance from its middle."""
    if by_k <= 0:
        return
    reach = math.ceil(3 * width)
    for y in range(max(0, int(at[0]) - reach), min(ROWS, int(at[0]) + reach + 1)):
        for x in range(max(0, int(at[1]) - reach), min(COLUMNS, int(at[1]) + reach + 1)):
            away = ((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * width**2)
            picture[y][x] += by_k * math.exp(-away)

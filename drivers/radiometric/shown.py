"""What a radiometric camera's points show of a recorded answer. For cases."""

from collections.abc import Iterable

from drivers.api import PointResult
from drivers.places.thermal import ThermalPoint
from drivers.profile import Profile
from drivers.radiometric import codec
from drivers.thermal_picture import NoFigure, figure


def shown(profile: Profile, point: str, frames: Iterable[str]) -> PointResult | None:
    """Give what a point shows of the last answer in `frames` (hexadecimal); None when there is none."""
    result: PointResult | None = None
    for text in frames:
        body = bytes.fromhex(text)
        boundary = body.lstrip(b"\r\n").partition(b"\r\n")[0].removeprefix(b"--")
        try:
            picture = codec.decode(body, boundary).temperatures
            result = PointResult(point=point, value=figure(profile.points[point].at(ThermalPoint), picture))
        except (codec.NotUnderstood, NoFigure) as error:
            result = PointResult(point=point, value=None, reason=str(error))
    return result

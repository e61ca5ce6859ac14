"""What a camera's points show of recorded bytes: a JPEG picture, or a piece of a Motion JPEG stream. For cases."""

from collections.abc import Iterable

from drivers.api import PointResult
from drivers.camera.codec import Parts
from drivers.camera.driver import FIGURES
from drivers.camera.picture import decode, look
from drivers.camera.reader import State
from drivers.places.camera import CameraPoint
from drivers.profile import Profile


def shown(profile: Profile, point: str, frames: Iterable[str]) -> PointResult | None:
    """Give what a point shows of the last whole picture in `frames` (hexadecimal); None when there is none."""
    pictures = [picture for text in frames for picture in _pictures(bytes.fromhex(text))]
    if not pictures:
        return None
    figures = look(decode(pictures[-1]))
    state = State(
        streaming=True,
        problem="",
        rate=0.0,
        age_s=None,
        figures=figures,
        frozen=False,
        covered=False,
        corrupt=0,
        skipped=0,
        losses=0,
    )
    value = FIGURES[profile.points[point].at(CameraPoint).figure](state)
    return PointResult(point=point, value=value)


def _pictures(data: bytes) -> list[bytes]:
    if data[:2] == b"\xff\xd8":
        return [data]
    return list(Parts(boundary=data.partition(b"\r\n")[0].lstrip(b"-")).feed(data))

"""A value that is measured in a picture: what a camera's point would show of it."""

from drivers.api import Value
from drivers.places.camera import CameraPoint
from drivers.places.thermal import ThermalPoint


def shown(place: CameraPoint | ThermalPoint, value: Value) -> Value:
    """Bring a value to the point's type and step: a picture holds any."""
    if isinstance(value, bool | int) or not place.step:
        return place.value_type(value)
    return round(round(float(value) / place.step) * place.step, 6)

"""Where a point lies in what a visible camera shows."""

from typing import Literal

from drivers.places.base import Kind, Place


class CameraPoint(Place):
    """A figure of the stream: pictures a second, brightness and sharpness of the newest one."""

    figure: Literal["rate", "brightness", "sharpness", "width", "height"]

    @property
    def value_type(self) -> Kind:
        """A number of pixels, or a measurement."""
        return int if self.figure in {"width", "height"} else float

    @property
    def where(self) -> str:
        """The figure."""
        return self.figure

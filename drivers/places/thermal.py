"""Where a point lies in a picture of temperatures: a thermal array on a serial line, or a radiometric camera."""

from typing import Annotated, Literal

from pydantic import Field

from drivers.places.base import Kind, Place

Pixel = Annotated[int, Field(ge=0, le=4095)]


class ThermalPoint(Place):
    """A figure of the newest picture, in °C. With `region` (row, column, height, width) it looks only there."""

    figure: Literal["minimum", "maximum", "mean", "ambient"]
    region: tuple[Pixel, Pixel, Pixel, Pixel] | None = None

    @property
    def value_type(self) -> Kind:
        """A temperature."""
        return float

    @property
    def step(self) -> float:
        """Temperatures are told in hundredths of a degree."""
        return 0.01

    @property
    def where(self) -> str:
        """The figure, and where it is taken."""
        return self.figure if self.region is None else f"{self.figure} of {','.join(map(str, self.region))}"

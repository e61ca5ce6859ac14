"""Where a point lies in a picture of temperatures: a thermal array on a serial line, or a radiometric camera."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.places.base import Kind, Place

Pixel = Annotated[int, Field(ge=0, le=4095)]
Extent = Annotated[int, Field(ge=1, le=4096)]
Region = tuple[Pixel, Pixel, Extent, Extent]
"""Row and column of the upper left pixel, height and width."""


class ThermalPoint(Place):
    """A figure of the newest picture. With `region` (row, column, height, width) it looks only there.

    `ambient` is what the device says of itself, and `rise` how far the maximum lies above it. `difference` compares
    like parts, as the phases of a breaker: the hottest maximum of the regions `alike` less the coolest one.
    """

    figure: Literal["minimum", "maximum", "mean", "ambient", "rise", "difference"]
    region: Region | None = None
    alike: tuple[Region, ...] = ()

    @property
    def value_type(self) -> Kind:
        """A temperature, or how far two lie apart."""
        return float

    @property
    def step(self) -> float:
        """Temperatures are told in hundredths of a degree."""
        return 0.01

    @property
    def where(self) -> str:
        """The figure, and where it is taken."""
        regions = self.alike if self.region is None else (self.region,)
        return f"{self.figure} of {' and '.join(','.join(map(str, r)) for r in regions)}" if regions else self.figure

    @model_validator(mode="after")
    def _looks_somewhere(self) -> Self:
        if self.figure == "ambient" and self.region is not None:
            raise ValueError("`ambient` is one figure of the device: it has no `region`")
        if (self.figure == "difference") != bool(self.alike):
            raise ValueError("`difference` needs `alike`, two or more regions, and no other figure has it")
        if self.alike and (len(self.alike) < 2 or self.region is not None):  # noqa: PLR2004 - one has nothing to differ from
            raise ValueError("`alike` is two or more regions, instead of `region`")
        return self

"""Where a point lies in what a visible camera shows."""

from typing import Literal

from drivers.places.base import Kind, Place

_KINDS: dict[str, Kind] = {
    "streaming": bool,
    "frozen": bool,
    "covered": bool,
    "width": int,
    "height": int,
    "corrupt": int,
    "losses": int,
}


class CameraPoint(Place):
    """A figure of the stream, or of its newest picture.

    `streaming`: pictures come. `rate`: pictures a second. `age`: seconds since the newest. `brightness`: mean of grey,
    0 to 255. `sharpness`: variance of the Laplacian. `frozen`: the picture stays the same in every pixel. `covered`:
    nothing is to be seen, very dark or one even colour. `corrupt` and `losses` count damaged pictures and lost
    connections since the agent's start.
    """

    figure: Literal[
        "streaming",
        "rate",
        "age",
        "width",
        "height",
        "brightness",
        "sharpness",
        "frozen",
        "covered",
        "corrupt",
        "losses",
    ]

    @property
    def value_type(self) -> Kind:
        """Yes or no, a number of pixels or events, or a measurement."""
        return _KINDS.get(self.figure, float)

    @property
    def where(self) -> str:
        """The figure."""
        return self.figure

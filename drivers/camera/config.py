"""How a site file describes a visible camera."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.camera.place import StreamUrl, needs_login
from runtime.config import Strict
from runtime.durations import Duration

Timeout = Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=1))]
_Pixel = Annotated[int, Field(ge=0, le=8191)]
_Extent = Annotated[int, Field(ge=1, le=8192)]
Area = tuple[_Pixel, _Pixel, _Extent, _Extent]
"""Row and column of the upper left pixel, height and width."""


class CameraSettings(Strict):
    """One camera's stream: Motion JPEG over `http(s)://`, or `rtsp://` (over TCP).

    `timeout` bounds connecting and the first picture. A stream without a picture for `silent_after` is hung, and is
    opened anew. A picture that is the same in every pixel for `frozen_after` is frozen; `ignore` are areas that do not
    count, such as a clock that the camera draws. It is covered when it is darker than `dark_below` (mean, 0 to 255) or
    more even than `even_below` (from the 5th to the 95th percentile). Figures are taken every `look_every`.
    """

    protocol: Literal["camera"]
    url: StreamUrl
    credentials_file: Annotated[str, Field(min_length=1)] | None = None
    timeout: Timeout = timedelta(seconds=5)
    silent_after: Timeout = timedelta(seconds=3)
    frozen_after: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(hours=1))] = timedelta(seconds=30)
    look_every: Annotated[Duration, Field(ge=timedelta(milliseconds=50), le=timedelta(seconds=10))] = timedelta(
        milliseconds=500
    )
    dark_below: float = Field(default=8.0, ge=0, le=255)
    even_below: float = Field(default=10.0, ge=0, le=255)
    ignore: tuple[Area, ...] = ()

    @property
    def place(self) -> str:
        """The URL, which has no secret in it."""
        return self.url

    @property
    def is_rtsp(self) -> bool:
        """Whether FFmpeg reads the stream."""
        return self.url.startswith("rtsp://")

    @model_validator(mode="after")
    def _login_is_there(self) -> Self:
        if needs_login(self.url) and self.credentials_file is None:
            raise ValueError("the `url` has places for a login, so it needs `credentials_file`")
        return self

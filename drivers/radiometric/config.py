"""How a site file describes a radiometric camera."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.camera.place import HttpUrl, needs_login
from runtime.config import Strict
from runtime.durations import Duration

Timeout = Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=1))]


class RadiometricSettings(Strict):
    """One camera. `url` is the request that gives a JPEG with its temperatures appended (README.md).

    A picture is asked for every `period`; `timeout` bounds the whole answer. A picture older than `valid_for` is none.
    """

    protocol: Literal["radiometric"]
    url: HttpUrl
    credentials_file: Annotated[str, Field(min_length=1)] | None = None
    timeout: Timeout = timedelta(seconds=4)
    period: Annotated[Duration, Field(ge=timedelta(milliseconds=50), le=timedelta(hours=1))] = timedelta(seconds=1)
    valid_for: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(hours=2))] = timedelta(seconds=5)

    @property
    def place(self) -> str:
        """The URL, which has no secret in it."""
        return self.url

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if needs_login(self.url) and self.credentials_file is None:
            raise ValueError("the `url` has places for a login, so it needs `credentials_file`")
        if self.valid_for < self.period:
            raise ValueError("`valid_for` is at least the `period`, or there would be no picture most of the time")
        return self

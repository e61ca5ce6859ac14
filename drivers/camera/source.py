"""What the two kinds of stream have in common, for the thread that reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from drivers.camera.picture import Image


class StreamLost(Exception):
    """A stream could not be opened, or ended; the text says why, without any secret.

    `silent`: it was hung. `refused`: the camera is there and does not give it, so that asking often does harm.
    """

    def __init__(self, why: str, *, silent: bool = False, refused: bool = False) -> None:
        self.silent = silent
        self.refused = refused
        super().__init__(why)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sink:
    """Where a stream's pictures go. All may be called by any one thread at a time, and none of them waits.

    `arrived` takes note of a picture that came whole at a monotonic time; `shown` takes it decoded, with the time at
    which it had arrived; `corrupt` counts pictures that were damaged, `skipped` those for which a newer one had come
    before they were decoded. `stopped` says that nobody wants more.
    """

    arrived: Callable[[float], None]
    shown: "Callable[[Image, float], None]"
    corrupt: Callable[[int], None]
    skipped: Callable[[int], None]
    stopped: Callable[[], bool]


class Source(Protocol):
    """One camera's stream."""

    def run(self, sink: Sink) -> None:
        """Open the stream and read it in this thread until it ends or nobody wants more. StreamLost."""
        ...

    def interrupt(self) -> None:
        """End `run` soon, from another thread; never raises."""
        ...

"""What the devices of all meter protocols have in common: one request for the points of one identifier."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from drivers.api import BadRequest, DriverError, PointResult, TimedOut, Unreachable, Value
from drivers.packed import Decoded
from drivers.profile import Point, Profile
from drivers.serial_line.bus import SerialBus


class MeterDevice(ABC):
    """One meter on a line (`drivers.api.Device`), which is only read.

    Each request takes the bus's lock for itself, so that no meter waits for another's whole round.
    """

    def __init__(self, bus: SerialBus, *, profile: Profile, name: str) -> None:
        self.bus = bus
        self.profile = profile
        self.name = name

    async def read(
        self,
        points: Sequence[str],
        *,
        urgent: bool = False,  # noqa: ARG002 - a meter takes no command, so no read-back is ever waited for
    ) -> Mapping[str, PointResult]:
        """Read points by id; the answer has every one of them.

        An identifier that fails gives its points the reason; a meter that is silent is asked nothing more in this
        round. Raises the first error when not a single identifier was answered.
        """
        results: dict[str, PointResult] = {}
        first: DriverError | None = None
        silent: DriverError | None = None
        answered = False
        for identifier, names in self.requests(points).items():
            failure = silent
            if failure is None:
                try:
                    async with self.bus.lock:
                        data = await self._fetch(identifier)
                except DriverError as error:
                    failure = error
                    first = first or error
                    silent = error if isinstance(error, TimedOut | Unreachable) else None
                else:
                    results |= {name: self._shown(name, data) for name in names}
                    answered = True
                    continue
            results |= {name: self._without(name, failure) for name in names}
        if first is not None and not answered:
            raise first
        return {name: results[name] for name in points}

    async def write(self, point: str, value: Value) -> None:
        """Refuse: meters are not written to. BadRequest."""
        raise BadRequest(device=self.name, why=f"`{point}` cannot be set to {value!r}: meters are only read")

    def requests(self, points: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Give the identifiers to ask for, each with its points; BadRequest for a point that the profile has not."""
        requests: dict[str, tuple[str, ...]] = {}
        for name in points:
            point = self.profile.points.get(name)
            if point is None:
                raise BadRequest(device=self.name, why=f"`{name}` is no point of the profile `{self.profile.name}`")
            requests[point.place] = (*requests.get(point.place, ()), name)
        return requests

    @abstractmethod
    async def _fetch(self, identifier: str) -> bytes:
        """Ask for the data of one identifier, with the lock held; DriverError."""

    @abstractmethod
    def _decode(self, point: Point, data: bytes) -> Decoded:
        """Give a point's value out of the data of its identifier."""

    def _shown(self, name: str, data: bytes) -> PointResult:
        decoded = self._decode(self.profile.points[name], data)
        return PointResult(point=name, value=decoded.value, reason=decoded.reason)

    def _without(self, name: str, error: DriverError) -> PointResult:
        return PointResult(point=name, value=None, reason=str(error).removeprefix(f"{self.name}: "))

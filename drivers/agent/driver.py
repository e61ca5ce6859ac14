"""The bus inside the agent: what runs in the agent tells its points, and takes orders as any device does."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from drivers.agent.config import AgentBusSettings
from drivers.api import BadRequest, Hear, PointResult, Refused, Unreachable, Value
from drivers.places.agent import AgentPoint
from drivers.profile import Profile

Obey = Callable[[str, Value], Awaitable[None]]
"""Carries out an order to a point; DriverError when it cannot be."""
NOBODY_HOME = 1
"""The code of a refusal because the part of the agent does not run."""


class AgentBus:
    """Always connected (`drivers.api.Talking`): there is no wire."""

    def __init__(self, settings: AgentBusSettings, *, name: str) -> None:
        self.settings = settings
        self.name = name
        self._open = False
        self._hear: Hear | None = None

    @property
    def connected(self) -> bool:
        """Whether it was connected."""
        return self._open

    async def connect(self) -> None:
        """Begin."""
        self._open = True

    async def close(self) -> None:
        """End."""
        self._open = False

    async def listen(self, hear: Hear) -> None:
        """Pass on what the parts tell, until cancelled."""
        self._hear = hear
        try:
            await asyncio.Event().wait()
        finally:
            self._hear = None

    def tell(self, device: str, results: tuple[PointResult, ...]) -> bool:
        """Pass on what a part says; whether anybody heard it."""
        if self._hear is None:
            return False
        self._hear(device, results)
        return True


class AgentDevice:
    """One part of the agent (`drivers.api.Device`). The part itself calls `tell`, and sets `obey` while it runs."""

    def __init__(self, bus: AgentBus, *, profile: Profile, name: str) -> None:
        self.bus = bus
        self.profile = profile
        self.name = name
        self.obey: Obey | None = None
        self._shown: dict[str, Value] = {}
        self._unheard: list[tuple[PointResult, ...]] = []

    @property
    def unheard(self) -> int:
        """How many events wait for somebody to hear them."""
        return len(self._unheard)

    def tell(self, values: Mapping[str, Value]) -> None:
        """Say what points show now, or that events happened. KeyError for a point that the profile does not have.

        What nobody hears yet is kept: an event is told once, and not lost because the agent is just starting.
        """
        for point, value in values.items():
            if not self.profile.points[point].event:
                self._shown[point] = value
        if self._unheard and self.bus.tell(self.name, self._unheard[0]):
            for earlier in self._unheard[1:]:
                self.bus.tell(self.name, earlier)
            self._unheard.clear()
        results = tuple(PointResult(point=point, value=value) for point, value in values.items())
        if not self.bus.tell(self.name, results):
            events = tuple(one for one in results if self.profile.points[one.point].event)
            if events:
                self._unheard.append(events)

    async def read(
        self,
        points: Sequence[str],
        *,
        urgent: bool = False,  # noqa: ARG002 - it is at hand for everybody
    ) -> Mapping[str, PointResult]:
        """Give what the points show; Unreachable while the part does not run."""
        for point in points:
            if point not in self.profile.points:
                raise BadRequest(device=self.name, why=f"the profile has no point `{point}`")
        if self.obey is None:
            raise Unreachable(device=self.name, why="this part of the agent does not run")
        return {
            point: PointResult(
                point=point,
                value=self._shown.get(point),
                reason="" if point in self._shown else "not told yet",
            )
            for point in points
        }

    async def write(self, point: str, value: Value) -> None:
        """Let the part carry out an order; whatever DriverError it raises."""
        if point not in self.profile.points or not self.profile.points[point].at(AgentPoint).orders:
            raise BadRequest(device=self.name, why=f"`{point}` takes no orders")
        if self.obey is None:
            raise Refused(device=self.name, code=NOBODY_HOME, why="this part of the agent does not run")
        await self.obey(point, value)

"""A line: one bus with its devices, as a unit that is started and stopped by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from drivers.api import Acknowledging, PointResult, Reading
from drivers.profile import Profile
from drivers.registry import open_bus, open_device
from edge.bus import BusRunner, Polled
from edge.changes import LinePlan
from edge.clock import RecordClock
from edge.executor import CommandTarget
from edge.intake import DeviceMark, Settled
from edge.pipeline import DevicePipeline
from edge.records import Draft
from edge.worth import Worth
from runtime.health import Check
from runtime.lifecycle import Backoff
from runtime.logs import get_log


class Listener(Protocol):
    """Where a line tells what it read and how it does. None of it may wait."""

    def take(self, item: Draft | DeviceMark | Settled) -> None:
        """Take a record, or a mark between the records."""
        ...

    def on_heard(self, device: str, results: tuple[PointResult, ...]) -> None:
        """Take all that a device said, also what never leaves the agent; without values when it fell silent."""
        ...

    def on_readings(self, *, made: int, reported: int) -> None:
        """Count what drivers delivered, and what of it became a record."""
        ...

    def on_poll(self, bus: str, *, seconds: float, result: str) -> None:
        """Count one poll; `result` is `ok` or the kind of the error."""
        ...

    def on_request(self, bus: str, unit: int | str, seconds: float, result: str) -> None:
        """Count one request on a bus; `result` is `ok` or the kind of the error."""
        ...

    def on_reconnect(self, bus: str, *, success: bool) -> None:
        """Count one attempt to connect."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What every line needs from the agent. `monotonic` is in seconds."""

    listener: Listener
    clock: RecordClock
    monotonic: Callable[[], float]
    backoff: Callable[[], Backoff]


class Line:
    """One bus and its devices; `run` keeps the connection until cancelled.

    `pipelines` are those of devices that were there before under the same profile: what they last showed stays known.
    Nothing is sent before `run`. Whatever a driver raises, where it cannot be made so.
    """

    def __init__(
        self, name: str, plan: LinePlan, *, around: Surroundings, pipelines: Mapping[str, DevicePipeline]
    ) -> None:
        self.name = name
        self.plan = plan
        self._listener = around.listener
        self._clock = around.clock
        self._bus = open_bus(plan.bus, name=name, observe=self._on_request)
        if isinstance(self._bus, Acknowledging):
            self._bus.settle_by(lambda then: self._listener.take(Settled(then=then)))
        self._planned = dict(plan.devices)
        self._devices = {
            device: open_device(self._bus, one.settings, one.identity.profile, name=device)
            for device, one in plan.devices.items()
        }
        self.pipelines = {
            device: pipelines.get(device)
            or DevicePipeline(
                one.identity.profile.points,
                heartbeat=one.settings.heartbeat,
                after=self._clock.after,
                now_ms=self._clock(),
                newest_ms=self._clock.newest_ms,
            )
            for device, one in plan.devices.items()
        }
        self._worth = {
            device: Worth(one.identity.profile, one.identity.overrides) for device, one in plan.devices.items()
        }
        self._strangers: set[str] = set()
        self.down: set[str] = set()
        self._runner = BusRunner(
            name=name,
            bus=self._bus,
            devices={
                device: Polled(device=self._devices[device], groups=poll_groups(one.identity.profile))
                for device, one in plan.devices.items()
            },
            timeout=plan.bus.timeout,
            listener=self,
            clock=around.monotonic,
            backoff=around.backoff(),
            relisten=around.backoff(),
        )
        self._log = get_log("edge.line").bind(bus=name)

    async def run(self) -> None:
        """Poll and hear the devices until cancelled; then the connection is closed."""
        for device in self._planned:
            # Whatever an earlier line on this bus said of it, this one has not been refused yet.
            self._listener.take(DeviceMark(device=device, reachable=True))
        await self._runner.run()

    def check(self) -> Check:
        """Say how the bus and its devices do."""
        return self._runner.check()

    def target(self, device: str) -> CommandTarget:
        """Give a device as commands see it."""
        one = self._planned[device]
        return CommandTarget(device=self._devices[device], bus=self._bus, profile=one.identity.profile)

    def birth(self, device: str) -> str:
        """Give the key of a device's birth."""
        return self._planned[device].birth

    def last(self, device: str, profile_hash: str) -> Callable[[str], Reading] | None:
        """Give what the points of a device last showed; None when it is not of that profile."""
        one = self._planned[device]
        return self.pipelines[device].last if one.identity.profile_hash == profile_hash else None

    def rename(self, plan: LinePlan) -> None:
        """Take what can change while the line runs: what is said of its devices, and how often they report."""
        self.plan = plan
        self._planned = dict(plan.devices)
        for device, one in plan.devices.items():
            self.pipelines[device].beat_every(one.settings.heartbeat)
            self._worth[device].override(one.identity.overrides)

    def on_read(self, device: str, results: tuple[PointResult, ...]) -> None:
        """Take what a poll gave, or what a device said; what is worth reporting becomes a draft."""
        pipeline = self.pipelines.get(device)
        if pipeline is None:
            if device not in self._strangers:
                self._strangers.add(device)
                self._log.warning("a device speaks that is not on this bus; it is not heard", device=device)
            return
        self._listener.on_heard(device, results)
        self._report(device, made=len(results), readings=pipeline.take(results, at_ms=self._clock()))

    def on_up(self, device: str) -> None:
        """Mark in the order of the drafts that a device answers again."""
        self.down.discard(device)
        self._listener.take(DeviceMark(device=device, reachable=True))

    def on_down(self, device: str, reason: str) -> None:
        """Make the points of a silent device BAD, and mark after that draft that it cannot be reached."""
        self.down.add(device)
        points = self._planned[device].identity.profile.points
        silent = tuple(PointResult(point=point, value=None, reason=reason) for point in points)
        self._listener.on_heard(device, silent)
        pipeline = self.pipelines[device]
        before = pipeline.counts.made
        readings = pipeline.unreachable(reason, at_ms=self._clock())
        self._report(device, made=pipeline.counts.made - before, readings=readings)
        self._listener.take(DeviceMark(device=device, reachable=False))

    def on_poll(self, bus: str, *, seconds: float, result: str) -> None:
        """Count one poll."""
        self._listener.on_poll(bus, seconds=seconds, result=result)

    def on_reconnect(self, bus: str, *, success: bool) -> None:
        """Count one attempt to connect."""
        self._listener.on_reconnect(bus, success=success)

    def _on_request(self, unit: int | str, seconds: float, result: str) -> None:
        self._listener.on_request(self.name, unit, seconds, result)

    def _report(self, device: str, *, made: int, readings: tuple[Reading, ...]) -> None:
        self._listener.on_readings(made=made, reported=len(readings))
        if readings:
            birth = self._planned[device].birth
            kind = self._worth[device].judge(readings)
            self._listener.take(Draft(device=device, at_ms=self._clock(), birth=birth, readings=readings, kind=kind))


def poll_groups(profile: Profile) -> dict[timedelta, tuple[str, ...]]:
    """Give the points that are polled by their periods, the shortest first."""
    groups: dict[timedelta, list[str]] = {}
    for point, one in profile.points.items():
        if one.polled:
            groups.setdefault(one.poll, []).append(point)
    return {period: tuple(points) for period, points in sorted(groups.items())}

"""The work of one physical bus: it keeps the connection, polls the devices, and hears those that speak by themselves.

A command needs no queue of its own here: the driver takes a turn on the bus for each request, and commands have their
turn before polls. So a command waits for the request on the wire, and no longer.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from drivers.api import BadRequest, Bus, Device, DriverError, PointResult, Refused, Talking, Unreachable
from edge.schedule import FAILURES_UNTIL_DOWN, PollGroup, Schedule
from runtime.cancellation import honour_cancellation
from runtime.health import Check, Status
from runtime.lifecycle import Backoff
from runtime.logs import get_log

_NAP_S = 1.0
"""The longest sleep between two looks at the connection."""


class BusListener(Protocol):
    """What a bus tells the agent. None of it may wait."""

    def on_read(self, device: str, results: tuple[PointResult, ...]) -> None:
        """Take what a poll gave for each of its points."""
        ...

    def on_up(self, device: str) -> None:
        """Take note that a device answers again; what it said follows."""
        ...

    def on_down(self, device: str, reason: str) -> None:
        """Take note that a device does not answer any more."""
        ...

    def on_poll(self, bus: str, *, seconds: float, result: str) -> None:
        """Count one poll; `result` is `ok` or the kind of the error."""
        ...

    def on_reconnect(self, bus: str, *, success: bool) -> None:
        """Count one attempt to connect."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Polled:
    """One device as its bus polls it: poll period to points; none for a device that only speaks by itself."""

    device: Device
    groups: Mapping[timedelta, tuple[str, ...]]


class BusRunner:
    """Polls and hears the devices of one bus until cancelled. A failure of one device never stops the round.

    `backoff` is for connecting, `relisten` for listening again after that has failed.
    """

    def __init__(
        self,
        *,
        name: str,
        bus: Bus,
        devices: Mapping[str, Polled],
        timeout: timedelta,
        listener: BusListener,
        clock: Callable[[], float],
        backoff: Backoff,
        relisten: Backoff | None = None,
    ) -> None:
        self._name = name
        self._bus = bus
        self._devices = devices
        self._listener = listener
        self._clock = clock
        self._backoff = backoff
        self._relisten = relisten or backoff
        groups = [
            PollGroup(device=device, points=points, period_s=period.total_seconds())
            for device, polled in devices.items()
            for period, points in polled.groups.items()
        ]
        self._schedule = Schedule(groups, timeout_s=timeout.total_seconds(), now=clock())
        self._only_heard = frozenset(name for name, polled in devices.items() if not polled.groups)
        self._unconnected = 0  # attempts to connect that failed in a row
        self._lost: set[str] = set()  # devices that are only heard, and are down with their bus
        self._heard: set[str] = set()  # devices that spoke while their polls say that they are down
        self._deaf = ""
        self._problem = "not connected yet"
        self._log = get_log("edge.bus").bind(bus=name)

    def check(self) -> Check:
        """Say how the bus does; a bus with silent devices still does its work for the others."""
        if not self._bus.connected:
            return Check(status=Status.DEGRADED, detail=self._problem or "not connected")
        down = sorted(self._schedule.down)
        troubles = [f"no answer from {', '.join(down)}"] if down else []
        if self._deaf:
            troubles.append(f"what devices say by themselves is not heard: {self._deaf}")
        return Check(status=Status.DEGRADED if troubles else Status.OK, detail="; ".join(troubles))

    async def run(self) -> None:
        """Poll, and listen where devices speak by themselves, until cancelled; then the connection is closed."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll_for_ever(), name=f"bus:{self._name}:poll")
            if isinstance(self._bus, Talking):
                tasks.create_task(self._listen_for_ever(self._bus), name=f"bus:{self._name}:listen")

    async def _listen_for_ever(self, bus: Talking) -> None:
        """Listen, and listen again when that ends, however it ends: the polls and the other buses go on."""
        while True:
            try:
                await bus.listen(self._hear)
                why = "the bus stopped listening"
            except Exception as error:  # noqa: BLE001 - whatever a driver does wrong, it must not end the agent
                why = f"{type(error).__name__}: {error}"
                if why != self._deaf:
                    self._log.warning("listening failed; it begins again", reason=why, exc_info=error)
            honour_cancellation()
            self._deaf = why
            await asyncio.sleep(self._relisten.next_pause().total_seconds())

    def _hear(self, device: str, results: tuple[PointResult, ...]) -> None:
        """Take what a device said by itself; that it speaks proves that it lives, until its next poll fails."""
        if self._deaf:
            self._log.info("listening works again")
            self._deaf = ""
        self._relisten.reset()
        if device in self._schedule.down and device not in self._heard:
            self._heard.add(device)
            self._log.info("the device speaks again", device=device)
            self._listener.on_up(device)
        self._listener.on_read(device, results)

    async def _poll_for_ever(self) -> None:
        try:
            while True:
                honour_cancellation()
                if not self._bus.connected:
                    await self._connect()
                    continue
                due, number = self._schedule.next()
                wait = due - self._clock()
                if wait > 0:
                    await asyncio.sleep(min(wait, _NAP_S))
                    continue
                await self._poll(number)
        finally:
            await self._bus.close()

    async def _connect(self) -> None:
        try:
            await self._bus.connect()
        except DriverError as error:
            self._listener.on_reconnect(self._name, success=False)
            if str(error) != self._problem:
                self._log.warning("the bus cannot be connected", reason=str(error))
            self._problem = str(error)
            self._unconnected += 1
            for device in self._schedule.disconnected(now=self._clock()):
                self._fell_silent(device, str(error))
            if self._unconnected >= FAILURES_UNTIL_DOWN:
                for device in sorted(self._only_heard - self._lost):
                    self._lost.add(device)
                    self._fell_silent(device, str(error))
            await asyncio.sleep(self._backoff.next_pause().total_seconds())
            return
        self._listener.on_reconnect(self._name, success=True)
        self._problem = ""
        self._unconnected = 0
        self._schedule.reconnected(now=self._clock())
        self._log.info("bus connected")
        for device in sorted(self._lost):
            self._listener.on_up(device)
        self._lost.clear()

    async def _poll(self, number: int) -> None:
        group = self._schedule.group(number)
        started = self._clock()
        result = "ok"
        try:
            read = await self._devices[group.device].device.read(group.points)
            results = tuple(read[point] for point in group.points)
        except DriverError as error:
            result = type(error).__name__
            if not _answered(error):
                self._listener.on_poll(self._name, seconds=self._clock() - started, result=result)
                self._on_failure(number, error, took=self._clock() - started)
                if not self._bus.connected:
                    # A far end that takes connections and drops them is not to be asked without pause.
                    await asyncio.sleep(self._backoff.next_pause().total_seconds())
                return
            results = tuple(PointResult(point=point, value=None, reason=str(error)) for point in group.points)
        now = self._clock()
        self._listener.on_poll(self._name, seconds=now - started, result=result)
        self._backoff.reset()  # only an answer proves that the connection is good for something
        if self._schedule.succeeded(number, now=now, took=now - started):
            self._log.info("the device answers again", device=group.device)
            self._heard.discard(group.device)
            self._listener.on_up(group.device)
        self._listener.on_read(group.device, results)

    def _on_failure(self, number: int, error: DriverError, *, took: float) -> None:
        device = self._schedule.group(number).device
        if isinstance(error, Unreachable):
            self._problem = str(error)
        if self._schedule.failed(number, now=self._clock(), took=took) or device in self._heard:
            self._heard.discard(device)
            self._fell_silent(device, str(error))

    def _fell_silent(self, device: str, reason: str) -> None:
        self._log.warning("the device does not answer", device=device, reason=reason)
        self._listener.on_down(device, reason)


def _answered(error: DriverError) -> bool:
    """Whether the error is itself an answer, which the same request will get again: the device lives."""
    return isinstance(error, Refused | BadRequest) and not error.retry

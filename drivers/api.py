"""The vocabulary that drivers share with the edge: readings, writes, and the errors a device can cause."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Protocol, runtime_checkable

Value = bool | int | float | str
"""What a point holds, in engineering units."""


class Quality(IntEnum):
    """Trust in a reading, with Sparkplug's numbers for the `Quality` property."""

    BAD = 0
    GOOD = 192
    STALE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One point at one moment. `value` is None when it never was known; `at_ms` is Unix time in milliseconds."""

    point: str
    value: Value | None
    quality: Quality
    at_ms: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PointResult:
    """What one read gave for one point: a value, or the reason why there is none (`value` is None)."""

    point: str
    value: Value | None
    reason: str = ""


class DriverError(Exception):
    """A device did not do what was asked. `retry` says whether the same request may work later."""

    retry = True

    def __init__(self, message: str, *, device: str) -> None:
        self.device = device
        super().__init__(f"{device}: {message}")


class Unreachable(DriverError):
    """No connection to the bus or the device."""

    def __init__(self, *, device: str, why: str) -> None:
        super().__init__(f"unreachable: {why}", device=device)


class TimedOut(DriverError):
    """The device did not answer in time; whether it acted is not known."""

    def __init__(self, *, device: str, after: timedelta) -> None:
        self.after = after
        super().__init__(f"no answer within {after.total_seconds():g} s", device=device)


class Refused(DriverError):
    """The device answered with an exception; `code` is the protocol's own number."""

    retry = False

    def __init__(self, *, device: str, code: int, why: str) -> None:
        self.code = code
        super().__init__(f"refused: {why} (code {code})", device=device)


class Garbled(DriverError):
    """The answer could not be an answer to the request."""

    def __init__(self, *, device: str, why: str) -> None:
        super().__init__(f"garbled answer: {why}", device=device)


class BadRequest(DriverError):
    """The request cannot be made of this device at all: an unknown point, a value that does not fit."""

    retry = False

    def __init__(self, *, device: str, why: str) -> None:
        super().__init__(why, device=device)


class Device(Protocol):
    """One device on a connected bus, as the edge sees it. Errors are DriverError and nothing else."""

    async def read(self, points: Sequence[str], *, urgent: bool = False) -> Mapping[str, PointResult]:
        """Read points by id; the answer has every one of them. Raises when nothing at all could be read.

        An urgent read (a command's read-back) goes ahead of all polling on the bus.
        """
        ...

    async def write(self, point: str, value: Value) -> None:
        """Write one point, ahead of all polling on the bus.

        Returns when the device has confirmed the write, which is not yet the effect.
        """
        ...


class BusPlace(Protocol):
    """What the settings of every bus say."""

    @property
    def protocol(self) -> str:
        """Which kind of bus it is."""
        ...

    @property
    def place(self) -> str:
        """Where it is, for people."""
        ...

    @property
    def timeout(self) -> timedelta:
        """How long connecting, and each answer, may take."""
        ...


Observer = Callable[[int | str, float, str], None]
"""Told of each request: the unit (or the device's name), the seconds it held the bus, `ok` or the kind of the error."""
Hear = Callable[[str, "tuple[PointResult, ...]"], None]
"""Takes what a device said by itself: the device's name, and what its points show now. Never waits, never raises."""


Settle = Callable[[Callable[[], None]], None]
"""Takes what is to be called once all that was heard so far is durable, or is lost and counted. Never waits."""


class Bus(Protocol):
    """One physical connection (a serial line, a TCP connection) that carries one request at a time."""

    name: str
    """For errors and logs."""

    @property
    def settings(self) -> BusPlace:
        """What the site file says of it."""
        ...

    async def connect(self) -> None:
        """Open the connection; Unreachable when it cannot be had."""
        ...

    async def close(self) -> None:
        """Close it; never raises."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the connection is believed to be open."""
        ...


@runtime_checkable
class Talking(Protocol):
    """A bus whose devices also speak by themselves: readers, call buttons, whatever publishes.

    Its devices are polled like others; their `read` gives what was said last, or the error by which they are silent.
    """

    async def listen(self, hear: Hear) -> None:
        """Pass on what the devices say by themselves, until cancelled, over any number of connections."""
        ...


@runtime_checkable
class Acknowledging(Talking, Protocol):
    """A talking bus whose far end keeps what devices said until that is acknowledged, and then says it again."""

    def settle_by(self, settle: Settle) -> None:
        """Acknowledge only what is durable, from the next connection on; without this call, whatever was heard."""
        ...

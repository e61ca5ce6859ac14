"""A line whose device speaks by itself: the open way to it, and an end of it that is noticed."""

import asyncio
from abc import ABC, abstractmethod

from drivers.api import DriverError, Observer, Unreachable
from drivers.serial_line.link import Link, open_link
from drivers.serial_line.spoken import SpokenLineSettings


class ListeningLine(ABC):
    """One line with one device (`drivers.api.Bus`). What comes goes to `_heard`, in the order in which it came."""

    def __init__(self, settings: SpokenLineSettings, *, name: str, observe: Observer | None = None) -> None:
        self.settings = settings
        self.name = name
        self.device = name
        """The name of the device on it, once there is one."""
        self._observe = observe
        self._link: Link | None = None
        self._lost = ""

    @property
    def connected(self) -> bool:
        """Whether the line is believed to be open."""
        return self._link is not None

    async def connect(self) -> None:
        """Open the line; Unreachable when it cannot be had. A line that was open is closed first."""
        await self.close()
        timeout = self.settings.timeout.total_seconds()
        self._begins()
        self._lost = ""
        try:
            async with asyncio.timeout(timeout):
                self._link = await open_link(self.settings, self._heard, self._on_lost)
        except TimeoutError as error:
            raise Unreachable(device=self.name, why=f"no connection within {timeout:g} s") from error
        except (OSError, ValueError) as error:
            raise Unreachable(device=self.name, why=str(error)) from error
        if self._lost:  # while it was being opened
            self._link = None
            raise self.unreachable()

    async def close(self) -> None:
        """Close it; never raises."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
            self._ended()
            await asyncio.sleep(0)  # lets a transport release its descriptor

    def give_up(self, why: str) -> None:
        """Close a connection that is good for nothing any more, so that the next one may be better."""
        if self._link is not None:
            self._link.close()
            self._on_lost(why)

    def unreachable(self) -> DriverError:
        """Give the error that says why nothing can come."""
        return Unreachable(device=self.device, why=self._lost or "the bus is not connected")

    def observe(self, seconds: float, result: str) -> None:
        """Tell of something that the device said: how long it held the line, and `ok` or the kind of the error."""
        if self._observe is not None:
            self._observe(self.device, seconds, result)

    def send(self, data: bytes) -> None:
        """Send to the device; Unreachable when the line does not take it."""
        try:
            if self._link is not None:
                self._link.send(data)
        except OSError as error:
            self.give_up(str(error))
            raise self.unreachable() from error

    @abstractmethod
    def _heard(self, data: bytes) -> None:
        """Take bytes as they come; never raises."""

    @abstractmethod
    def _begins(self) -> None:
        """Forget what an earlier connection left half-said."""

    @abstractmethod
    def _ended(self) -> None:
        """Take note that nothing more comes, and wake whoever waits for it."""

    def _on_lost(self, why: str) -> None:
        self._lost = f"the connection was lost: {why}"
        self._link = None
        self._ended()

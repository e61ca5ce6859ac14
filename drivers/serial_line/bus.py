"""A half-duplex line of framed devices, as `drivers.api.Bus` has it: one request at a time, and no late answers.

After a request that failed, a late answer may still come along the line. So the line is drained until it has been
silent for a while before the next request goes out; and every protocol's own frames say to whom they answer.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from drivers.api import DriverError, Garbled, TimedOut, Unreachable
from drivers.serial_line.config import LineSettings
from drivers.serial_line.link import Link, open_link
from drivers.vigil import Vigil

Answer = TypeVar("Answer")
Observer = Callable[[str, float, str], None]
"""Told of each request: the device's name, how many seconds it held the line, and `ok` or the kind of the error."""

_NOISE_PERIODS = 10  # a line that is not quiet after that many quiet periods is not going to be
_MOST_BYTES = 4096  # no answer is that long: what goes on longer is noise
_WAKE_UP = b"\xfe"


class SerialBus:
    """One line. `exchange` takes no lock: whoever calls it holds `lock`. All errors are DriverError."""

    def __init__(self, settings: LineSettings, *, name: str, observe: Observer | None = None) -> None:
        self.settings = settings
        self.name = name
        self._observe = observe
        self.lock = asyncio.Lock()
        self._link: Link | None = None
        self._buffer = bytearray()
        self._news = asyncio.Event()
        self._lost = ""
        self._silent_since = 0.0  # loop time of the last byte, or of the failure after it
        self._unsettled = False
        self._vigil = Vigil()

    @property
    def connected(self) -> bool:
        """Whether the line is believed to be open."""
        return self._link is not None

    async def connect(self) -> None:
        """Open the line; Unreachable when it cannot be had. A line that was open is closed first."""
        await self.close()
        timeout = self.settings.timeout.total_seconds()
        try:
            async with asyncio.timeout(timeout):
                self._link = await open_link(self.settings, self._on_bytes, self._on_lost)
        except TimeoutError as error:
            raise Unreachable(device=self.name, why=f"no connection within {timeout:g} s") from error
        except (OSError, ValueError) as error:
            raise Unreachable(device=self.name, why=str(error)) from error
        self._lost = ""
        self._unsettled = False
        self._silent_since = asyncio.get_running_loop().time()
        self._vigil.connected(now=self._silent_since)

    async def close(self) -> None:
        """Close it; never raises."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
            await asyncio.sleep(0)  # lets a transport release its descriptor

    async def exchange(
        self, request: bytes, take: Callable[[bytearray], Answer | None], *, device: str, expect: str = "answer"
    ) -> Answer:
        """Send one request and wait for what `take` finds in the bytes that came; it removes what it has looked at.

        What `take` raises goes to the caller, and settles the line: it was an answer. `expect` is for errors.
        """
        started = asyncio.get_running_loop().time()
        result = "ok"
        try:
            return await self._exchange(request, take, device, expect)
        except asyncio.CancelledError:
            result = "Cancelled"
            raise
        except DriverError as error:
            result = type(error).__name__
            raise
        except Exception:
            result = "Refused"  # by `take`, in its protocol's words
            raise
        finally:
            if self._observe is not None:
                self._observe(device, asyncio.get_running_loop().time() - started, result)

    async def _exchange(
        self, request: bytes, take: Callable[[bytearray], Answer | None], device: str, expect: str
    ) -> Answer:
        if self._link is None:
            raise self._unreachable(device)
        await self._wait_for_silence(device)
        self._buffer.clear()
        self._news.clear()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.timeout.total_seconds()
        self._unsettled = True  # until an answer is here, also if this task is cancelled
        heard = False
        try:
            self._send(_WAKE_UP * self.settings.wake_up + request, device)
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        await self._news.wait()
                except TimeoutError as error:
                    if heard:
                        raise Garbled(device=device, why=f"bytes came that make no {expect}") from error
                    self._doubt(device)
                    raise TimedOut(device=device, after=self.settings.timeout) from error
                self._news.clear()
                heard = heard or bool(self._buffer)
                if (answer := self._found(take, device)) is not None:
                    return answer
                if self._link is None:
                    raise self._unreachable(device)
                if len(self._buffer) > _MOST_BYTES:
                    raise Garbled(device=device, why="the line is never quiet")
        finally:
            self._silent_since = loop.time()

    def _found(self, take: Callable[[bytearray], Answer | None], device: str) -> Answer | None:
        settled = True
        try:
            answer = take(self._buffer)
            settled = answer is not None
        finally:  # a refusal, which `take` raises, is an answer too
            if settled:
                self._unsettled = False
                self._vigil.answered(device)
        return answer

    def _doubt(self, device: str) -> None:
        """Give up a TCP connection on which nobody answers any more; a serial port has no far end to lose."""
        now = asyncio.get_running_loop().time()
        if self.settings.host is not None and self._vigil.unanswered(device, now=now) and self._link is not None:
            self._link.close()
            self._on_lost("nobody answers on it")

    def _send(self, data: bytes, device: str) -> None:
        try:
            if self._link is not None:
                self._link.send(data)
        except OSError as error:
            if self._link is not None:
                self._link.close()
            self._on_lost(str(error))
            raise self._unreachable(device) from error

    async def _wait_for_silence(self, device: str) -> None:
        """Let late answers run out after a failure."""
        if not self._unsettled:
            return
        loop = asyncio.get_running_loop()
        pause = self.settings.quiet.total_seconds()
        deadline = loop.time() + _NOISE_PERIODS * pause
        while (left := self._silent_since + pause - loop.time()) > 0:
            if loop.time() > deadline:
                raise Garbled(device=device, why="the line is never quiet")
            await asyncio.sleep(left)

    def _unreachable(self, device: str) -> DriverError:
        return Unreachable(device=device, why=self._lost or "the bus is not connected")

    def _on_bytes(self, data: bytes) -> None:
        self._silent_since = asyncio.get_running_loop().time()
        self._buffer += data
        if len(self._buffer) > 2 * _MOST_BYTES:
            del self._buffer[:-_MOST_BYTES]  # nobody waits for it
        self._news.set()

    def _on_lost(self, why: str) -> None:
        self._lost = f"the connection was lost: {why}"
        self._link = None
        self._news.set()

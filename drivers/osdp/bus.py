"""A line of OSDP readers: the control panel that asks each in its turn, as `drivers.api.Bus` and `Talking` have it.

`listen` is the panel: it alone uses the line, so that nothing has to wait for a lock, and what a reader tells is handed
on before the next command says that it was received. Commands go before polls. A reader that is silent is probed seldom
enough that all silent ones together take a small share of the line.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from drivers.api import Hear, Observer, PointResult, Unreachable
from drivers.osdp import codec
from drivers.osdp.config import OsdpSettings
from drivers.osdp.dialogue import Dialogue, Happening
from drivers.osdp.keys import KeyFileError, read_keys
from drivers.osdp.standing import MEANINGS, Security
from drivers.serial_line.link import Link, open_link
from drivers.vigil import Vigil
from runtime.cancellation import honour_cancellation
from runtime.logs import get_log

_REST_S = 1.0
"""How long the line serves the others between two probes of readers that are silent."""
_LONGEST_NAP_S = 1.0
_MOST_BYTES = 8192
_QUIET_PERIODS = 10
_BITS = 11  # of a character on the wire, at most
Told = Callable[[Happening | Security, float], tuple[tuple[PointResult, ...], ...]]
"""Makes the events of what happened at a reader at a time of the loop, each with its points; a key may end none."""


class OsdpBus:
    """One line. Readers join by `join` before the line is opened; `listen` has to run for anything to happen."""

    def __init__(
        self,
        settings: OsdpSettings,
        *,
        name: str,
        observe: Observer | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.settings = settings
        self.name = name
        self._observe = observe
        self._random = random
        self._readers: dict[int, tuple[str, Dialogue, Told]] = {}
        self._link: Link | None = None
        self._lost = ""
        self._buffer = bytearray()
        self._last_byte_at = 0.0
        self._news = asyncio.Event()
        self._verdicts = asyncio.Condition()
        self._rests_until = 0.0
        self._vigil = Vigil()
        self._shown: dict[int, Security] = {}
        self._log = get_log("drivers.osdp").bind(bus=name)

    @property
    def connected(self) -> bool:
        """Whether the line is believed to be open."""
        return self._link is not None

    @property
    def why_not(self) -> str:
        """Why it is not."""
        return self._lost or "the bus is not connected"

    def join(self, unit: int, *, name: str, told: Told) -> Dialogue:
        """Add the reader of a unit; `told` makes points of what happens at it."""
        dialogue = Dialogue(address=unit, poll_s=self.settings.poll.total_seconds(), random=self._random)
        dialogue.install = self.settings.install
        self._readers[unit] = name, dialogue, told
        return dialogue

    def wake(self) -> None:
        """Say that there is something new to send."""
        self._news.set()

    async def verdict(self, dialogue: Dialogue) -> None:
        """Wait until it is known whether a reader answers, for `timeout` at most."""
        try:
            async with asyncio.timeout(self.settings.timeout.total_seconds()), self._verdicts:
                await self._verdicts.wait_for(lambda: dialogue.status.online is not None or self._link is None)
        except TimeoutError:
            return

    async def connect(self) -> None:
        """Read the keys and open the line; Unreachable. A line that was open is closed first."""
        await self.close()
        timeout = self.settings.timeout.total_seconds()
        try:
            async with asyncio.timeout(timeout):
                keys = await asyncio.to_thread(read_keys, Path(self.settings.keys))
                self._link = await open_link(self.settings, self._on_bytes, self._on_lost)
        except TimeoutError as error:
            raise Unreachable(device=self.name, why=f"no connection within {timeout:g} s") from error
        except (OSError, ValueError, KeyFileError) as error:
            raise Unreachable(device=self.name, why=str(error)) from error
        now = asyncio.get_running_loop().time()
        self._lost = ""
        self._buffer.clear()
        self._rests_until = now
        self._vigil.connected(now=now)
        for unit, (_, dialogue, _) in self._readers.items():
            dialogue.key = keys[unit].value if unit in keys else None
            dialogue.begin(now=now)
        if self.settings.install:
            self._log.warning("INSTALL MODE: readers with the default key are given theirs; switch it off afterwards")
        self._news.set()

    async def close(self) -> None:
        """Close it; never raises."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
            self._lost = "the bus was closed"
            await self._end_all()
            await asyncio.sleep(0)  # lets a transport release its descriptor

    async def listen(self, hear: Hear) -> None:
        """Ask the readers and pass on what they tell, until cancelled, over any number of connections."""
        loop = asyncio.get_running_loop()
        while True:
            honour_cancellation()
            self._news.clear()
            dialogues = [dialogue for _, dialogue, _ in self._readers.values()]
            if self._link is None:
                await self._end_all()
                await self._sleep(None)
                continue
            now = loop.time()
            dialogue = choose(dialogues, now=now, rests_until=self._rests_until)
            if dialogue is None:
                await self._sleep(next_due(dialogues, rests_until=self._rests_until) - now)
                continue
            await self._exchange(dialogue, hear)
            self._tell_security(dialogue, hear)
            async with self._verdicts:
                self._verdicts.notify_all()

    async def _sleep(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(None if seconds is None else min(seconds, _LONGEST_NAP_S)):
                await self._news.wait()
        except TimeoutError:
            return

    async def _exchange(self, dialogue: Dialogue, hear: Hear) -> None:
        loop = asyncio.get_running_loop()
        name, _, told = self._readers[dialogue.address]
        await self._wait_for_silence()
        link = self._link
        if link is None:
            return
        self._buffer.clear()
        started = loop.time()
        request = codec.MARK * self.settings.wake_up + dialogue.request(now=started)
        try:
            link.send(request)
        except OSError as error:
            self._drop(str(error))
            return
        wire_s = len(request) * _BITS / self.settings.baudrate
        until = started + wire_s + self.settings.reply.total_seconds()
        while (frame := await self._answer(dialogue, link, until=until)) is not None:
            now = loop.time()
            happenings = dialogue.heard(frame, now=now)
            if happenings is None:
                continue
            self._vigil.answered(dialogue.address)
            for results in (one for happening in happenings for one in told(happening, now) if one):
                hear(name, results)
            self._note(dialogue, now - started, "ok")
            return
        if self._link is not link:
            return
        now = loop.time()
        self._note(dialogue, now - started, "TimedOut")
        if dialogue.unheard(now=now):
            self._rests_until = now + _REST_S
            if self.settings.host is not None and self._vigil.unanswered(dialogue.address, now=now):
                self._drop("nobody answers on it")

    async def _answer(self, dialogue: Dialogue, link: Link, *, until: float) -> codec.Frame | None:
        while True:
            while (frame := codec.take(self._buffer)) is not None:
                if dialogue.accepts(frame):
                    return frame  # also when the line was lost right behind it: the reader has told it, and forgets it
            if self._link is not link:
                return None
            self._news.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._news.wait()
            except TimeoutError:
                return None

    async def _wait_for_silence(self) -> None:
        """Let what still comes along the line run out, but not for ever."""
        quiet = self.settings.quiet.total_seconds()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _QUIET_PERIODS * quiet
        while self._buffer and loop.time() < deadline:
            left = self._last_byte_at + quiet - loop.time()
            if left <= 0:
                return
            await asyncio.sleep(left)

    def _note(self, dialogue: Dialogue, seconds: float, result: str) -> None:
        if self._observe is not None:
            self._observe(dialogue.address, seconds, result)

    def _tell_security(self, dialogue: Dialogue, hear: Hear) -> None:
        """Log each change of how a reader's secure channel stands, and pass it on at once."""
        now, before = dialogue.status.security, self._shown.get(dialogue.address)
        if now is before or now is Security.STARTING:
            return
        self._shown[dialogue.address] = now
        level = self._log.info if now is Security.SECURE else self._log.warning
        level("the secure channel changed", unit=dialogue.address, state=MEANINGS[now])
        name, _, told = self._readers[dialogue.address]
        for results in told(now, asyncio.get_running_loop().time()):
            if results:
                hear(name, results)

    def _drop(self, why: str) -> None:
        link = self._link
        if link is not None:
            link.close()
            self._on_lost(why)

    async def _end_all(self) -> None:
        for _, dialogue, _ in self._readers.values():
            dialogue.end()
        async with self._verdicts:
            self._verdicts.notify_all()

    def _on_bytes(self, data: bytes) -> None:
        self._last_byte_at = asyncio.get_running_loop().time()
        self._buffer += data
        if len(self._buffer) > _MOST_BYTES:
            del self._buffer[: -_MOST_BYTES // 2]  # nobody waits for it
        self._news.set()

    def _on_lost(self, why: str) -> None:
        self._lost = f"the connection was lost: {why}"
        self._link = None
        self._news.set()


def choose(dialogues: Iterable[Dialogue], *, now: float, rests_until: float) -> Dialogue | None:
    """Give the reader whose turn it is: a command first, then whoever has waited longest; None when nobody is due."""
    everyone = list(dialogues)
    urgent = [one for one in everyone if one.urgent]
    if urgent:
        return urgent[0]
    served = any(one.status.online for one in everyone)
    due = [one for one in everyone if one.due <= now and _may(one, served=served, rested=now >= rests_until)]
    return min(due, key=lambda one: one.due, default=None)


def next_due(dialogues: Iterable[Dialogue], *, rests_until: float) -> float:
    """Give the time at which `choose` has something to give."""
    everyone = list(dialogues)
    served = any(one.status.online for one in everyone)
    times = [one.due if _may(one, served=served, rested=False) else max(one.due, rests_until) for one in everyone]
    return min(times, default=float("inf"))


def _may(dialogue: Dialogue, *, served: bool, rested: bool) -> bool:
    return rested or not served or dialogue.status.online is not False

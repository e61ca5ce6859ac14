"""The door itself: a pulse that the device times, its read-back, and what its contacts say."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from drivers.api import BadRequest, DriverError, PointResult, Refused, Unreachable
from edge.executor import CommandTarget
from edge.gate.config import DoorSettings
from edge.gate.door_watch import DoorRules, DoorView, DoorWatch
from runtime.cancellation import honour_cancellation

_LOOK_EVERY_S = 0.05
_NOT_SENT = (BadRequest, Refused, Unreachable)
"""Errors after which it is certain that the relay did not act."""


class OpeningOutcome(StrEnum):
    """What became of a pulse. UNKNOWN is never repeated by itself: the door may be open."""

    CONFIRMED = "confirmed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """How an opening went; `took_ms` runs from the call to the confirmed read-back, or to giving up."""

    outcome: OpeningOutcome
    detail: str
    took_ms: float


class Door:
    """One door. `target` gives its device as it is now (a changed site file replaces it), or None."""

    def __init__(
        self,
        settings: DoorSettings,
        *,
        target: Callable[[], CommandTarget | None],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._target = target
        self._monotonic = monotonic
        self._turn = asyncio.Lock()
        self._fault = ""
        self.watch = DoorWatch(
            DoorRules(
                bounce_s=settings.bounce.total_seconds(),
                held_after_s=settings.held_after.total_seconds(),
                release_within_s=settings.release_within.total_seconds(),
            ),
            has_contact=settings.contact is not None,
            has_lock_power=settings.lock_power is not None,
        )

    @property
    def fault(self) -> str:
        """Why the last opening was not confirmed; empty when it was."""
        return self._fault

    def view(self) -> DoorView:
        """Say how the door stands now."""
        return self.watch.view(self._monotonic())

    def heard(self, results: Iterable[PointResult]) -> None:
        """Take what polls and read-backs of the door's device gave."""
        now, own = self._monotonic(), self._settings
        for one in results:
            said = one.value if isinstance(one.value, bool) else None
            if one.point == own.contact:
                self.watch.contact(closed=said, now=now)
            elif one.point == own.exit_button and said is not None:
                self.watch.exit_button(pressed=said, now=now)
            elif one.point == own.fire and said is not None:
                self.watch.fire(released=said, now=now)
            elif one.point == own.lock_power:
                self.watch.lock_power(powered=said)
            elif one.point == own.beam and said is not None:
                self.watch.beam(interrupted=said, now=now)

    async def open(self) -> Opening:
        """Let the lock go once, and look for the proof; one opening at a time."""
        async with self._turn:
            started = self._monotonic()
            outcome, detail = await self._open()
            self._fault = "" if outcome is OpeningOutcome.CONFIRMED else detail
            if outcome is OpeningOutcome.FAILED:
                self.watch.withdrawn(now=self._monotonic())
            return Opening(outcome=outcome, detail=detail, took_ms=(self._monotonic() - started) * 1000)

    async def _open(self) -> tuple[OpeningOutcome, str]:
        target = self._target()
        if target is None:
            return OpeningOutcome.FAILED, "the door's device is not in the agent's configuration"
        own = self._settings
        limit = own.confirm_within.total_seconds()
        lost = ""
        self.watch.granted(seconds=own.seconds, now=self._monotonic())
        try:
            async with asyncio.timeout(limit):
                await target.device.write(own.unlock, own.seconds)
        except _NOT_SENT as error:
            return OpeningOutcome.FAILED, str(error)
        except DriverError as error:
            lost = f"the answer to the pulse was lost: {error}"
        except TimeoutError:
            lost = "the pulse was not answered in time"
        seen = await self._prove(target, limit=limit)
        if seen is None:
            return OpeningOutcome.CONFIRMED, f"{own.relay} is on"
        if lost:
            return OpeningOutcome.UNKNOWN, f"{lost}; {seen}"
        return OpeningOutcome.FAILED, f"the device confirmed the pulse, and nothing happened: {seen}"

    async def _prove(self, target: CommandTarget, *, limit: float) -> str | None:
        """Look at the relay until it is on; None when it is, otherwise what was seen."""
        relay, seen = self._settings.relay, "nothing was read back"
        try:
            async with asyncio.timeout(limit):
                while True:
                    honour_cancellation()
                    try:
                        result = (await target.device.read([relay], urgent=True))[relay]
                    except DriverError as error:
                        seen = f"the read-back failed: {error}"
                    else:
                        if result.value is True:
                            return None
                        seen = f"{relay} = {result.value}" if result.value is not None else result.reason
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            return seen

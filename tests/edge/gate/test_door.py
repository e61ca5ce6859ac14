"""The door's shell against the real relay driver over a pty is in tests/acceptance; here the answers are by hand."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from drivers.api import DriverError, Garbled, PointResult, Refused, TimedOut, Unreachable, Value
from edge.executor import CommandTarget
from edge.gate.config import DoorSettings
from edge.gate.door import Door, OpeningOutcome
from edge.gate.door_watch import DoorState


class Relay:
    """A device that answers as it is told: `write` raises or not, `shows` is what the relay reads as, step by step."""

    def __init__(
        self, *, write: DriverError | None = None, shows: Sequence[Value | DriverError | None] = (True,)
    ) -> None:
        self._write = write
        self._shows = list(shows)
        self.pulses: list[tuple[str, Value]] = []

    async def write(self, point: str, value: Value) -> None:
        self.pulses.append((point, value))
        if self._write is not None:
            raise self._write

    async def read(self, points: Sequence[str], *, urgent: bool = False) -> Mapping[str, PointResult]:
        assert urgent, "a read-back goes ahead of all polling"
        shown = self._shows.pop(0) if len(self._shows) > 1 else self._shows[0]
        if isinstance(shown, DriverError):
            raise shown
        return {point: PointResult(point=point, value=shown) for point in points}


def door_of(relay: Relay | None) -> Door:
    def target() -> CommandTarget | None:
        if relay is None:
            return None
        return CommandTarget(device=relay, bus=cast("Any", None), profile=cast("Any", None))

    settings = DoorSettings(device="door", seconds=3.0, confirm_within=timedelta(milliseconds=200))
    return Door(settings, target=target, monotonic=asyncio.get_running_loop().time)


async def test_a_pulse_that_shows_is_confirmed_and_sent_once() -> None:
    relay = Relay(shows=(False, True))
    door = door_of(relay)
    opening = await door.open()
    assert opening.outcome is OpeningOutcome.CONFIRMED
    assert relay.pulses == [("unlock_time", 3.0)]
    assert door.fault == ""


@pytest.mark.parametrize(
    "error",
    [Refused(device="d", code=2, why="no"), Unreachable(device="d", why="no line")],
)
async def test_what_was_never_sent_has_failed_and_excuses_no_opening(error: DriverError) -> None:
    door = door_of(Relay(write=error))
    opening = await door.open()
    assert opening.outcome is OpeningOutcome.FAILED
    assert door.fault == opening.detail
    door.heard([PointResult(point="door_closed", value=True)])
    door.heard([PointResult(point="door_closed", value=False)])
    await asyncio.sleep(0.35)
    assert door.view().state is DoorState.FORCED


@pytest.mark.parametrize("error", [TimedOut(device="d", after=timedelta(seconds=1)), Garbled(device="d", why="noise")])
async def test_a_lost_answer_is_settled_by_the_read_back(error: DriverError) -> None:
    assert (await door_of(Relay(write=error, shows=(True,))).open()).outcome is OpeningOutcome.CONFIRMED
    relay = Relay(write=error, shows=(False,))
    opening = await door_of(relay).open()
    assert opening.outcome is OpeningOutcome.UNKNOWN
    assert len(relay.pulses) == 1, "a pulse is never repeated by itself"


async def test_a_relay_that_answers_and_does_nothing_has_failed() -> None:
    opening = await door_of(Relay(shows=(False,))).open()
    assert opening.outcome is OpeningOutcome.FAILED
    assert "nothing happened" in opening.detail


async def test_a_read_back_that_fails_says_so() -> None:
    opening = await door_of(Relay(shows=(Unreachable(device="d", why="gone"),))).open()
    assert opening.outcome is OpeningOutcome.FAILED
    assert "the read-back failed" in opening.detail


async def test_a_door_without_a_device_opens_nothing() -> None:
    assert (await door_of(None).open()).outcome is OpeningOutcome.FAILED


async def test_a_point_that_cannot_be_read_makes_the_door_unknown() -> None:
    door = door_of(Relay())
    door.heard([PointResult(point="door_closed", value=True)])
    assert door.view().state is DoorState.CLOSED
    door.heard([PointResult(point="door_closed", value=None, reason="no answer")])
    assert door.view().state is DoorState.UNKNOWN

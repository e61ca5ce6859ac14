"""A bus whose devices speak by themselves: heard beside the polls, whatever goes wrong with the hearing."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from drivers.api import PointResult, Talking
from edge.bus import BusRunner, Polled
from runtime.health import Status
from runtime.lifecycle import Backoff
from tests.support.talking_bus import Speaker, TalkingBus, TalkingDevice, TalkingSettings, speaking


@dataclass
class Ear:
    """Keeps what a bus tells, in its order: what devices said as `door card 42`, polls only as a number."""

    story: list[str] = field(default_factory=list)
    polls: int = 0

    def on_read(self, device: str, results: tuple[PointResult, ...]) -> None:
        for one in results:
            if one.point == "count":
                self.polls += 1
            else:
                self.story.append(f"{device} {one.point} {one.value}")

    def on_up(self, device: str) -> None:
        self.story.append(f"{device} up")

    def on_down(self, device: str, reason: str) -> None:
        assert reason
        self.story.append(f"{device} down")

    def on_poll(self, bus: str, *, seconds: float, result: str) -> None:
        pass

    def on_reconnect(self, bus: str, *, success: bool) -> None:
        pass


@dataclass
class Running:
    bus: TalkingBus
    runner: BusRunner
    ear: Ear
    task: asyncio.Task[None]


@asynccontextmanager
async def running(speaker: Speaker, *, polled: bool = True) -> AsyncIterator[Running]:
    bus = TalkingBus(TalkingSettings(port=speaker.port), name="bus-1")
    assert isinstance(bus, Talking)
    ear = Ear()
    quick = {"random": lambda: 0.5, "first": timedelta(milliseconds=50), "limit": timedelta(milliseconds=200)}
    runner = BusRunner(
        name="bus-1",
        bus=bus,
        devices={
            "door": Polled(
                device=TalkingDevice(bus, "door"), groups={timedelta(milliseconds=50): ("count",)} if polled else {}
            )
        },
        timeout=timedelta(milliseconds=300),
        listener=ear,
        clock=time.monotonic,
        backoff=Backoff(**quick),  # type: ignore[arg-type]
        relisten=Backoff(**quick),  # type: ignore[arg-type]
    )
    task = asyncio.create_task(runner.run(), name="bus")
    try:
        await until(lambda: bus.connected)
        yield Running(bus=bus, runner=runner, ear=ear, task=task)
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - lists have no event
            await asyncio.sleep(0.01)


@pytest.fixture
async def speaker() -> AsyncIterator[Speaker]:
    async with speaking() as speaker:
        yield speaker


async def test_what_is_said_is_heard_in_order_beside_the_polls(speaker: Speaker) -> None:
    async with running(speaker) as on:
        await until(lambda: on.ear.polls > 1)
        for card in range(20):
            speaker.say(f"!door card {card}")
        polls = on.ear.polls
        await until(lambda: len(on.ear.story) == 20 and on.ear.polls > polls)
        assert on.ear.story == [f"door card {card}" for card in range(20)]
        assert on.bus.listens == 1


@pytest.mark.parametrize(("fault", "words"), [("boom", "RuntimeError: boom"), ("hush", "the bus stopped listening")])
async def test_listening_that_ends_begins_again_and_shows_and_the_polls_go_on(
    speaker: Speaker, fault: str, words: str
) -> None:
    async with running(speaker) as on:
        await until(lambda: on.ear.polls > 1)
        speaker.say(fault)
        await until(lambda: on.runner.check().status is Status.DEGRADED)
        assert on.runner.check().detail == f"what devices say by themselves is not heard: {words}"
        polls = on.ear.polls
        await until(lambda: on.ear.polls > polls + 2 and on.bus.listens == 2)
        speaker.say("!door card 7")
        await until(lambda: on.ear.story == ["door card 7"])
        assert on.runner.check().status is Status.OK


async def test_listening_that_fails_again_and_again_is_tried_with_pauses(speaker: Speaker) -> None:
    async with running(speaker) as on:
        for _ in range(50):
            speaker.say("boom")
        await asyncio.sleep(1.0)
        assert 2 <= on.bus.listens <= 15


async def test_a_device_that_speaks_while_it_counts_as_down_is_up_until_its_next_poll_fails(speaker: Speaker) -> None:
    async with running(speaker) as on:
        await until(lambda: on.ear.polls > 1)
        speaker.mute.add("door")
        await until(lambda: on.ear.story == ["door down"])
        speaker.say("!door card 1")
        speaker.say("!door card 2")
        await until(lambda: len(on.ear.story) == 5)
        assert on.ear.story == ["door down", "door up", "door card 1", "door card 2", "door down"]
        speaker.mute.clear()
        polls = on.ear.polls
        await until(lambda: on.ear.polls > polls)
        assert on.ear.story[5:] == ["door up"]


async def test_a_device_that_is_only_heard_is_down_and_up_with_its_bus(speaker: Speaker) -> None:
    async with running(speaker, polled=False) as on:
        speaker.say("!door card 1")
        await until(lambda: on.ear.story == ["door card 1"])
        await speaker.stop()
        await until(lambda: on.ear.story[1:] == ["door down"])
        await speaker.start()
        await until(lambda: on.ear.story[2:] == ["door up"])
        speaker.say("!door card 2")
        await until(lambda: on.ear.story[3:] == ["door card 2"])
        assert speaker.asked == 0, "it is never polled"

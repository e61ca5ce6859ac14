"""Collecting messages: up to so many, or for so long after the first; as many as can be stored in good time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, cast

import aiomqtt

from cloud.ingest.memory import Incoming
from cloud.platform.clock import Clock

MAX_WAITING = 50_000
"""Messages that wait in memory while a store does not work; what is beyond is sent again by its edge."""


AIM = timedelta(milliseconds=500)
"""How long storing a batch may take: an agent sends again what is not acknowledged within 3 s.

Up to three batches are under way at a time, and from a few hundred messages on a larger one saves next to nothing.
"""

_LEAST = 50


class Pace:
    """How many messages a batch may have, by what those before have taken: messages and machines differ."""

    def __init__(self, *, most: int, aim: timedelta = AIM) -> None:
        self._most = most
        self._aim_s = aim.total_seconds()
        self.limit = most

    def took(self, messages: int, seconds: float) -> None:
        """Learn how long a batch took to be stored; one that was small and quick says nothing of large ones."""
        if not messages or seconds <= 0 or (messages < self.limit // 2 and seconds < self._aim_s):
            return
        fitting = messages * self._aim_s / seconds
        step = fitting if fitting < self.limit else (self.limit + fitting) / 2  # down at once, up with care
        self.limit = min(self._most, max(round(step), min(_LEAST, self._most)))


class Inbox:
    """The messages of one connection. Give `queue_type` to the client, then enter with the client's own iterator.

    Reading through the iterator costs two tasks for each message, so it is used for the first one of a batch only: it
    is what notices that the connection is gone (MqttError).
    """

    def __init__(self, *, pace: Pace, wait: timedelta, clock: Clock) -> None:
        self._pace = pace
        self._wait_s = wait.total_seconds()
        self._clock = clock
        self._queue: asyncio.Queue[aiomqtt.Message] = asyncio.Queue(maxsize=MAX_WAITING)
        self._first: asyncio.Task[aiomqtt.Message] | None = None

    @property
    def queue_type(self) -> type[asyncio.Queue[aiomqtt.Message]]:
        """What makes the client use this inbox's queue."""
        return cast("type[asyncio.Queue[aiomqtt.Message]]", self._take_over)

    @property
    def keeps_up(self) -> bool:
        """Whether less than a batch waits to be read: then who has not been heard has said nothing."""
        return self._queue.qsize() < self._pace.limit

    def _take_over(self, maxsize: int) -> Any:  # noqa: ANN401, ARG002 - stands in for a class
        return self._queue

    async def __aenter__(self) -> Self:
        """Begin to read."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the client."""
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)

    async def batch(self, messages: AsyncIterator[aiomqtt.Message], *, patience: timedelta) -> list[Incoming]:
        """Give the next batch; empty when nothing came within `patience`. MqttError when the connection is gone."""
        if self._first is None:
            self._first = asyncio.create_task(_next(messages), name="inbox:first")
        done, _ = await asyncio.wait({self._first}, timeout=patience.total_seconds())
        if not done:
            return []
        first, self._first = self._first, None
        batch = [first.result()]
        self._drain(batch)
        if len(batch) < self._pace.limit and self._wait_s:
            await asyncio.sleep(self._wait_s)
            self._drain(batch)
        at_ms = self._clock()
        return [
            Incoming(
                topic=message.topic.value,
                payload=message.payload,
                at_ms=at_ms,
            )
            for message in batch
        ]

    def _drain(self, batch: list[aiomqtt.Message]) -> None:
        while len(batch) < self._pace.limit and not self._queue.empty():
            batch.append(self._queue.get_nowait())


async def _next(messages: AsyncIterator[aiomqtt.Message]) -> aiomqtt.Message:
    return await anext(messages)

"""Collecting messages: up to so many, or for so long after the first."""

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


class Inbox:
    """The messages of one connection. Give `queue_type` to the client, then enter with the client's own iterator.

    Reading through the iterator costs two tasks for each message, so it is used for the first one of a batch only: it
    is what notices that the connection is gone (MqttError).
    """

    def __init__(self, *, limit: int, wait: timedelta, clock: Clock) -> None:
        self._limit = limit
        self._wait_s = wait.total_seconds()
        self._clock = clock
        self._queue: asyncio.Queue[aiomqtt.Message] = asyncio.Queue(maxsize=MAX_WAITING)
        self._first: asyncio.Task[aiomqtt.Message] | None = None

    @property
    def queue_type(self) -> type[asyncio.Queue[aiomqtt.Message]]:
        """What makes the client use this inbox's queue."""
        return cast("type[asyncio.Queue[aiomqtt.Message]]", self._take_over)

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
        if len(batch) < self._limit and self._wait_s:
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
        while len(batch) < self._limit and not self._queue.empty():
            batch.append(self._queue.get_nowait())


async def _next(messages: AsyncIterator[aiomqtt.Message]) -> aiomqtt.Message:
    return await anext(messages)

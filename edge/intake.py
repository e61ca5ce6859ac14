"""The way into the journal: drafts wait here for the next transaction, and here alone when the disk is full."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from edge.journal import Journal
from edge.journal_file import JournalError, JournalFull
from edge.records import Draft
from runtime.lifecycle import Backoff
from runtime.logs import get_log

BATCH = 256
"""How many drafts one transaction takes at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceMark:
    """Between the drafts: from here on the device can, or cannot, be reached."""

    device: str
    reachable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconfigured:
    """Between the drafts: from here on these devices are there, each under the birth with this key, and no others.

    `revision` names the configuration; `documents` are what the births say, by key, and are made durable first.
    """

    revision: str
    births: Mapping[str, str]
    documents: Mapping[str, str]


Mark = DeviceMark | Reconfigured
"""What must keep its place between the drafts, and has no record of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A draft that is durable now, under its offset."""

    offset: int
    device: str
    readings: int


class Intake:
    """Takes drafts without ever making their maker wait, and writes them in groups.

    `on_written` is told, in order, of every draft once it is durable and of every mark between them. While the disk
    takes nothing, at most `capacity` drafts wait; beyond that the oldest are lost, counted, and shown to the cloud as
    a gap.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        on_written: Callable[[Sequence[Written | Mark]], None],
        backoff: Backoff,
        capacity: int = 20_000,
    ) -> None:
        self._journal = journal
        self._on_written = on_written
        self._backoff = backoff
        self._capacity = capacity
        self._items: deque[Draft | Mark] = deque()
        self._wake = asyncio.Event()
        self._drafts = 0
        self._unrecorded = 0
        self.lost = 0
        self.problem = ""
        self._log = get_log("edge.intake")

    @property
    def waiting(self) -> int:
        """How many drafts are not durable yet."""
        return self._drafts

    def put(self, item: Draft | Mark) -> None:
        """Take an item; never waits."""
        self._items.append(item)
        self._wake.set()
        if isinstance(item, Draft):
            self._drafts += 1
            if self._drafts > self._capacity:
                self._drop_oldest()

    async def run(self) -> None:
        """Write what comes, until cancelled; what still waits then is written before the end."""
        try:
            while True:
                await self._wake.wait()
                await self.write_next()
        finally:
            with suppress(JournalError):  # a disk that is full now has no later in this process
                while self._items:
                    await self._write(self._next_batch())

    async def write_next(self) -> None:
        """Write one group of what waits; on a disk that takes nothing, wait for the next attempt."""
        batch = self._next_batch()
        try:
            await self._write(batch)
        except JournalFull as error:
            if not self.problem:
                self._log.error("the journal cannot be written; readings wait in memory", reason=str(error))
            self.problem = str(error)
            await asyncio.sleep(self._backoff.next_pause().total_seconds())
            return
        if self.problem:
            self._log.info("the journal can be written again", lost_meanwhile=self.lost)
        self.problem = ""
        self._backoff.reset()
        if not self._items:
            self._wake.clear()

    def _next_batch(self) -> list[Draft | Mark]:
        return [self._items[i] for i in range(min(BATCH, len(self._items)))]

    async def _write(self, batch: list[Draft | Mark]) -> None:
        drafts = [item for item in batch if isinstance(item, Draft)]
        documents = {
            key: body for item in batch if isinstance(item, Reconfigured) for key, body in item.documents.items()
        }
        lost = self._unrecorded
        # From here on nothing of this batch may be dropped as the oldest, because it is being written.
        for _ in batch:
            self._items.popleft()
        self._drafts -= len(drafts)
        try:
            anything = drafts or lost or documents
            offsets = iter(await self._journal.append(drafts, lost=lost, documents=documents) if anything else ())
        except JournalFull:
            self._items.extendleft(reversed(batch))
            self._drafts += len(drafts)
            raise
        self._unrecorded -= lost
        self._on_written(
            [
                Written(offset=next(offsets), device=item.device, readings=len(item.readings))
                if isinstance(item, Draft)
                else item
                for item in batch
            ]
        )

    def _drop_oldest(self) -> None:
        for position, item in enumerate(self._items):
            # The result of a command is worth more than a reading: nobody would ever say it again.
            if isinstance(item, Draft) and item.result is None:
                del self._items[position]
                self._drafts -= 1
                self._unrecorded += 1
                self.lost += 1
                return

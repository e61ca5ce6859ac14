"""The way into the journal: drafts wait here for the next transaction, and here alone when the disk is full."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from edge.clock import TimeQuality
from edge.journal import Journal
from edge.journal_file import JournalError, JournalFull
from edge.losses import Loss, Reason, RecordClass, one_lost
from edge.records import Draft
from edge.spent import Span
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """Between the drafts: once those before it are durable (or lost, and counted), `then` is called."""

    then: Callable[[], None]


Mark = DeviceMark | Reconfigured | Settled
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
    takes nothing, at most `capacity` drafts wait; beyond that the oldest are lost, telemetry first, counted, and shown
    to the cloud as a gap. `time_quality` says how far the times of what comes now can be trusted, and `spent` which
    times were ever given: that is written with each group, so that no later start gives them again.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        on_written: Callable[[Sequence[Written | Mark]], None],
        backoff: Backoff,
        capacity: int = 20_000,
        time_quality: Callable[[], TimeQuality] = lambda: TimeQuality.GOOD,
        spent: Callable[[], Sequence[Span] | None] = lambda: None,
    ) -> None:
        self._journal = journal
        self._on_written = on_written
        self._backoff = backoff
        self._capacity = capacity
        self._time_quality = time_quality
        self._spent = spent
        self._items: deque[Draft | Mark] = deque()
        self._wake = asyncio.Event()
        self._drafts = 0
        self._unrecorded: Loss | None = None
        self.lost = 0
        self.problem = ""
        self._log = get_log("edge.intake")

    @property
    def waiting(self) -> int:
        """How many drafts are not durable yet."""
        return self._drafts

    def put(self, item: Draft | Mark) -> None:
        """Take an item; never waits."""
        if isinstance(item, Draft) and (quality := self._time_quality()) is not item.time:
            item = replace(item, time=quality)
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
            anything = drafts or lost is not None or documents
            offsets: Iterator[int] = iter(())
            if anything:
                appended = self._journal.append(drafts, lost=lost, documents=documents, spent=self._spent())
                offsets = iter(await appended)
        except JournalFull:
            self._items.extendleft(reversed(batch))
            self._drafts += len(drafts)
            raise
        if lost is not None:
            self._unrecorded = None if self._unrecorded is lost else self._since(lost)
        self._on_written(
            [
                Written(offset=next(offsets), device=item.device, readings=len(item.readings))
                if isinstance(item, Draft)
                else item
                for item in batch
            ]
        )

    def _since(self, told: Loss) -> Loss | None:
        """Give what was lost while `told` was being written."""
        now = self._unrecorded
        if now is None:
            return None
        counts = {one: count - told.counts.get(one, 0) for one, count in now.counts.items()}
        return Loss(reason=now.reason, counts=counts, from_ms=told.to_ms, to_ms=now.to_ms)

    def _drop_oldest(self) -> None:
        """Lose the oldest telemetry; where there is none the oldest of the rest, but never a command's result.

        Nobody would ever say such a result again, and while the disk is full no command is taken.
        """
        position = self._oldest(lambda kind: kind is RecordClass.TELEMETRY)
        if position is None:
            position = self._oldest(lambda kind: kind is not RecordClass.COMMAND)
        if position is None:
            return
        item = self._items[position]
        if not isinstance(item, Draft):
            raise TypeError("only drafts are looked for")
        del self._items[position]
        self._drafts -= 1
        self.lost += 1
        loss = one_lost(Reason.FULL_DISK, item.worth, at_ms=item.at_ms)
        self._unrecorded = loss if self._unrecorded is None else self._unrecorded.joined(loss)

    def _oldest(self, wanted: Callable[[RecordClass], bool]) -> int | None:
        for position, item in enumerate(self._items):
            if isinstance(item, Draft) and wanted(item.worth):
                return position
        return None

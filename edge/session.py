"""Which journal entries to publish when, and when devices are born and die (docs/CONTRACT.md, "The journal"). Pure.

The shell feeds in what happened, and carries out the actions it gets back in their order. Times are monotonic seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.records import Entry, Gap, Record

WINDOW = 512
"""How many offsets beyond the acknowledged one may be on their way."""
PROBE_WINDOW = 16
"""What is sent again while nobody answers, so that an absent cloud costs little; an answer opens the window."""
PATIENCE_S = 3.0
"""How long without progress until everything unacknowledged is sent again."""


@dataclass(frozen=True, slots=True)
class BirthNode:
    """Publish NBIRTH. A birth of every device follows."""


@dataclass(frozen=True, slots=True)
class BirthDevice:
    """Publish the device's DBIRTH."""

    device: str


@dataclass(frozen=True, slots=True)
class DeathDevice:
    """Publish the device's DDEATH."""

    device: str


@dataclass(frozen=True, slots=True)
class PublishRecord:
    """Publish the record as DDATA."""

    record: Record
    historical: bool


@dataclass(frozen=True, slots=True)
class PublishGap:
    """Publish the tombstone as NDATA."""

    gap: Gap


Action = BirthNode | BirthDevice | DeathDevice | PublishRecord | PublishGap


@dataclass(frozen=True, slots=True)
class Wanted:
    """Entries to read from the journal: those with offsets above `after`, at most `limit`."""

    after: int
    limit: int


@dataclass(slots=True)
class _Device:
    """What the session knows about one device."""

    last_offset: int
    reachable: bool = True
    born: bool = False


class Session:
    """The publishing side of one journal, over any number of connections.

    `acknowledged` and `last` are the journal's own numbers at start; `devices` maps every configured device to the
    highest offset that the journal holds about it (0 for none).
    """

    def __init__(self, *, acknowledged: int, last: int, devices: Mapping[str, int]) -> None:
        self._acknowledged = acknowledged
        self._last = last
        self._devices = {name: _Device(last_offset=offset) for name, offset in devices.items()}
        self._connected = False
        self._cursor = acknowledged  # everything up to here is published, in this round of sending
        self._furthest = acknowledged  # everything up to here was published at least once
        self._backlog = last  # everything up to here was journalled before this connection's birth
        self._progress_at = 0.0
        self._window = WINDOW

    @property
    def is_connected(self) -> bool:
        """Whether a connection stands."""
        return self._connected

    @property
    def acknowledged(self) -> int:
        """The highest offset that the cloud has."""
        return self._acknowledged

    @property
    def last(self) -> int:
        """The highest offset that was given out."""
        return self._last

    def connected(self, *, now: float) -> list[Action]:
        """Begin a connection: everything is born, and sending begins again after what is acknowledged."""
        self._connected = True
        self._backlog = self._last
        self._window = WINDOW
        return self._births(now)

    def disconnected(self) -> None:
        """End the connection; nothing is published until the next."""
        self._connected = False
        for device in self._devices.values():
            device.born = False

    def rebirth(self, *, now: float) -> list[Action]:
        """Answer a host that knows too little: the whole birth sequence, and what it cannot have understood again."""
        return self._births(now) if self._connected else []

    def appended(self, entries: Iterable[tuple[int, str]], *, now: float) -> None:
        """Take note of new records in the journal: (offset, device), in their order."""
        if self._cursor == self._acknowledged:
            self._progress_at = now  # the wait for an answer begins with the first entry on its way
        for offset, name in entries:
            self._last = max(self._last, offset)
            device = self._devices.get(name)
            if device is not None:
                device.last_offset = max(device.last_offset, offset)

    def acknowledge(self, offset: int, *, now: float) -> list[Action]:
        """Take the cloud's watermark; one that lies behind, or beyond what was ever given out, changes nothing."""
        if not self._acknowledged < offset <= self._last:
            return []
        self._acknowledged = offset
        self._cursor = max(self._cursor, offset)
        self._furthest = max(self._furthest, offset)
        self._progress_at = now
        self._window = WINDOW
        return self._deaths()

    def device_up(self, name: str) -> list[Action]:
        """Take note that the device can be reached; it is born when it was dead."""
        device = self._devices[name]
        device.reachable = True
        return self._ensure_born(name)

    def device_down(self, name: str) -> list[Action]:
        """Take note that the device cannot be reached; it dies once nothing of it is left to publish."""
        self._devices[name].reachable = False
        return self._deaths()

    def tick(self, *, now: float) -> None:
        """Let time pass: after a while without progress, sending begins again after what is acknowledged."""
        if self._connected and self._cursor > self._acknowledged and now - self._progress_at >= PATIENCE_S:
            self._cursor = self._acknowledged
            self._progress_at = now
            self._window = PROBE_WINDOW

    def wants(self) -> Wanted | None:
        """Say what to read from the journal next, for `publish`; None while there is nothing to send."""
        limit = min(self._last, self._acknowledged + self._window) - self._cursor
        return Wanted(after=self._cursor, limit=limit) if self._connected and limit > 0 else None

    def publish(self, entries: Iterable[Entry]) -> list[Action]:
        """Give the actions that send these entries, in order; what does not follow the cursor is left out."""
        actions: list[Action] = []
        if not self._connected:
            return actions
        for entry in entries:
            first, last = (entry.offset, entry.offset) if isinstance(entry, Record) else (entry.first, entry.last)
            if last <= self._cursor:
                continue
            if first > self._cursor + 1:
                break  # the entries were read for a round that is over; the next reading begins at the right place
            if isinstance(entry, Gap):
                actions.append(PublishGap(Gap(first=self._cursor + 1, last=last)))
            else:
                actions.extend(self._publish_record(entry))
            self._cursor = last
            self._furthest = max(self._furthest, last)
        actions.extend(self._deaths())
        return actions

    def _publish_record(self, record: Record) -> list[Action]:
        if record.device not in self._devices:
            # The device left the configuration with records unsent: nothing can be published about it, so they are a
            # gap.
            return [PublishGap(Gap(first=record.offset, last=record.offset))]
        historical = record.offset <= max(self._furthest, self._backlog)
        return [*self._ensure_born(record.device), PublishRecord(record=record, historical=historical)]

    def _births(self, now: float) -> list[Action]:
        self._cursor = self._acknowledged
        self._progress_at = now
        actions: list[Action] = [BirthNode()]
        for name, device in self._devices.items():
            device.born = True
            actions.append(BirthDevice(name))
        return [*actions, *self._deaths()]

    def _ensure_born(self, name: str) -> list[Action]:
        device = self._devices[name]
        if device.born or not self._connected:
            return []
        device.born = True
        return [BirthDevice(name)]

    def _deaths(self) -> list[Action]:
        if not self._connected:
            return []
        actions: list[Action] = []
        for name, device in self._devices.items():
            if device.born and not device.reachable and device.last_offset <= self._cursor:
                device.born = False
                actions.append(DeathDevice(name))
        return actions

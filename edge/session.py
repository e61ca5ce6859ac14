"""Which journal entries to publish when, and when devices are born and die (docs/CONTRACT.md, "The journal"). Pure.

The shell feeds in what happened, and carries out the actions it gets back in their order. Times are monotonic seconds.
A birth is named by the key of what it says (`edge.identity`); what it says is not looked at here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edge.losses import Reason, one_lost
from edge.records import Entry, Gap, Record

WINDOW = 512
"""How many offsets beyond the acknowledged one may be on their way."""
PROBE_WINDOW = 16
"""What is sent again while nobody answers, so that an absent cloud costs little; an answer opens the window."""
PATIENCE_S = 3.0
"""How long without progress until everything unacknowledged is sent again."""


@dataclass(frozen=True, slots=True)
class BirthNode:
    """Publish NBIRTH with the configuration's revision. A birth of every device follows."""

    revision: str


@dataclass(frozen=True, slots=True)
class BirthDevice:
    """Publish the device's DBIRTH, also when it is already born: as what `birth` says."""

    device: str
    birth: str


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
    """What the session knows about one device: its birth by the configuration, and the one that stands now."""

    last_offset: int
    wanted: str | None = None  # None: it is not in the configuration
    born: str | None = None


@dataclass(frozen=True, slots=True)
class _Change:
    """A configuration that is in force after all records up to `after`."""

    revision: str
    births: Mapping[str, str]
    after: int


class Session:
    """The publishing side of one journal, over any number of connections.

    `acknowledged` and `last` are the journal's own numbers at start; `held` maps every device of which the journal
    holds records to the highest offset of these. `births` maps every configured device to its birth; `known` are the
    births that can be published beside those.
    """

    def __init__(
        self,
        *,
        acknowledged: int,
        last: int,
        held: Mapping[str, int],
        births: Mapping[str, str],
        revision: str,
        known: Iterable[str] = (),
    ) -> None:
        self._acknowledged = acknowledged
        self._last = last
        self._devices = {name: _Device(last_offset=offset) for name, offset in held.items()}
        self._known = {*known, *births.values()}
        self._silent: set[str] = set()
        self._revision = revision
        self._change: _Change | None = None
        self._configure(revision, births)
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
        self._take_change()
        for device in self._devices.values():
            device.born = None

    def rebirth(self, *, now: float) -> list[Action]:
        """Answer a host that knows too little: the whole birth sequence, and what it cannot have understood again."""
        return self._births(now) if self._connected else []

    def appended(self, entries: Iterable[tuple[int, str]], *, now: float) -> None:
        """Take note of new records in the journal: (offset, device), in their order."""
        if self._cursor == self._acknowledged:
            self._progress_at = now  # the wait for an answer begins with the first entry on its way
        for offset, name in entries:
            self._last = max(self._last, offset)
            device = self._devices.setdefault(name, _Device(last_offset=offset))
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
        return self._settle()

    def device_up(self, name: str) -> list[Action]:
        """Take note that the device can be reached; it is born when it was dead."""
        self._silent.discard(name)
        device = self._devices.get(name)
        if device is None or device.born is not None or device.wanted is None:
            return []
        return self._ensure_born(name, device.wanted)

    def device_down(self, name: str) -> list[Action]:
        """Take note that the device cannot be reached; it dies once nothing of it is left to publish."""
        self._silent.add(name)
        return self._settle()

    def reconfigured(self, *, revision: str, births: Mapping[str, str]) -> list[Action]:
        """Take note of another configuration: from the next record on these devices are there, and no others.

        Everything is born anew once all records up to here have been published; a device that is gone dies before.
        """
        self._known.update(births.values())
        self._change = _Change(revision=revision, births=births, after=self._last)
        return self._settle()

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
                actions.append(PublishGap(replace(entry, first=self._cursor + 1)))
            else:
                actions.extend(self._publish_record(entry))
            self._cursor = last
            self._furthest = max(self._furthest, last)
            if self._change is not None:
                actions.extend(self._settle())
        actions.extend(self._settle())
        return actions

    def _publish_record(self, record: Record) -> list[Action]:
        device = self._devices.setdefault(record.device, _Device(last_offset=record.offset))
        birth = record.birth if record.birth in self._known else device.wanted
        if birth is None:
            # The device left the configuration with records unsent, and what its birth said is not known any more:
            # nothing can be published about it, so they are a gap.
            loss = one_lost(Reason.UNKNOWN_DEVICE, record.kind, at_ms=record.at_ms)
            return [PublishGap(Gap(first=record.offset, last=record.offset, loss=loss))]
        historical = record.offset <= max(self._furthest, self._backlog)
        return [*self._ensure_born(record.device, birth), PublishRecord(record=record, historical=historical)]

    def _births(self, now: float) -> list[Action]:
        self._cursor = self._acknowledged
        self._progress_at = now
        return [*self._born_anew(), *self._settle()]

    def _born_anew(self) -> list[Action]:
        actions: list[Action] = [BirthNode(self._revision)]
        for name, device in self._devices.items():
            device.born = device.wanted
            if device.wanted is not None:
                actions.append(BirthDevice(name, device.wanted))
        return actions

    def _ensure_born(self, name: str, birth: str) -> list[Action]:
        device = self._devices[name]
        if device.born == birth or not self._connected:
            return []
        device.born = birth
        return [BirthDevice(name, birth)]

    def _settle(self) -> list[Action]:
        """Let the births be what they should be, where nothing is left to publish that needs them otherwise."""
        if self._take_change() and self._connected:
            return [*self._deaths(), *self._born_anew(), *self._deaths()]
        return [*self._deaths(), *self._renewals()]

    def _take_change(self) -> bool:
        """Make a change of the configuration, if one waits for nothing more; whether there was one."""
        change = self._change
        if change is None or (self._connected and self._furthest < change.after):
            return False
        self._change = None
        self._configure(change.revision, change.births)
        return True

    def _configure(self, revision: str, births: Mapping[str, str]) -> None:
        self._revision = revision
        self._silent &= births.keys()
        for name, birth in births.items():
            self._devices.setdefault(name, _Device(last_offset=0)).wanted = birth
        for name in self._devices.keys() - births.keys():
            self._devices[name].wanted = None

    def _deaths(self) -> list[Action]:
        actions: list[Action] = []
        for name, device in list(self._devices.items()):
            if device.last_offset > self._cursor:
                continue  # something of it is still to be published
            gone = device.wanted is None
            if self._connected and device.born is not None and (gone or name in self._silent):
                device.born = None
                actions.append(DeathDevice(name))
            if gone and device.last_offset <= self._acknowledged:
                del self._devices[name]
        return actions

    def _renewals(self) -> list[Action]:
        """Let those be born anew who were born for old records, as what they are no more."""
        return [
            action
            for name, device in self._devices.items()
            if device.born is not None and device.wanted is not None and device.last_offset <= self._cursor
            for action in self._ensure_born(name, device.wanted)
        ]

"""What ingest remembers between batches, so that the hot path asks the database for nothing that it knows.

All of it can be had again: `NodeState` from the database, what births said from a rebirth. After a failed transaction
the first part is dropped as a whole, because it may have run ahead of the database.
"""

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.alarms.domain import PointValue
from cloud.alarms.engine import DeviceWork, Watched, watch
from cloud.assets import repository as asset_rows
from cloud.assets import service as assets
from cloud.assets.domain import DeviceRow
from cloud.ingest import repository
from cloud.ingest.domain import Shapes
from cloud.ingest.repository import GapRow, QuarantineRow
from cloud.telemetry.api import Sample
from drivers.profile import Profile
from wire.events import DeviceBorn, HostEvent
from wire.topic import NodeKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """One MQTT message, and when it arrived."""

    topic: str
    payload: bytes
    at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What the host made of a message, and the message, for the quarantine."""

    told: HostEvent
    source: Incoming


@dataclass(kw_only=True, slots=True)
class DeviceState:
    """A device, its rules, and the last values that they look at.

    `unproven` while only a birth has told these rules: that may be an old one, for records that are sent again.
    """

    row: DeviceRow
    shapes: Shapes
    watched: Watched | None
    values: dict[str, PointValue]
    unproven: bool = True


@dataclass(kw_only=True, slots=True)
class NodeState:
    """A node and the watermarks of its journals: `marks` as planned, `stored` as committed where that is behind.

    `behind`: whether it replays (None: not known since our start). `ack_wanted` until an acknowledgement has been sent,
    soon when there was `progress`, and rarely on repeats and holes.
    """

    id: int
    key: NodeKey
    foreign: bool
    journal_id: str | None = None
    first: int = 1
    marks: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    devices: dict[str, DeviceState] = field(default_factory=dict)
    behind: bool | None = None
    replayed: bool = False
    ack_wanted: bool = False
    progress: bool = False
    acked_ms: int = 0
    seen_ms: int = 0

    def advance(self, journal_id: str, offset: int) -> None:
        """Take a record as planned: what comes next is the one after it."""
        self.stored.setdefault(journal_id, self.marks[journal_id])
        self.marks[journal_id] = offset
        self.journal_id = journal_id

    def committed(self, journal_id: str, offset: int) -> None:
        """Take everything up to an offset as stored: it may be acknowledged now."""
        self.stored[journal_id] = offset
        self.ack_wanted = self.progress = True

    def acknowledgeable(self) -> int | None:
        """Give the watermark of the present journal that is known to be stored."""
        if self.journal_id is None:
            return None
        return self.stored.get(self.journal_id, self.marks.get(self.journal_id))


@dataclass(kw_only=True, slots=True)
class Births:
    """What the current births say; not from the database, and as true after a failed transaction as before."""

    journals: dict[NodeKey, tuple[str | None, int]] = field(default_factory=dict)
    devices: dict[tuple[NodeKey, str], DeviceBorn] = field(default_factory=dict)
    names: dict[NodeKey, set[str]] = field(default_factory=dict)
    """The devices of each node, so that the birth of one node costs nothing for all the others."""
    waiting: dict[tuple[NodeKey, str], str] = field(default_factory=dict)
    """Devices whose profile is asked for, and its hash: their records wait."""

    def take(self, born: DeviceBorn) -> None:
        """Keep what a device's birth said."""
        self.devices[born.node, born.device] = born
        self.names.setdefault(born.node, set()).add(born.device)

    def forget(self, key: NodeKey) -> None:
        """Drop everything that a node's births said."""
        self.journals.pop(key, None)
        for name in self.names.pop(key, ()):
            self.devices.pop((key, name), None)
            self.waiting.pop((key, name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class ToldOutcome:
    """What a device's record says became of a command."""

    device_id: int
    command_id: str
    outcome: str
    detail: str


@dataclass(kw_only=True, slots=True)
class Plan:
    """Everything that one run of data will change, collected before anything is written."""

    samples: list[Sample] = field(default_factory=list)
    last: dict[int, dict[str, Sample]] = field(default_factory=dict)
    """The newest value of each point of devices of our own nodes, whose records come in order."""
    last_by_time: dict[int, dict[str, Sample]] = field(default_factory=dict)
    """The same of what comes in no order that is known: of foreign nodes, and out of quarantine."""
    doubts: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    """Newest values whose time is not to be trusted, by device and point: that time, and why."""
    proven: list[Watched] = field(default_factory=list)
    """Devices that have just the rules by which they were born: alarms of others are of the past."""
    work: dict[int, DeviceWork] = field(default_factory=dict)
    marks: dict[tuple[int, str], int] = field(default_factory=dict)
    moved: dict[int, NodeState] = field(default_factory=dict)
    """The nodes whose watermarks these are."""
    gaps: list[GapRow] = field(default_factory=list)
    tokens: dict[int, str] = field(default_factory=dict)
    outcomes: list[ToldOutcome] = field(default_factory=list)
    quarantine: list[QuarantineRow] = field(default_factory=list)
    caught_up: set[int] = field(default_factory=set)
    seen: dict[int, int] = field(default_factory=dict)
    records: int = 0
    out_of_range: int = 0
    ahead: dict[NodeKey, int] = field(default_factory=dict)
    """Nodes whose clock is ahead, and by how many milliseconds."""
    ahead_readings: int = 0
    newest_live_ms: int | None = None

    def committed(self) -> None:
        """Let what is stored now be acknowledged."""
        for (node_id, journal_id), offset in self.marks.items():
            self.moved[node_id].committed(journal_id, offset)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return not (
            self.marks
            or self.last
            or self.last_by_time
            or self.tokens
            or self.quarantine
            or self.seen
            or self.caught_up
        )


async def load_node(conn: AsyncConnection, key: NodeKey, births: Births) -> NodeState | None:
    """Read a node from the database; None when it never was born."""
    row = await repository.find_node(conn, key.group, key.node)
    if row is None:
        return None
    journal_id, first = births.journals.get(key, (None, 1))
    return NodeState(id=row.id, key=key, foreign=row.foreign, journal_id=journal_id, first=first)


async def load_device(conn: AsyncConnection, node: NodeState, name: str) -> DeviceState | None:
    """Read a device, its profile and its last values from the database; None when it never was born."""
    row = await assets.find_device(conn, node_id=node.id, name=name)
    return await device_state(conn, row) if row is not None else None


async def device_state(conn: AsyncConnection, row: DeviceRow, profile: Profile | None = None) -> DeviceState:
    """Put together what ingest needs of a device; its profile is looked up unless it is at hand."""
    if profile is None and row.profile_hash is not None:
        profile = await assets.load_profile(conn, row.profile_hash)
    watched = watch(row, profile) if profile is not None else None
    found = await asset_rows.last_values(conn, [row.id]) if watched is not None and watched.rules else {}
    values = {
        value.point: PointValue(value=value.value, quality=value.quality, at_ms=value.at_ms)
        for value in found.get(row.id, [])
    }
    return DeviceState(row=row, shapes=Shapes(profile), watched=watched, values=values)

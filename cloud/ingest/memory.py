"""What ingest remembers between batches, so that the hot path asks the database for nothing that it knows.

All of it can be had again: `NodeState` from the database, what births said from a rebirth. After a failed transaction
the first part is dropped as a whole, because it may have run ahead of the database.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.alarms.domain import PointValue
from cloud.alarms.engine import DeviceWork, Watched, watch
from cloud.assets import birth_repository as birth_rows
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

    `behind`: whether it replays (None: not known since our start). `progress`: something was stored since the last
    acknowledgement.
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
        self.progress = True

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
    """What was said of devices that may still have to wait: a city's births do not fit into memory twice."""
    names: dict[NodeKey, set[str]] = field(default_factory=dict)
    """The devices of each node, so that the birth of one node costs nothing for all the others."""
    waiting: dict[tuple[NodeKey, str], str] = field(default_factory=dict)
    """Devices whose profile is asked for, and its hash: their records wait."""

    def take(self, born: DeviceBorn) -> None:
        """Keep what a device's birth said."""
        self.devices[born.node, born.device] = born
        self.names.setdefault(born.node, set()).add(born.device)

    def stored(self) -> None:
        """Let go of what need not be said again, because it is in the database."""
        for place in [place for place in self.devices if place not in self.waiting]:
            del self.devices[place]

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

    def committed(self) -> Iterable[NodeState]:
        """Take the plan as stored; give the nodes that have something to be acknowledged now."""
        for (node_id, journal_id), offset in self.marks.items():
            self.moved[node_id].committed(journal_id, offset)
        return self.moved.values()

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


class Rulebook:
    """What devices of one profile share: how its points are read, and its rules under the same overrides.

    A city has a hundred thousand devices of a few types, and what each needs is more than what it is.
    """

    def __init__(self) -> None:
        self._shapes: dict[str, Shapes] = {}
        self._watched: dict[tuple[str, str], Watched] = {}

    def shapes(self, profile_hash: str | None, profile: Profile | None) -> Shapes:
        """Give how the points of a profile are read; without one, each device has its own names."""
        if profile is None or profile_hash is None:
            return Shapes(profile)
        found = self._shapes.get(profile_hash)
        if found is None:
            if len(self._shapes) >= _MOST_SHARED:
                self._shapes.clear()
            found = self._shapes[profile_hash] = Shapes(profile)
        return found

    def watched(self, row: DeviceRow, profile: Profile | None) -> Watched | None:
        """Give a device with the rules that watch it."""
        if profile is None or row.profile_hash is None:
            return None
        key = (row.profile_hash, row.overrides)
        found = self._watched.get(key)
        if found is None:
            if len(self._watched) >= _MOST_SHARED:
                self._watched.clear()
            found = self._watched[key] = watch(row, profile)
        return Watched(device=row, profile=found.profile, rules=found.rules, by_point=found.by_point)


_MOST_SHARED = 1000
"""Profiles, and profiles with overrides, that a rulebook keeps."""


async def load_device(conn: AsyncConnection, node: NodeState, name: str, rulebook: Rulebook) -> DeviceState | None:
    """Read a device, its profile and its last values from the database; None when it never was born."""
    row = await assets.find_device(conn, node_id=node.id, name=name)
    if row is None:
        return None
    profile = await assets.load_profile(conn, row.profile_hash) if row.profile_hash is not None else None
    return (await device_states(conn, [(row, profile)], rulebook))[0]


async def device_states(
    conn: AsyncConnection, devices: Sequence[tuple[DeviceRow, Profile | None]], rulebook: Rulebook
) -> list[DeviceState]:
    """Put together what ingest needs of devices, of which the profiles are at hand."""
    states = [
        DeviceState(
            row=row,
            shapes=rulebook.shapes(row.profile_hash, profile),
            watched=rulebook.watched(row, profile),
            values={},
        )
        for row, profile in devices
    ]
    looked_at = {one.row.id: one for one in states if one.watched is not None and one.watched.by_point}
    points = {point for one in looked_at.values() if one.watched is not None for point in one.watched.by_point}
    for known in await birth_rows.newest(conn, looked_at.keys(), points):
        looked_at[known.device_id].values[known.point] = PointValue(
            value=known.value, quality=known.quality, at_ms=known.at_ms
        )
    return states

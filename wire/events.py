"""What a host learns from the messages of its nodes. Times are milliseconds since 1970, UTC."""

from dataclasses import dataclass

from wire.topic import NodeKey
from wire.values import Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeBorn:
    """A birth or a rebirth of a node: all its devices are unborn until their own births follow."""

    node: NodeKey
    bd_seq: int
    timestamp_ms: int
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceBorn:
    """A device is online; its metrics are these and no others."""

    node: NodeKey
    device: str
    timestamp_ms: int
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeData:
    """The readable metrics of one NDATA, with the names and data types of the birth."""

    node: NodeKey
    timestamp_ms: int
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceData:
    """The readable metrics of one DDATA, with the names and data types of the birth."""

    node: NodeKey
    device: str
    timestamp_ms: int
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceDied:
    """The edge node lost a device at `timestamp_ms` of its own clock."""

    node: NodeKey
    device: str
    timestamp_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeDied:
    """The node and all its devices are offline, since `at_ms` of the host's clock."""

    node: NodeKey
    bd_seq: int
    at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RebirthNeeded:
    """The host cannot read this node on without its whole birth sequence; how often to ask is the caller's choice."""

    node: NodeKey
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantined:
    """A whole payload (`metric` None) or one metric of it that could not be read; `metric` is its name or its alias."""

    topic: str
    payload: bytes
    reason: str
    metric: str | None = None
    node: NodeKey | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unborn:
    """A payload whose node or device has no valid birth at the moment, so that its aliases mean nothing.

    `device` is set when the node is born and only this device of it is not: no gap explains that.
    """

    topic: str
    payload: bytes
    node: NodeKey
    device: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ignored:
    """A message that rightly changes nothing, and why."""

    topic: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HostState:
    """A host application said whether it is online; a host that sees its own online=false publishes online again."""

    host_id: str
    online: bool
    timestamp_ms: int


HostEvent = (
    NodeBorn
    | DeviceBorn
    | NodeData
    | DeviceData
    | DeviceDied
    | NodeDied
    | RebirthNeeded
    | Quarantined
    | Unborn
    | Ignored
    | HostState
)

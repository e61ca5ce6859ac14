"""Topics of the namespace `spBv1.0` (Sparkplug 3.0, chapter 4): parse, format, allowed names, subscription filters."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from wire.errors import MalformedTopic

NAMESPACE = "spBv1.0"
_STATE = "STATE"
_FORBIDDEN = frozenset("+#/\0")


class MessageType(StrEnum):
    """The standard's eight message types between nodes and hosts."""

    NBIRTH = "NBIRTH"
    NDEATH = "NDEATH"
    NDATA = "NDATA"
    NCMD = "NCMD"
    DBIRTH = "DBIRTH"
    DDEATH = "DDEATH"
    DDATA = "DDATA"
    DCMD = "DCMD"


DEVICE_TYPES = frozenset({MessageType.DBIRTH, MessageType.DDEATH, MessageType.DDATA, MessageType.DCMD})
COMMAND_TYPES = frozenset({MessageType.NCMD, MessageType.DCMD})
_TYPES: dict[str, MessageType] = {kind.value: kind for kind in MessageType}


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class NodeKey:
    """Names one edge node in the whole infrastructure: the standard's edge node descriptor."""

    group: str
    node: str

    def __str__(self) -> str:
        return f"{self.group}/{self.node}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """Where one message belongs; `device` is set exactly for the device message types."""

    group: str
    type: MessageType
    node: str
    device: str | None = None

    def __post_init__(self) -> None:
        for name in (self.group, self.node) if self.device is None else (self.group, self.node, self.device):
            check_name(name)
        if (self.device is not None) != (self.type in DEVICE_TYPES):
            raise MalformedTopic(f"{self.type} {'needs a' if self.type in DEVICE_TYPES else 'has no'} device")

    @property
    def key(self) -> NodeKey:
        """The node that the message is of or for."""
        return NodeKey(group=self.group, node=self.node)

    def __str__(self) -> str:
        node = f"{NAMESPACE}/{self.group}/{self.type}/{self.node}"
        return node if self.device is None else f"{node}/{self.device}"


def check_name(name: str) -> str:
    """Return a group, node, device or host name that may stand in a topic; raises MalformedTopic."""
    if not name:
        raise MalformedTopic("a name in a Sparkplug topic is empty")
    if not _FORBIDDEN.isdisjoint(name):
        raise MalformedTopic(f"the name {name!r} has one of the characters + # / or NUL")
    return name


def case_twins(names: Iterable[str]) -> dict[str, str]:
    """Give the names that differ from an earlier one by case only, each with that one: no two should (chapter 5.2)."""
    first: dict[str, str] = {}
    return {name: twin for name in names if (twin := first.setdefault(name.lower(), name)) != name}


@lru_cache(maxsize=65_536)  # ingest parses the same few thousand topics for ever
def parse(topic: str) -> Topic:
    """Read a node's or a device's topic; raises MalformedTopic. STATE topics are `state_host`'s."""
    levels = topic.split("/")
    if levels[0] != NAMESPACE:
        raise MalformedTopic(f"{topic!r} is not in the namespace {NAMESPACE}")
    if len(levels) not in (4, 5):
        raise MalformedTopic(f"{topic!r} has {len(levels)} levels; a Sparkplug topic has 4 or 5")
    kind = _TYPES.get(levels[2])
    if kind is None:
        raise MalformedTopic(f"{topic!r} has the unknown message type {levels[2]!r}")
    return Topic(group=levels[1], type=kind, node=levels[3], device=levels[4] if len(levels) == 5 else None)  # noqa: PLR2004 the standard's fifth level is the device


def state_topic(host_id: str) -> str:
    """Return the topic on which a host application says whether it is online."""
    return f"{NAMESPACE}/{_STATE}/{check_name(host_id)}"


def state_host(topic: str) -> str | None:
    """Return the host id of a STATE topic, or None when the topic is another."""
    prefix, _, host_id = topic.rpartition("/")
    return host_id if prefix == f"{NAMESPACE}/{_STATE}" and host_id else None


def host_filters(group: str = "+", node: str = "+") -> tuple[str, ...]:
    """Return what a host subscribes to: births, deaths and data, never the commands that hosts themselves send."""
    return tuple(
        f"{NAMESPACE}/{group}/{kind}/{node}" + ("/+" if kind in DEVICE_TYPES else "")
        for kind in MessageType
        if kind not in COMMAND_TYPES
    )


def node_filters(group: str, node: str) -> tuple[str, str]:
    """Return what an edge node subscribes to: its own commands and those of all its devices."""
    check_name(group)
    check_name(node)
    return (f"{NAMESPACE}/{group}/{MessageType.NCMD}/{node}", f"{NAMESPACE}/{group}/{MessageType.DCMD}/{node}/#")

"""Linli's own metric names on top of Sparkplug: journal, profile, commands; points go by their plain id."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from wire.datatypes import DataType
from wire.edge_node import BD_SEQ, REBIRTH
from wire.errors import WireError

# On the node.
JOURNAL_ACK = "Node Control/Journal Ack"  # writable: "journal_id:offset", everything up to it is durable in the cloud
PROFILE_REQUEST = "Node Control/Profile Request"  # writable: the content hash of a profile that the cloud does not know
PROFILE_DOCUMENT = "Profile/Document"  # the answer: the canonical JSON of the profile
AGENT_VERSION = "Agent/Version"
AGENT_CONFIG_REVISION = "Agent/Config Revision"
JOURNAL_FIRST = "Journal/First"  # the oldest offset that the journal still holds

BUS = "Bus/"  # a prefix: figures of one bus, as Double; state, not records

# On the node and on every device, in every journalled payload.
JOURNAL_ID = "Journal/Id"
JOURNAL_OFFSET = "Journal/Offset"
JOURNAL_GAP_TO = "Journal/Gap To"  # a tombstone: Offset to Gap To, both included, were dropped by overflow

JOURNAL_GAP_DETAIL = "Journal/Gap Detail"  # JSON: {"reason", "lost": {class: count}, "from_ms", "to_ms"}
JOURNAL_FORMER = "Journal/Former"  # JSON: {"id", "last", "reason"} of the journal that this one takes the place of

# On a device.
TIME_QUALITY = "Time/Quality"  # in a record whose time is not to be trusted, and why
PROFILE_NAME = "Profile/Name"
PROFILE_VERSION = "Profile/Version"
PROFILE_HASH = "Profile/Hash"
DEVICE_LABEL = "Device/Label"  # JSON: {"zh": ..., "en": ...}
DEVICE_PLACE = "Device/Place"
ALARM_OVERRIDES = "Alarm/Overrides"  # JSON
COMMAND_ID = "Command/Id"
COMMAND_TOKEN = "Command/Token"  # noqa: S105 a metric's name; on the node: published for commands to bring back
COMMAND_TIMEOUT_MS = "Command/Timeout Ms"
COMMAND_OUTCOME = "Command/Outcome"
COMMAND_DETAIL = "Command/Detail"
COMMAND_DO = "Command/Do/"  # a prefix: one writable metric per command of the profile

DATATYPES: Mapping[str, DataType] = MappingProxyType(
    {
        JOURNAL_ACK: DataType.STRING,
        PROFILE_REQUEST: DataType.STRING,
        PROFILE_DOCUMENT: DataType.STRING,
        AGENT_VERSION: DataType.STRING,
        AGENT_CONFIG_REVISION: DataType.STRING,
        JOURNAL_FIRST: DataType.INT64,
        JOURNAL_ID: DataType.STRING,
        JOURNAL_OFFSET: DataType.INT64,
        JOURNAL_GAP_TO: DataType.INT64,
        JOURNAL_GAP_DETAIL: DataType.STRING,
        JOURNAL_FORMER: DataType.STRING,
        TIME_QUALITY: DataType.STRING,
        PROFILE_NAME: DataType.STRING,
        PROFILE_VERSION: DataType.STRING,
        PROFILE_HASH: DataType.STRING,
        DEVICE_LABEL: DataType.STRING,
        DEVICE_PLACE: DataType.STRING,
        ALARM_OVERRIDES: DataType.STRING,
        COMMAND_ID: DataType.STRING,
        COMMAND_TOKEN: DataType.STRING,
        COMMAND_TIMEOUT_MS: DataType.INT64,
        COMMAND_OUTCOME: DataType.STRING,
        COMMAND_DETAIL: DataType.STRING,
    }
)
_CONTROL = frozenset({*DATATYPES, BD_SEQ, REBIRTH})
_CONTROL_FOLDERS = ("Node Control/", COMMAND_DO)


class Outcome(StrEnum):
    """How a command ended; UNKNOWN means that the answer to the write was lost, so it may have happened."""

    DONE = "done"
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalPosition:
    """One record of one journal. Offsets of different journals cannot be compared."""

    journal_id: str
    offset: int

    def __post_init__(self) -> None:
        if not self.journal_id or self.offset < 0:
            raise WireError(f"not a journal position: {self.journal_id!r}, {self.offset}")

    @classmethod
    def parse(cls, text: str) -> "JournalPosition":
        """Read `journal_id:offset`; raises WireError."""
        journal_id, separator, offset = text.rpartition(":")
        if not separator or not offset.isascii() or not offset.isdecimal():
            raise WireError(f"not a journal position (journal_id:offset): {text!r}")
        try:
            return cls(journal_id=journal_id, offset=int(offset))
        except WireError:
            raise
        except ValueError as error:  # Python refuses integers of thousands of digits
            raise WireError("not a journal position: the offset is too long") from error

    def __str__(self) -> str:
        return f"{self.journal_id}:{self.offset}"


def is_control(name: str) -> bool:
    """Whether a metric belongs to the contract or the standard, as opposed to a point of a device."""
    return name in _CONTROL or name.startswith(_CONTROL_FOLDERS)


def bus_metric(bus: str, figure: str) -> str:
    """Return the metric of one figure of a bus."""
    return f"{BUS}{bus}/{figure}"


def command_metric(command: str) -> str:
    """Return the writable metric of a profile's command."""
    return COMMAND_DO + command


def command_name(metric: str) -> str | None:
    """Return the profile's command that a metric stands for, or None when it stands for none."""
    return metric.removeprefix(COMMAND_DO) if metric.startswith(COMMAND_DO) else None

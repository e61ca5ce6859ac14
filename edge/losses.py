"""What a record is worth when there is no room for all, and what is told of records that are lost. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class RecordClass(StrEnum):
    """What a record is. Telemetry goes first when there is no room; a later reading says most of it again."""

    TELEMETRY = "telemetry"
    EVENT = "event"  # somebody or something did something: a card, a key, a decision at the gate
    ALARM = "alarm"  # what makes an alarm, or ends it
    COMMAND = "command"  # how a command ended


OUTLIVING = tuple(one for one in RecordClass if one is not RecordClass.TELEMETRY)
"""What outlives telemetry; among these the oldest goes first."""


class Reason(StrEnum):
    """Why records are lost."""

    OVERFLOW = "overflow"  # the journal was full
    FULL_DISK = "full disk"  # the disk took nothing, and memory was full
    DAMAGED = "damaged"  # the disk gave back something else than was written
    UNREADABLE = "unreadable"  # what is written has no place in a message
    UNKNOWN_DEVICE = "unknown device"  # the device is gone, and what its birth said with it


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """Why the records of one gap are lost, how many of each class, and of which times (Unix ms, where known).

    Where the counts make more than the gap has offsets, a part of it was acknowledged before: each is an upper bound.
    """

    reason: Reason
    counts: Mapping[RecordClass, int]
    from_ms: int | None = None
    to_ms: int | None = None

    @property
    def total(self) -> int:
        """How many records it is about."""
        return sum(self.counts.values())

    def joined(self, other: "Loss") -> "Loss":
        """Give both as one; they have one reason."""
        return Loss(
            reason=self.reason,
            counts=added(self.counts, other.counts),
            from_ms=min(_known(self.from_ms, other.from_ms), default=None),
            to_ms=max(_known(self.to_ms, other.to_ms), default=None),
        )

    def within(self, size: int) -> "Loss":
        """Give what is left of it in a gap of that many offsets."""
        counts = {one: min(count, size) for one, count in self.counts.items()}
        return Loss(reason=self.reason, counts=counts, from_ms=self.from_ms, to_ms=self.to_ms)

    def document(self) -> str:
        """Write it down as JSON: `reason`, `lost` by class, `from_ms`, `to_ms`."""
        said = {"reason": self.reason, "lost": self.counts, "from_ms": self.from_ms, "to_ms": self.to_ms}
        return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def read_loss(document: str) -> Loss:
    """Read back what `Loss.document` wrote; what is not that (an earlier version wrote nothing) is an overflow."""
    try:
        said = json.loads(document)
        return Loss(
            reason=Reason(said["reason"]),
            counts={RecordClass(one): int(count) for one, count in said["lost"].items()},
            from_ms=said["from_ms"],
            to_ms=said["to_ms"],
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Loss(reason=Reason.OVERFLOW, counts={})


def one_lost(reason: Reason, kind: RecordClass, *, at_ms: int) -> Loss:
    """Give the loss of a single record."""
    return Loss(reason=reason, counts={kind: 1}, from_ms=at_ms, to_ms=at_ms)


def added(*all_counts: Mapping[RecordClass, int]) -> dict[RecordClass, int]:
    """Add up counts by class, in the order of the classes; those that are 0 are left out."""
    sums = {one: sum(counts.get(one, 0) for counts in all_counts) for one in RecordClass}
    return {one: count for one, count in sums.items() if count}


def in_words(counts: Mapping[RecordClass, int]) -> str:
    """Say counts by class, such as `1,200 telemetry, 3 event`."""
    return ", ".join(f"{count:,} {one}" for one, count in added(counts).items())


def _known(*times: int | None) -> Iterable[int]:
    return [at for at in times if at is not None]

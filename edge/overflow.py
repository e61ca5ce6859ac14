"""What goes when the journal is full: telemetry first, and what outlives it only when nothing else is left. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge.losses import OUTLIVING, RecordClass

_LEAVE = 0.99
"""An overflow makes room for a hundredth more, so that a full journal does not pay for it with every append."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much the journal may hold; beyond that the oldest records become gaps, telemetry first.

    Telemetry may fill all but `reserved` (a share, 0 to below 1), which is kept for what outlives it.
    """

    max_records: int
    max_bytes: int
    reserved: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """So many records, which take so many bytes."""

    records: int = 0
    bytes: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        """Give both together."""
        return Amount(records=self.records + other.records, bytes=self.bytes + other.bytes)

    def __sub__(self, other: "Amount") -> "Amount":
        """Give what is left of it."""
        return Amount(records=self.records - other.records, bytes=self.bytes - other.bytes)

    def fits(self, limit: "Amount") -> bool:
        """Whether it is within both limits."""
        return self.records <= limit.records and self.bytes <= limit.bytes


Held = Mapping[RecordClass, Amount]


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """Of these classes the oldest records go until `excess` is gone: as many records, and as many bytes, at least."""

    classes: tuple[RecordClass, ...]
    excess: Amount


def total(held: Held) -> Amount:
    """Give all classes together."""
    return sum(held.values(), Amount())


def telemetry_limit(limits: Limits) -> Amount:
    """Give how much telemetry may take."""
    share = 1 - limits.reserved
    return Amount(records=int(limits.max_records * share), bytes=int(limits.max_bytes * share))


def next_removal(held: Held, limits: Limits, *, newest: RecordClass | None) -> Removal | None:
    """Say what has to go next; None when everything fits. Ask again after it is gone.

    The newest record, of this class, does not go: a journal that holds nothing would report nothing.
    """
    telemetry = held.get(RecordClass.TELEMETRY, Amount())
    share = telemetry_limit(limits)
    may_go = telemetry.records > (newest is RecordClass.TELEMETRY)
    if may_go and not telemetry.fits(share):
        return Removal(classes=(RecordClass.TELEMETRY,), excess=_above(telemetry, share))
    everything, limit = total(held), Amount(records=limits.max_records, bytes=limits.max_bytes)
    if everything.fits(limit):
        return None
    return Removal(classes=(RecordClass.TELEMETRY,) if may_go else OUTLIVING, excess=_above(everything, limit))


def _above(amount: Amount, limit: Amount) -> Amount:
    return Amount(
        records=max(amount.records - int(limit.records * _LEAVE), 0),
        bytes=max(amount.bytes - int(limit.bytes * _LEAVE), 0),
    )

"""What is told of lost records, and how it is put together for a reader. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from cloud.telemetry.domain import LATEST_MS

CLASSES = ("telemetry", "event", "alarm", "command")
"""What a record can be, in the words of docs/CONTRACT.md."""

APART = 100
"""Gaps of one reason with so few records between them were made together: what lies between outlived the rest."""

_REPLACED = "journal "
"""Stands before the reason why a journal was replaced."""
_MAX_OFFSET = 2**63 - 1


class Reason(StrEnum):
    """Why records are lost, where it is not the agent that says so."""

    OVERFLOW = "overflow"  # an agent that gives no detail knows no other reason
    NOT_HELD = "not held"  # the journal begins later than what we have ends
    NOT_SAID = "not said"


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """Why records are lost, how many of each class (None: not known), and of which times (Unix ms, by the agent)."""

    reason: str
    lost: Mapping[str, int] | None = None
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Former:
    """A journal that another took the place of: its id and the last offset that it gave out, None where not known."""

    journal_id: str | None
    last: int | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """One gap of one journal, or several that lie side by side and have one reason.

    `parts` is how many there are, `records` how many offsets these have (None: nobody knows), and `kept` how many
    records between them arrived. `lost` is by class; `at_most` says that those counts are upper bounds.
    """

    id: int
    node_id: int
    journal_id: str
    reason: str
    first: int
    last: int | None
    lost: Mapping[str, int] | None
    from_ms: int | None
    to_ms: int | None
    found_ms: int
    parts: int = 1
    kept: int = 0

    @property
    def records(self) -> int | None:
        """How many records are lost."""
        return None if self.last is None else self.last - self.first + 1 - self.kept

    @property
    def at_most(self) -> bool:
        """Whether a part of what `lost` counts had arrived before."""
        records = self.records
        return self.lost is not None and records is not None and sum(self.lost.values()) > records


def read_loss(document: object, *, size: int) -> Loss:
    """Read `Journal/Gap Detail` for a gap of so many offsets; without one it is what early agents meant by a gap."""
    if document is None:
        return Loss(reason=Reason.OVERFLOW)
    said = _document(document)
    reason = said.get("reason")
    if not isinstance(reason, str) or not reason:
        return Loss(reason=Reason.NOT_SAID)
    counts = said.get("lost")
    lost = None
    if isinstance(counts, Mapping):
        lost = {one: min(count, size) for one in CLASSES if (count := _number(counts.get(one)))} or None
    return Loss(reason=reason[:190], lost=lost, from_ms=_time(said.get("from_ms")), to_ms=_time(said.get("to_ms")))


def read_former(document: object) -> Former | None:
    """Read `Journal/Former`; None when there was no journal before this one."""
    if document is None:
        return None
    said = _document(document)
    journal_id, last, reason = said.get("id"), _number(said.get("last")), said.get("reason")
    known = isinstance(journal_id, str) and 0 < len(journal_id) <= 64  # noqa: PLR2004 - as the column has it
    return Former(
        journal_id=str(journal_id) if known else None,
        last=last if known else None,
        reason=f"{_REPLACED}{reason}"[:190] if isinstance(reason, str) and reason else Reason.NOT_SAID,
    )


def merged(gaps: Iterable[Gap]) -> list[Gap]:
    """Put together gaps that lie side by side in one journal and have one reason; in the order of their offsets.

    An overflow that spares events leaves many small gaps. Nothing is hidden by that: the row counts its parts, what
    is lost, and what between them was kept.
    """
    rows: list[Gap] = []
    for gap in sorted(gaps, key=lambda one: (one.node_id, one.journal_id, one.first)):
        before = rows[-1] if rows else None
        if before is not None and _neighbours(before, gap):
            rows[-1] = _joined(before, gap)
        else:
            rows.append(gap)
    return rows


def _neighbours(before: Gap, gap: Gap) -> bool:
    return (
        (before.node_id, before.journal_id, before.reason) == (gap.node_id, gap.journal_id, gap.reason)
        and before.last is not None
        and gap.last is not None
        and 0 <= gap.first - before.last - 1 <= APART
    )


def _joined(before: Gap, gap: Gap) -> Gap:
    between = gap.first - (before.last or 0) - 1
    counted = [one for one in (before.lost, gap.lost) if one is not None]
    lost = {one: sum(counts.get(one, 0) for counts in counted) for one in CLASSES}
    return replace(
        before,
        id=max(before.id, gap.id),
        last=gap.last,
        # A part that says nothing of classes makes the sum less than all: then it is not said at all.
        lost={one: count for one, count in lost.items() if count} if len(counted) == 2 else None,  # noqa: PLR2004
        from_ms=min((one for one in (before.from_ms, gap.from_ms) if one is not None), default=None),
        to_ms=max((one for one in (before.to_ms, gap.to_ms) if one is not None), default=None),
        found_ms=max(before.found_ms, gap.found_ms),
        parts=before.parts + gap.parts,
        kept=before.kept + between + gap.kept,
    )


def _document(document: object) -> Mapping[str, Any]:
    try:
        said = json.loads(document) if isinstance(document, str) else None
    except ValueError:
        said = None
    return said if isinstance(said, Mapping) else {}


def _number(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MAX_OFFSET else None


def _time(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= LATEST_MS else None

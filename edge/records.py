"""What the journal holds: one record is one batch of readings of one device, and one payload on the wire. Pure."""

import json
from dataclasses import dataclass, field

from drivers.api import Quality, Reading
from edge.clock import TimeQuality
from edge.losses import Loss, RecordClass
from wire.contract import Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """How one command ended."""

    command_id: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A record that has no offset yet: readings of a device, or the result of a command to it (or both).

    `birth` is the key of the identity under which it was made; empty for whatever the device is when it is sent.
    `kind` is what its readings are worth, and `time` how far the clock could be trusted.
    """

    device: str
    at_ms: int
    birth: str = ""
    readings: tuple[Reading, ...] = ()
    result: CommandResult | None = None
    kind: RecordClass = RecordClass.TELEMETRY
    time: TimeQuality = TimeQuality.GOOD

    @property
    def worth(self) -> RecordClass:
        """What the record is: with a command's result, that."""
        return self.kind if self.result is None else RecordClass.COMMAND


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A draft that the journal has made durable under `offset`."""

    offset: int
    device: str
    at_ms: int
    readings: tuple[Reading, ...]
    result: CommandResult | None
    birth: str = ""
    kind: RecordClass = RecordClass.TELEMETRY
    time: TimeQuality = TimeQuality.GOOD


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A tombstone: the records from `first` to `last`, both included, are lost. `loss` is what is known of them."""

    first: int
    last: int
    loss: Loss | None = field(default=None, compare=False)


Entry = Record | Gap


def encode_body(draft: Draft) -> bytes:
    """Write the part of a record that has no column of its own."""
    body: dict[str, object] = {
        "r": [[r.point, r.value, int(r.quality), r.at_ms, r.reason] for r in draft.readings],
    }
    if draft.result is not None:
        body["c"] = [draft.result.command_id, draft.result.outcome.value, draft.result.detail]
    if draft.time is not TimeQuality.GOOD:
        body["t"] = draft.time.value
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def decode_body(
    *, offset: int, device: str, at_ms: int, body: bytes, birth: str = "", kind: RecordClass = RecordClass.TELEMETRY
) -> Record:
    """Read back what `encode_body` wrote; ValueError when the bytes are not that."""
    try:
        data = json.loads(body)
        readings = tuple(
            Reading(point=point, value=value, quality=Quality(quality), at_ms=when, reason=reason)
            for point, value, quality, when, reason in data["r"]
        )
        result = None
        if (told := data.get("c")) is not None:
            result = CommandResult(command_id=told[0], outcome=Outcome(told[1]), detail=told[2])
        time = TimeQuality(data.get("t", TimeQuality.GOOD))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"record {offset} is not readable: {error}") from error
    return Record(
        offset=offset, device=device, at_ms=at_ms, readings=readings, result=result, birth=birth, kind=kind, time=time
    )

"""Devices, places and commands as values, and the rules of a command's life. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cloud.access.domain import Where
from drivers.api import Value
from drivers.profile import Label, Profile

MAX_TIMEOUT_MS = 30_000
DEFAULT_TIMEOUT_MS = 10_000
TOKEN_FRESH_MS = 12_000
"""The edge takes a token for 15 s after it was issued; this leaves time for the way."""
OUTCOME_PATIENCE_MS = 30_000
"""How long after a command's time-out its outcome is waited for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceRow:
    """A device as the other features see it. `overrides` is JSON, for `drivers.profile.parse_overrides`."""

    id: int
    node_id: int
    name: str
    asset_id: int
    where: Where
    profile_hash: str | None
    overrides: str
    label: Label
    online: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LastValue:
    """The newest that is known of a point: numbers and booleans as float, text as text, None when never known.

    `time_quality` is why `at_ms` is not to be trusted, in the words of docs/CONTRACT.md; None when it is.
    """

    device_id: int
    point: str
    value: float | str | None
    quality: int
    at_ms: int
    received_ms: int
    time_quality: str | None = None


LastReading = tuple[int, str, int, float | str | None, int]
"""A reading as ingest hands it over, a hundred thousand a second: device id, point, time, value, quality."""


class Presence(StrEnum):
    """Whether a device or an agent answers, as far as anybody knows."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"
    """It was online when its broker went out of ingest's reach; whether it still is, nobody hears."""


def presence(*, online: bool, unheard_ms: int | None) -> Presence:
    """Say what is known of something that was told to be online, or not, when it was heard of last."""
    if not online:
        return Presence.OFFLINE
    return Presence.ONLINE if unheard_ms is None else Presence.UNKNOWN


class CommandState(StrEnum):
    """The life of a command; the last four are outcomes, in the words of docs/CONTRACT.md."""

    REQUESTED = "requested"
    SENT = "sent"
    DONE = "done"
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    UNKNOWN = "unknown"


OUTCOMES = frozenset({CommandState.DONE, CommandState.REFUSED, CommandState.TIMED_OUT, CommandState.UNKNOWN})

TAKES_OUTCOME: Mapping[CommandState, bool] = {
    CommandState.REQUESTED: True,  # a cloud that was restored from a backup may have forgotten that it was sent
    CommandState.SENT: True,
    CommandState.UNKNOWN: True,  # a late outcome is still the truth
    CommandState.DONE: False,
    CommandState.REFUSED: False,
    CommandState.TIMED_OUT: False,
}
"""Whether an outcome that the edge reports replaces the state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandRow:
    """A command as it was asked for and what became of it. `value` is what the person gave.

    `token` is the newest that its agent had told when it was asked for: the agent judges the command's age by it.
    """

    id: str
    device_id: int
    where: Where
    name: str
    value: Value | None
    state: CommandState
    detail: str
    requested_by: int
    timeout_ms: int
    requested_ms: int
    deadline_ms: int
    sent_ms: int | None
    ended_ms: int | None
    token: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingCommand:
    """A command that can be sent now: where to (Sparkplug names), what, and the token that proves it is fresh.

    `value` is what travels in `Command/Do/<name>`: the person's value, or true where the profile fixes one.
    """

    id: str
    group: str
    node: str
    node_id: int
    device: str
    name: str
    value: Value
    token: str
    timeout_ms: int


def parse_place(text: str) -> tuple[str | None, str | None]:
    """Read `building/place` as it stands in a site file: (building, place).

    `Tower 3/Roof` is the place Roof in Tower 3; `Tower 3` is the building as a whole; an empty text is the community.
    Only the first `/` separates, so a place's own name may have more.
    """
    building, _, place = (part.strip() for part in text.partition("/"))
    return (building[:200] or None, (place[:200] or None) if building else None)


class NotAccepted(ValueError):
    """A command's value does not fit; the text says what would."""


def check_command(profile: Profile, name: str, value: Value | None) -> Value | None:
    """Give the value to keep for a command (None where the profile fixes it); NotAccepted says what would fit."""
    command = profile.commands.get(name)
    if command is None:
        known = ", ".join(sorted(profile.commands)) or "none"
        raise NotAccepted(f"`{name}` is not a command of this device; its commands: {known}")
    if command.value is not None:
        # `true` says "do it", as on the wire.
        if value is not None and value is not True and value != command.value:
            raise NotAccepted(f"`{name}` takes no value")
        return None
    kind = profile.points[command.point].value_type
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not kind:
        raise NotAccepted(f"`{name}` takes a {kind.__name__}, not {value!r}")
    limits = command.limits
    if limits is not None and isinstance(value, int | float) and not limits.low <= value <= limits.high:
        unit = profile.points[command.point].unit
        raise NotAccepted(f"`{name}` takes {limits.low:g} to {limits.high:g} {unit}".rstrip() + f", not {value:g}")
    return value

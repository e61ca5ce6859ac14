"""How it stands with a reader: its secure channel, what it has told, and the commands on their way to it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from drivers.osdp.codec import Command
from drivers.osdp.replies import Identity

SILENT_AFTER_S = 8.0
"""After so long without a word a reader counts as silent, as the standard has it for the panel."""


class Security(IntEnum):
    """How the secure channel stands; anything but SECURE means that the reader's cards count for nothing."""

    SECURE = 0
    STARTING = 1
    NO_KEY = 2
    PLAIN = 3
    WRONG_KEY = 4
    DEFAULT_KEY = 5
    DROPPED = 6
    FORGED = 7
    INSTALLING = 8


MEANINGS: Mapping[Security, str] = {
    Security.SECURE: "the secure channel stands",
    Security.STARTING: "the secure channel is being set up",
    Security.NO_KEY: "the key file has no key for this unit",
    Security.PLAIN: "the reader refuses the secure channel, or answers in plain text",
    Security.WRONG_KEY: "the reader has another key",
    Security.DEFAULT_KEY: "the reader still has the default key",
    Security.DROPPED: "the reader has dropped the secure channel",
    Security.FORGED: "a frame came that the reader did not make, or not now",
    Security.INSTALLING: "the reader is being given its key",
}


class Outcome(Enum):
    """How a command ended: UNKNOWN when it was sent and its answer never came, UNSENT when it never went out."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNSENT = "unsent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A command for the reader."""

    code: Command
    data: bytes = field(default=b"", repr=False)
    ended: Callable[[Outcome, int], None] | None = None
    """Told once how it ended, and the code of a refusal."""

    def end(self, outcome: Outcome, code: int = 0) -> None:
        """Tell how it ended."""
        if self.ended is not None:
            self.ended(outcome, code)


@dataclass(kw_only=True, slots=True)
class Status:
    """What is known of a reader. None: not told on this secure channel. `online` is None before the first verdict."""

    online: bool | None = None
    heard_at: float = 0.0
    security: Security = Security.STARTING
    tamper: bool | None = None
    head_tamper: bool | None = None
    power_failure: bool | None = None
    outputs: tuple[bool, ...] = ()
    identity: Identity | None = None
    capabilities: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    cards: int = 0
    sessions: int = 0
    refusals: int = 0

    def forget(self) -> None:
        """Drop what was told on a channel that stands no more."""
        self.tamper = self.head_tamper = self.power_failure = self.identity = None
        self.outputs, self.capabilities = (), {}

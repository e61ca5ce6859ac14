"""What the gates of an agent share, and what the agent gives them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo

from edge.executor import CommandTarget
from edge.gate.access import Moment
from edge.gate.api import Check
from edge.gate.config import RollSettings
from edge.gate.health import Provider
from edge.gate.ledger import GateLedger
from edge.gate.passes import PassBook
from edge.gate.people.evidence import Evidence
from edge.gate.people.people import People
from wire.seal import PublicKeys


@dataclass(frozen=True, kw_only=True, slots=True)
class Gatehouse:
    """The people, passes and providers of an agent's gates; times are Unix ms, `monotonic` is in seconds.

    `keys` are those by which the service signs; `confirmed_ms` is when it last said that the roll is the newest.
    `target` gives a device as it is now; `accepts` says whether the token of a command is fresh; `connected` whether
    the broker is there; `journalled` whether all that was told is durable; `time_quality` how far the clock can be
    trusted, in the words of the contract.
    """

    community: str
    agent: str
    zone: tzinfo
    roll: RollSettings
    people: People
    evidence: Evidence
    passes: PassBook
    ledger: GateLedger
    providers: Mapping[Check, Provider]
    keys: Callable[[], PublicKeys]
    confirmed_ms: Callable[[], int | None]
    target: Callable[[str], CommandTarget | None]
    accepts: Callable[[str], bool]
    connected: Callable[[], bool]
    journalled: Callable[[], bool]
    clock_trusted: Callable[[], bool]
    time_quality: Callable[[], str]
    clock_ms: Callable[[], int]
    monotonic: Callable[[], float]
    new_id: Callable[[], str]

    def moment(self) -> Moment:
        """Give the time, and whether windows may be judged by it."""
        return Moment(at_ms=self.clock_ms(), zone=self.zone, trusted=self.clock_trusted())

"""What the gates of an agent run by, from one site file: compared when the file changes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.gate.config import GatehouseSettings, GateSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class GatePlan:
    """The gates with what they share, and the time zone by whose clocks hours are judged; no house: no gates."""

    house: GatehouseSettings | None = None
    gates: Mapping[str, GateSettings] = field(default_factory=dict)
    time_zone: str = "UTC"

"""What a site file says of a gate: its door, its eyes, its readers, its policy."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from drivers.profile import Identifier, Label, Slug
from edge.gate.api import Answer, Check, CheckPolicy, Demand
from runtime.config import Strict
from runtime.durations import Duration

Celsius = Annotated[float, Field(ge=-40, le=120)]


Absent = Annotated[Identifier | None, BeforeValidator(lambda value: None if value is False else value)]
"""A point that a door may lack: `false` in a site file, because TOML has no null."""


class CheckSettings(Strict):
    """One check. Without a key the check's own default holds."""

    demand: Demand
    failed: Answer | None = None
    unchecked: Answer | None = None
    budget: Duration | None = None


DEFAULT_CHECKS: Mapping[Check, CheckPolicy] = MappingProxyType(
    {
        Check.IDENTITY: CheckPolicy(demand=Demand.REQUIRED, unchecked=Answer.REFUSE, budget_ms=800),
        Check.ACCESS: CheckPolicy(demand=Demand.REQUIRED, unchecked=Answer.REFUSE, budget_ms=200),
        Check.LIVENESS: CheckPolicy(demand=Demand.REQUIRED, budget_ms=800),
        Check.PASSAGE: CheckPolicy(demand=Demand.REQUIRED, unchecked=Answer.STAFF, budget_ms=200),
        Check.TEMPERATURE: CheckPolicy(demand=Demand.OFF, failed=Answer.STAFF, budget_ms=800),
        Check.HEALTH_CODE: CheckPolicy(demand=Demand.OFF, budget_ms=500),
        Check.RECORD: CheckPolicy(demand=Demand.OFF, budget_ms=500),
        Check.MASK: CheckPolicy(demand=Demand.OFF, budget_ms=800),
    }
)
"""What holds where a site file says nothing: who, whether they may, whether they live, one by one."""


class DoorSettings(Strict):
    """The door: a device of the site file, by a profile that has the points and the pulse named here."""

    device: Slug
    unlock: Identifier = Field(default="unlock_time", description="the pulse: seconds, timed by the device itself")
    seconds: Annotated[float, Field(ge=0.1, le=30)] = 3.0
    relay: Identifier = Field(default="lock_relay", description="read back: true while the lock is let go")
    contact: Absent = Field(default="door_closed", description="true while the door is closed")
    exit_button: Absent = "exit_button"
    fire: Absent = Field(default="fire_release", description="true while the fire system wants it open")
    lock_power: Absent = Field(default="lock_power", description="must go false when fire releases")
    beam: Absent = Field(default=None, description="true while somebody stands in the passage")
    confirm_within: Duration = timedelta(seconds=1)
    held_after: Duration = Field(default=timedelta(seconds=20), description="open longer than this after a grant: held")
    release_within: Duration = Field(default=timedelta(seconds=5), description="fire must have let go by then")
    bounce: Duration = Field(default=timedelta(milliseconds=300), description="shorter openings are contact bounce")


class ThermalSettings(Strict):
    """The thermal camera, and how its picture lies on the visible one.

    `align` names two things that both show: (x1, y1, x2, y2) in the visible picture, then in the thermal one, as parts
    of each picture's width and height. Without it both pictures show the same field.
    """

    device: Slug
    align: tuple[tuple[float, float, float, float], tuple[float, float, float, float]] | None = None
    blackbody: tuple[int, int, int, int] | None = Field(
        default=None, description="(left, top, width, height) in thermal pixels"
    )
    blackbody_c: Celsius | None = None
    max_age: Duration = timedelta(milliseconds=500)


class EyesSettings(Strict):
    """The cameras of a gate, and what it looks for."""

    camera: Slug
    thermal: ThermalSettings | None = None
    models: str | None = Field(default=None, description="the models folder; by default where `linli models` puts them")
    stack: Literal["dlib", "opencv-zoo"] = "dlib"
    detector: Literal["dlib", "yunet"] | None = Field(
        default=None,
        description="what finds the faces, by default the stack's own; the enrolled stay known with another",
    )
    former: Literal["dlib", "opencv-zoo"] | None = Field(
        default=None,
        description="the models before these: whoever only they know is enrolled in the new ones in passing",
    )
    smallest_face: Annotated[int, Field(ge=40, le=1000)] = Field(default=92, description="pixels across")
    max_age: Duration = timedelta(milliseconds=500)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.stack == "opencv-zoo" and self.detector == "dlib":
            raise ValueError("opencv-zoo's recogniser needs the landmarks that YuNet finds: drop `detector`")
        return self


class ReaderSettings(Strict):
    """Something that reads cards, passes or key strokes: a device and the point that tells each reading."""

    device: Slug
    point: Identifier
    way: Literal["card", "pass", "pin"]


class FeverSettings(Strict):
    """When a skin temperature calls staff. The raw value is kept, and nothing is pulled toward normal."""

    limit_c: Celsius = 37.3
    coldest_c: Celsius = Field(default=30.0, description="a surface below this is no face in working order")


class ProviderSettings(Strict):
    """A provider of health codes or of test and vaccination records, over HTTP."""

    url: str = Field(min_length=8, description="POST; see docs/guides/gate.md for what is asked and answered")
    token_file: str | None = None
    timeout: Duration = timedelta(milliseconds=400)
    cache: Duration = timedelta(minutes=10)
    offline: Literal["last-known", "unchecked"] = Field(
        default="unchecked", description="what holds when it does not answer: its last answer, or nothing"
    )
    last_known_for: Duration = timedelta(hours=12)


class RollSettings(Strict):
    """Where residents, cards, passes and policies come from, and what a stale list means."""

    url: str | None = Field(default=None, description="the service, for pulling over HTTPS; none: kept by hand only")
    token_file: str | None = None
    ca_file: str | None = None
    keys_file: str | None = Field(default=None, description="public keys by which the service signs (linli gate keys)")
    every: Duration = timedelta(seconds=10)
    stale_after: Duration = timedelta(days=7)
    when_stale: Literal["trust", "staff", "refuse"] = "trust"


class GatehouseSettings(Strict):
    """What the gates of one agent have in common: who may pass, with their faces, and whom to ask about health.

    `demo` marks people who are simulated: their thresholds never come near a real gate, nor a real one near them.
    """

    community: Label | None = Field(default=None, description="the community's name on the kiosk")
    data: str = Field(default="gates", min_length=1, description="the folder of the gates, in the agent's data folder")
    key_file: str = Field(min_length=1, description="the key of the templates, apart from the data; made at first use")
    roll: RollSettings = RollSettings()
    health_code: ProviderSettings | None = None
    record: ProviderSettings | None = None
    share: str | None = Field(
        default=None, description="host:port at which other gates of the community find the faces"
    )
    shared_with: tuple[str, ...] = Field(default=(), description="host:port of agents that share their faces")
    community_key_file: str | None = Field(
        default=None,
        description="the key that all gates of the community have: it seals what they share and the backup",
    )
    backup_file: str | None = Field(
        default=None, description="the sealed backup, written anew after each erasure; best on another disk"
    )
    demo: bool = Field(default=False, description="drawn people: its faces and calibration never reach a real gate")


class KioskSettings(Strict):
    """The page at the gate."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    language: Literal["zh", "en"] = "zh"
    staff_file: str | None = Field(default=None, description="who may log in at the kiosk (linli gate staff)")


class GateSettings(Strict):
    """One gate of an agent."""

    label: Label
    device: Slug = Field(description="the device by which the gate reports: profile `linli-gate` on the bus `agent`")
    area: str = Field(default="public", min_length=1, description="what it leads into; people are given areas")
    direction: Literal["in", "out"] = "in"
    passback: bool = Field(default=False, description="who went in must go out before going in again (both ways read)")
    interlock: tuple[Slug, ...] = Field(
        default=(), description="gates of this agent whose doors must be shut meanwhile"
    )
    card_needs_face: bool = Field(
        default=False, description="a card or a PIN of somebody with a face is good only together with that face"
    )
    door: DoorSettings
    eyes: EyesSettings | None = None
    readers: tuple[ReaderSettings, ...] = ()
    checks: dict[Check, CheckSettings] = Field(default_factory=dict)
    temperature: FeverSettings = FeverSettings()
    kiosk: KioskSettings | None = None
    keep_snapshots: Duration | None = Field(
        default=None, description="keep a picture of refusals and staff calls for so long; by default none is kept"
    )

    @property
    def policy(self) -> Mapping[Check, CheckPolicy]:
        """What the gate makes of each check."""
        return {check: _policy(DEFAULT_CHECKS[check], self.checks.get(check)) for check in Check}

    def devices(self) -> Iterator[tuple[str, str]]:
        """Give the devices that it needs, with the key that names each."""
        yield "device", self.device
        yield "door.device", self.door.device
        if self.eyes is not None:
            yield "eyes.camera", self.eyes.camera
            if self.eyes.thermal is not None:
                yield "eyes.thermal.device", self.eyes.thermal.device
        for number, reader in enumerate(self.readers):
            yield f"readers.{number}.device", reader.device


def _policy(default: CheckPolicy, said: CheckSettings | None) -> CheckPolicy:
    if said is None:
        return default
    return CheckPolicy(
        demand=said.demand,
        failed=said.failed or default.failed,
        unchecked=said.unchecked or default.unchecked,
        budget_ms=default.budget_ms if said.budget is None else round(said.budget / timedelta(milliseconds=1)),
    )

"""What another site file changes for a running agent: a pure difference of two plans.

A line (a bus with its devices) is what is stopped and started. What is only said of a device (its label, its place, its
alarms, how often it reports) changes while its line runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from drivers.registry import BusSettings
from edge.config import AgentSettings, Broker, DeviceSettings, SiteConfig
from edge.gate.plan import GatePlan
from edge.identity import DeviceIdentity


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedDevice:
    """One device as it is to run. `birth` is the key of its identity."""

    settings: DeviceSettings
    identity: DeviceIdentity
    birth: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LinePlan:
    """One bus and its devices, by their names."""

    bus: BusSettings
    devices: Mapping[str, PlannedDevice]


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentPlan:
    """All that an agent runs by, from one site file.

    `fixed` is what only a start can change: the name of each such thing to what it is.
    """

    revision: str
    lines: Mapping[str, LinePlan]
    broker: Broker
    gates: GatePlan
    fixed: Mapping[str, object]

    @property
    def devices(self) -> Mapping[str, tuple[str, PlannedDevice]]:
        """Every device, with the name of its bus."""
        return {name: (bus, one) for bus, line in self.lines.items() for name, one in line.devices.items()}

    @property
    def births(self) -> Mapping[str, str]:
        """The key of each device's birth."""
        return {name: one.birth for name, (_, one) in self.devices.items()}

    def documents(self) -> Mapping[str, str]:
        """Write down what the births say and the profiles that they name, by key; slow where these are large."""
        identities = {one.birth: one.identity for _, one in self.devices.values()}
        profiles = {one.profile_hash: one.profile for one in identities.values()}
        told = {key: one.document for key, one in identities.items()}
        return told | {key: profile.document() for key, profile in profiles.items()}


class LineChange(StrEnum):
    """What becomes of a line."""

    KEPT = "kept"
    NEW = "new"
    GONE = "gone"
    RESTARTED = "restarted"


class DeviceChange(StrEnum):
    """What becomes of a device.

    REREAD is read by another profile, at another place or on another bus; RENAMED is only spoken of otherwise.
    """

    KEPT = "kept"
    NEW = "new"
    GONE = "gone"
    REREAD = "reread"
    RENAMED = "renamed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """The difference of two plans. `at_next_start` are the keys whose change waits for that."""

    lines: Mapping[str, LineChange]
    devices: Mapping[str, DeviceChange]
    broker: bool
    gates: bool = False
    at_next_start: tuple[str, ...] = field(default=())

    @property
    def nothing(self) -> bool:
        """Whether nothing that can change while the agent runs has changed."""
        kept = all(one is LineChange.KEPT for one in self.lines.values())
        kept = kept and all(one is DeviceChange.KEPT for one in self.devices.values())
        return kept and not self.broker and not self.gates

    def lines_that(self, *changes: LineChange) -> tuple[str, ...]:
        """Give the lines to which this happens."""
        return tuple(name for name, change in self.lines.items() if change in changes)

    def devices_that(self, *changes: DeviceChange) -> tuple[str, ...]:
        """Give the devices to which this happens."""
        return tuple(name for name, change in self.devices.items() if change in changes)


def plan_of(config: SiteConfig, agent: str) -> AgentPlan:
    """Give the plan of one agent of a site that was checked."""
    settings = config.settings.agents[agent]
    return AgentPlan(
        revision=config.revision,
        lines={
            bus: LinePlan(bus=one, devices=dict(_devices(config, settings, bus))) for bus, one in settings.buses.items()
        },
        broker=config.settings.broker,
        gates=GatePlan(house=settings.gatehouse, gates=settings.gates, time_zone=config.settings.site.time_zone),
        fixed={
            "site.community": config.settings.site.community,
            f"agents.{agent}.data": config.path(settings.data),
            f"agents.{agent}.http": settings.http,
            f"agents.{agent}.journal": settings.journal,
            f"agents.{agent}.clock": settings.clock,
        },
    )


def _devices(config: SiteConfig, settings: AgentSettings, bus: str) -> Iterator[tuple[str, PlannedDevice]]:
    for name, one in settings.devices.items():
        if one.bus == bus:
            identity = DeviceIdentity(
                label=one.label,
                place=one.place,
                profile=config.profile_of(one),
                profile_hash=config.profile_hashes[one.profile],
                overrides=one.alarms,
            )
            yield name, PlannedDevice(settings=one, identity=identity, birth=identity.key)


def difference(before: AgentPlan, after: AgentPlan, *, started: AgentPlan) -> Changes:
    """Compare two plans. `started` is the plan of the process's start, by which its fixed things still are."""
    were, are = before.devices, after.devices
    devices = {name: _device_change(were.get(name), are.get(name)) for name in {**were, **are}}
    return Changes(
        lines={
            name: _line_change(before.lines.get(name), after.lines.get(name), devices)
            for name in {**before.lines, **after.lines}
        },
        devices=devices,
        broker=before.broker != after.broker,
        gates=before.gates != after.gates,
        at_next_start=tuple(key for key, value in after.fixed.items() if started.fixed[key] != value),
    )


def _line_change(before: LinePlan | None, after: LinePlan | None, devices: Mapping[str, DeviceChange]) -> LineChange:
    if before is None:
        return LineChange.NEW
    if after is None:
        return LineChange.GONE
    same = before.bus == after.bus and before.devices.keys() == after.devices.keys()
    reread = any(devices[name] is DeviceChange.REREAD for name in after.devices)
    return LineChange.KEPT if same and not reread else LineChange.RESTARTED


def _device_change(before: tuple[str, PlannedDevice] | None, after: tuple[str, PlannedDevice] | None) -> DeviceChange:
    if before is None:
        return DeviceChange.NEW
    if after is None:
        return DeviceChange.GONE
    if _how_read(*before) != _how_read(*after):
        return DeviceChange.REREAD
    said_before, said_after = before[1], after[1]
    same = said_before.birth == said_after.birth and said_before.settings.heartbeat == said_after.settings.heartbeat
    return DeviceChange.KEPT if same else DeviceChange.RENAMED


def _how_read(bus: str, one: PlannedDevice) -> tuple[str, str, object]:
    said = set(type(one.settings).model_fields) & {"profile", "bus", "label", "place", "heartbeat", "alarms"}
    return bus, one.identity.profile_hash, one.settings.model_dump(exclude=said)

"""Births of devices inside a transaction, as many together as come together."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.assets import service as assets
from cloud.assets.births import DeviceBirth, devices_born
from cloud.ingest.domain import Declaration, declaration
from cloud.ingest.memory import DeviceState, Event, NodeState, device_states
from cloud.ingest.repository import QuarantineRow
from cloud.ingest.tracking import Tracking
from drivers.profile import Profile, parse_overrides
from runtime.logs import get_log
from wire.contract import ALARM_OVERRIDES
from wire.events import DeviceBorn, DeviceData
from wire.topic import NodeKey

FOREIGN_KIND = "device"


class Quarantine(Protocol):
    """Keeps what could not be read; adds to `rows` what is to be stored."""

    def __call__(
        self,
        rows: list[QuarantineRow],
        event: Event,
        *,
        kind: str,
        reason: str,
        metric: str | None,
        node_id: int | None,
    ) -> None:
        """Take one fault of one event."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Birth:
    """What a device's birth said, and the event that brought it."""

    told: DeviceBorn
    event: Event

    @property
    def place(self) -> tuple[NodeKey, str]:
        """What tells a device from all others."""
        return self.told.node, self.told.device


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    birth: Birth
    node: NodeState
    said: Declaration
    profile: Profile | None

    def row(self) -> DeviceBirth:
        return DeviceBirth(
            node_id=self.node.id,
            name=self.birth.told.device,
            profile_hash=self.said.profile_hash,
            overrides=self.said.overrides,
            label=self.said.label,
            place=self.said.place,
            kind=self.profile.kind if self.profile is not None else FOREIGN_KIND,
        )


class DeviceBirths:
    """Takes births of devices, or lets them wait for their profile. `node` finds a node, None when it is nobody's."""

    def __init__(
        self,
        *,
        tracking: Tracking,
        quarantine: Quarantine,
        node: Callable[[AsyncConnection, NodeKey], Awaitable[NodeState | None]],
    ) -> None:
        self._tracking = tracking
        self._quarantine = quarantine
        self._node = node
        self._log = get_log("cloud.ingest")

    async def born(
        self, conn: AsyncConnection, births: Sequence[Birth], rows: list[QuarantineRow], now_ms: int
    ) -> list[Event]:
        """Take births in their order; gives the readings that those of foreign nodes contain, for afterwards.

        What cannot be read goes to `rows`.
        """
        if not births:
            return []
        ready = await self._ready(conn, births, rows)
        devices = await devices_born(conn, (one.row() for one in ready), now_ms)
        found = zip(devices, (one.profile for one in ready), strict=True)
        states = await device_states(conn, list(found), self._tracking.rulebook)
        follows: list[Event] = []
        for one, state in zip(ready, states, strict=True):
            follows += self._take(one, state)
        return follows

    async def _ready(self, conn: AsyncConnection, births: Sequence[Birth], rows: list[QuarantineRow]) -> list[_Ready]:
        """Give the births that can be taken now; others wait for their profile, or belong to nobody."""
        waiting = self._tracking.births.waiting
        profiles: dict[str, Profile | None] = {}
        ready: list[_Ready] = []
        for birth in births:
            key, device = birth.place
            node = None if key in self._tracking.strangers else await self._node(conn, key)
            if node is None:
                reason = f"the node {key} belongs to no community"
                self._quarantine(rows, birth.event, kind="community", reason=reason, metric=None, node_id=None)
                continue
            said = declaration(device, birth.told.metrics)
            wanted = said.profile_hash
            if wanted is not None and wanted not in profiles:
                profiles[wanted] = await assets.load_profile(conn, wanted)
            profile = profiles[wanted] if wanted is not None else None
            if wanted is not None and profile is None:
                waiting[birth.place] = wanted
                node.devices.pop(device, None)
                continue
            waiting.pop(birth.place, None)
            problem = _problem(said.overrides)
            if problem is not None:
                self._quarantine(
                    rows, birth.event, kind="overrides", reason=problem, metric=ALARM_OVERRIDES, node_id=node.id
                )
            ready.append(_Ready(birth=birth, node=node, said=said, profile=profile))
        return ready

    def _take(self, one: _Ready, state: DeviceState) -> list[Event]:
        """Remember a device; gives what a foreign node's birth tells as readings. Ours have them in the journal."""
        born, node = one.birth.told, one.node
        beside = self._tracking.births.names.get(born.node, set())
        # Of two names the later one tells, so that it is told once.
        twin = next((name for name in beside if name < born.device and name.lower() == born.device.lower()), None)
        if twin is not None:
            self._log.warning(
                "the names of two devices differ by case only", node=str(node.key), device=born.device, other=twin
            )
        node.devices[born.device] = state
        if not node.foreign:
            return []
        data = DeviceData(node=born.node, device=born.device, timestamp_ms=born.timestamp_ms, metrics=born.metrics)
        return [Event(told=data, source=one.birth.event.source)]


@lru_cache(maxsize=1024)
def _problem(overrides: str) -> str | None:
    """Say why alarm overrides cannot be read; None when they can. A thousand devices have few different ones."""
    try:
        parse_overrides(overrides)
    except ValueError as error:
        return str(error)
    return None

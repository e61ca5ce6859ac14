"""What births and deaths change: nodes, devices, profiles, and where a journal stands."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.assets import service as assets
from cloud.assets.service import UnknownCommunity
from cloud.ingest import gap_repository, repository
from cloud.ingest.births import Birth, DeviceBirths, Quarantine
from cloud.ingest.domain import has_points, points_of
from cloud.ingest.gaps import Former, Loss, Reason, read_former
from cloud.ingest.memory import Event, NodeState, load_node
from cloud.ingest.metrics import IngestMetrics
from cloud.ingest.repository import GapRow, QuarantineRow
from cloud.ingest.tracking import Tracking
from cloud.platform.errors import Invalid
from runtime.logs import get_log
from wire.contract import (
    AGENT_CONFIG_REVISION,
    AGENT_VERSION,
    COMMAND_TOKEN,
    JOURNAL_FIRST,
    JOURNAL_FORMER,
    JOURNAL_ID,
    JOURNAL_OFFSET,
    PROFILE_DOCUMENT,
)
from wire.events import DeviceBorn, DeviceDied, HostEvent, NodeBorn, NodeData, NodeDied
from wire.topic import NodeKey


def is_state(told: HostEvent) -> bool:
    """Whether an event is about who is there, and not about readings."""
    if isinstance(told, NodeData):
        return any(metric.name == PROFILE_DOCUMENT and metric.value is not None for metric in told.metrics)
    return isinstance(told, NodeBorn | DeviceBorn | DeviceDied | NodeDied)


class StateKeeper:
    """Applies births and deaths inside a transaction."""

    def __init__(self, *, tracking: Tracking, quarantine: Quarantine, metrics: IngestMetrics) -> None:
        self._tracking = tracking
        self._quarantine = quarantine
        self._metrics = metrics
        self._devices = DeviceBirths(tracking=tracking, quarantine=quarantine, node=self._node)
        self._log = get_log("cloud.ingest")

    async def apply(
        self, conn: AsyncConnection, run: list[Event], rows: list[QuarantineRow], now_ms: int
    ) -> list[Event]:
        """Apply a run of events; what cannot be read goes to `rows`.

        Gives what follows, for after the transaction: readings that foreign births contain, and births that waited for
        a profile which has come.
        """
        follows: list[Event] = []
        pending: list[Birth] = []
        for event in run:
            told = event.told
            if isinstance(told, DeviceBorn):
                self._tracking.births.take(told)
                pending.append(Birth(told=told, event=event))
                continue
            # The birth of a node changes nothing for the devices of others: theirs can wait for company.
            if not isinstance(told, NodeBorn) or any(birth.told.node == told.node for birth in pending):
                follows += await self._devices.born(conn, pending, rows, now_ms)
                pending = []
            match told:
                case NodeBorn() as born:
                    await self._node_born(conn, born, event, rows, now_ms)
                    itself = self._as_device(born)
                    if itself is not None:
                        pending.append(Birth(told=itself, event=event))
                case DeviceDied() as died:
                    await self._device_died(conn, died, now_ms)
                case NodeDied() as died:
                    await self._node_died(conn, died.node, now_ms)
                case NodeData() as data:
                    follows.extend(await self._profile(conn, data, event, rows, now_ms))
                case _:
                    pass
        return follows + await self._devices.born(conn, pending, rows, now_ms)

    async def _node(self, conn: AsyncConnection, key: NodeKey) -> NodeState | None:
        node = self._tracking.nodes.get(key)
        if node is None:
            node = await load_node(conn, key, self._tracking.births)
            if node is not None:
                self._tracking.nodes[key] = node
        return node

    async def _node_born(
        self, conn: AsyncConnection, born: NodeBorn, event: Event, rows: list[QuarantineRow], now_ms: int
    ) -> None:
        key, tracking = born.node, self._tracking
        named = {metric.name: metric.value for metric in born.metrics}
        tracking.births.forget(key)
        journal_id, first = named.get(JOURNAL_ID), named.get(JOURNAL_FIRST)
        mine = isinstance(journal_id, str) and bool(journal_id)
        if not mine:
            await self._unborn(conn, key, now_ms)
        tracking.nodes.pop(key, None)
        tracking.arrived(key)
        try:
            node_id = await assets.node_born(
                conn,
                group=key.group,
                node=key.node,
                version=str(named.get(AGENT_VERSION) or ""),
                config_revision=str(named.get(AGENT_CONFIG_REVISION) or ""),
                foreign=not mine,
                now_ms=now_ms,
            )
        except UnknownCommunity as error:
            tracking.strangers[key] = now_ms
            self._quarantine(rows, event, kind="community", reason=error.message, metric=None, node_id=None)
            return
        tracking.strangers.pop(key, None)
        twin = await assets.name_twin(conn, node_id=node_id)
        if twin is not None:
            self._log.warning("the names of two agents differ by case only", node=str(key), other=twin)
        node = NodeState(id=node_id, key=key, foreign=not mine, seen_ms=now_ms)
        tracking.nodes[key] = node
        if not isinstance(journal_id, str) or not mine:
            return
        token = named.get(COMMAND_TOKEN)
        if isinstance(token, str):
            await assets.token_seen(conn, node_id=node_id, token=token[:64], now_ms=now_ms)
        node.journal_id = journal_id
        node.first = max(first, 1) if isinstance(first, int) else 1
        tracking.births.journals[key] = (journal_id, node.first)
        former = read_former(named.get(JOURNAL_FORMER))
        last = named.get(JOURNAL_OFFSET)
        await self._place_journal(conn, node, journal_id, last=last, former=former, now_ms=now_ms)

    async def _unborn(self, conn: AsyncConnection, key: NodeKey, now_ms: int) -> None:
        """Take the devices of a foreign node for offline until their own births; ours say when one is gone."""
        known = await self._node(conn, key)
        if known is not None:
            await assets.node_died(conn, node_id=known.id, now_ms=now_ms)

    async def _place_journal(
        self,
        conn: AsyncConnection,
        node: NodeState,
        journal_id: str,
        *,
        last: object,
        former: Former | None,
        now_ms: int,
    ) -> None:
        """Find where to go on in a journal; what it no longer holds is a gap that people can see."""
        mark = await repository.watermark(conn, node.id, journal_id)
        if mark is None:
            if former is not None:
                await self._former_lost(conn, node, journal_id, former, now_ms)
            elif await repository.has_other_journal(conn, node.id, journal_id):
                # What the old one held beyond its watermark is lost with it, or this agent is a copy of another.
                self._log.warning("an agent has begun another journal", node=str(node.key), journal=journal_id)
            mark = node.first - 1
            await repository.put_watermarks(conn, [(node.id, journal_id, mark)], now_ms)
        elif node.first > mark + 1:
            gap = GapRow(
                node_id=node.id,
                journal_id=journal_id,
                first=mark + 1,
                last=node.first - 1,
                loss=Loss(reason=Reason.NOT_HELD),
            )
            await repository.add_gaps(conn, [gap], now_ms)
            self._metrics.gaps.inc(gap.size)
            mark = node.first - 1
            await repository.put_watermarks(conn, [(node.id, journal_id, mark)], now_ms)
        elif isinstance(last, int) and 0 < last < mark:
            self._log.error(
                "the journal is older than what was received from it: an agent was restored from a copy",
                node=str(node.key),
                journal=journal_id,
                last=last,
                watermark=mark,
            )
        node.marks[journal_id] = mark
        # The edge may have missed the last acknowledgement; it then need not send again what is here.
        if mark > 0:
            self._tracking.want_ack(node.key)

    async def _former_lost(
        self, conn: AsyncConnection, node: NodeState, journal_id: str, former: Former, now_ms: int
    ) -> None:
        """Note what was lost with the journal that a new one takes the place of; each birth says it, the first counts.

        One that is too damaged to say its name was the one that records came from last, and nobody knows how much of
        it was not received yet.
        """
        if former.journal_id is None:
            old_id, mark = await gap_repository.newest_journal(conn, node.id, besides=journal_id) or ("", 0)
        else:
            old_id = former.journal_id
            found = await repository.watermark(conn, node.id, old_id)
            if found is None:
                await repository.put_watermarks(conn, [(node.id, old_id, 0)], now_ms)
            mark = found or 0
        self._log.warning(
            "an agent's journal was replaced", node=str(node.key), former=old_id, received=mark, last=former.last
        )
        if former.last is not None and former.last <= mark:
            return  # all of it is here
        gap = GapRow(
            node_id=node.id,
            journal_id=old_id,
            first=mark + 1,
            last=former.last,
            loss=Loss(reason=former.reason),
        )
        await repository.add_gaps(conn, [gap], now_ms)
        self._metrics.gaps.inc(gap.size)

    def _as_device(self, born: NodeBorn) -> DeviceBorn | None:
        """Take the points of a foreign node itself as those of a device of its name; ours have none."""
        node = self._tracking.nodes.get(born.node)
        if node is None or not node.foreign or not has_points(born.metrics):
            return None
        return DeviceBorn(
            node=born.node, device=born.node.node, timestamp_ms=born.timestamp_ms, metrics=points_of(born.metrics)
        )

    async def _device_died(self, conn: AsyncConnection, died: DeviceDied, now_ms: int) -> None:
        place = (died.node, died.device)
        self._tracking.births.devices.pop(place, None)
        self._tracking.births.waiting.pop(place, None)
        node = await self._node(conn, died.node)
        if node is None:
            return
        node.devices.pop(died.device, None)
        row = await assets.find_device(conn, node_id=node.id, name=died.device)
        if row is not None:
            # Since the time that its node says, but never since a time to come.
            await assets.device_died(conn, device_id=row.id, now_ms=min(died.timestamp_ms, now_ms))

    async def _node_died(self, conn: AsyncConnection, key: NodeKey, now_ms: int) -> None:
        node = await self._node(conn, key)
        self._tracking.births.forget(key)
        self._tracking.nodes.pop(key, None)
        self._tracking.strangers.pop(key, None)
        if node is not None:
            await assets.node_died(conn, node_id=node.id, now_ms=now_ms)

    async def _profile(
        self, conn: AsyncConnection, data: NodeData, event: Event, rows: list[QuarantineRow], now_ms: int
    ) -> list[Event]:
        """Keep a profile; gives the births that waited for it. They may be thousands, so they are not done here."""
        node = await self._node(conn, data.node)
        refuse = self._refusal(rows, event, node)
        document = next((metric.value for metric in data.metrics if metric.name == PROFILE_DOCUMENT), None)
        births = self._tracking.births
        try:
            profile = await assets.store_profile(conn, str(document), now_ms)
        except Invalid as error:
            refuse(f"{error.message}: {error.details}")
            return []
        known = profile.hash
        waiting = [place for place, profile_hash in births.waiting.items() if profile_hash == known]
        if not waiting:
            refuse(f"nobody asked for the profile {known} ({profile.name} {profile.version})")
        return [Event(told=births.devices[place], source=event.source) for place in waiting if place in births.devices]

    def _refusal(self, rows: list[QuarantineRow], event: Event, node: NodeState | None) -> Callable[[str], None]:
        node_id = node.id if node is not None else None

        def refuse(reason: str) -> None:
            self._quarantine(rows, event, kind="profile", reason=reason, metric=PROFILE_DOCUMENT, node_id=node_id)

        return refuse

"""What a run of data changes, worked out before anything is written: the journal's order, readings, outcomes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.alarms.domain import PointValue
from cloud.alarms.engine import DeviceWork, Step
from cloud.ingest import repository
from cloud.ingest.births import Quarantine
from cloud.ingest.domain import Position, Readings, Verdict, has_points, position, readings, verdict
from cloud.ingest.gaps import read_loss
from cloud.ingest.memory import DeviceState, Event, Incoming, NodeState, Plan, ToldOutcome, load_device, load_node
from cloud.ingest.metrics import IngestMetrics
from cloud.ingest.repository import GapRow
from cloud.ingest.tracking import Tracking
from cloud.platform.database import reading
from cloud.telemetry.api import Sample
from cloud.telemetry.domain import LATEST_MS
from wire.contract import (
    COMMAND_DETAIL,
    COMMAND_ID,
    COMMAND_OUTCOME,
    COMMAND_TOKEN,
    JOURNAL_GAP_DETAIL,
    TIME_QUALITY,
    Outcome,
)
from wire.events import DeviceData, NodeData, Quarantined, RebirthNeeded, Unborn
from wire.payload import Metric, MetricValue
from wire.topic import NodeKey

SEEN_EVERY_MS = 5_000
STRANGER_PATIENCE_MS = 30_000
AHEAD_MS = 300_000
"""How far an edge's clock may be ahead of ours before its times are no longer believed."""


class Planner:
    """Plans runs of data. It changes the memory ahead of the database; a failure drops that memory."""

    def __init__(
        self, *, engine: AsyncEngine, tracking: Tracking, quarantine: Quarantine, metrics: IngestMetrics
    ) -> None:
        self._engine = engine
        self._tracking = tracking
        self._quarantine = quarantine
        self._metrics = metrics

    async def plan(self, run: Sequence[Event], now_ms: int) -> Plan:
        """Work out what a run changes."""
        plan = Plan()
        for event in run:
            match event.told:
                case DeviceData() as data:
                    await self._data(plan, event, data.node, device=data.device, metrics=data.metrics, now_ms=now_ms)
                case NodeData() as data:
                    await self._data(plan, event, data.node, device=None, metrics=data.metrics, now_ms=now_ms)
                case Quarantined() as bad:
                    kind = "payload" if bad.metric is None else "metric"
                    await self._set_apart(plan, event, bad, kind=kind, reason=bad.reason, metric=bad.metric)
                case Unborn(device=str()) as late:
                    reason = "the device is not in the current birth"
                    await self._set_apart(plan, event, late, kind="device", reason=reason, metric=None)
                case Unborn():
                    self._metrics.unborn.inc()  # it is asked for again by the RebirthNeeded that comes with it
                case RebirthNeeded() as needed:
                    self._tracking.want_rebirth(needed.node)
                case _:
                    pass
        return plan

    async def _set_apart(
        self, plan: Plan, event: Event, bad: Quarantined | Unborn, *, kind: str, reason: str, metric: str | None
    ) -> None:
        """Put the payload that is meant into quarantine; what brought it to light may be a later message, or time."""
        node = await self._node(bad.node) if bad.node is not None else None
        meant = replace(event, source=Incoming(topic=bad.topic, payload=bad.payload, at_ms=event.source.at_ms))
        node_id = node.id if node is not None else None
        self._quarantine(plan.quarantine, meant, kind=kind, reason=reason, metric=metric, node_id=node_id)

    async def _data(
        self,
        plan: Plan,
        event: Event,
        key: NodeKey,
        *,
        device: str | None,
        metrics: tuple[Metric, ...],
        now_ms: int,
    ) -> None:
        node = await self._node(key)
        if node is None:
            self._stranger(plan, event, key, now_ms)
            return
        if now_ms - node.seen_ms >= SEEN_EVERY_MS:
            node.seen_ms = plan.seen[node.id] = now_ms
        if device is None:
            self._token(plan, node, metrics)
        place = position(metrics, node.journal_id)
        if place is None:
            if node.foreign and (device is not None or has_points(metrics)):
                named = key.node if device is None else device
                await self._foreign(plan, event, node, device=named, metrics=metrics, now_ms=now_ms)
            return
        mark = await self._mark(node, place.journal_id)
        match verdict(mark, place):
            case Verdict.REPEAT:
                self._tracking.want_ack(node.key)
                if any(metric.is_historical for metric in metrics):
                    self._follow_replay(plan, node, historical=True)
                self._metrics.repeats.inc()
            case Verdict.HOLE:
                self._tracking.want_ack(node.key)
                self._metrics.holes.inc()
            case Verdict.NEXT:
                await self._record(plan, event, node, device=device, metrics=metrics, place=place, now_ms=now_ms)

    async def plan_again(self, plan: Plan, event: Event, now_ms: int) -> str | None:
        """Work out what data out of quarantine changes; why it cannot be taken, or None when it can.

        It is of the past: telemetry gets all of it, and of the rest only what is newer than what is known changes
        anything. A record that is still to come in its turn is left to its agent.
        """
        data = event.told
        if not isinstance(data, DeviceData | NodeData):
            return "this is no data"
        key = data.node
        node = await self._node(key)
        device = data.device if isinstance(data, DeviceData) else key.node
        if node is None or (isinstance(data, NodeData) and not node.foreign):
            return f"the node {key} belongs to no community, or tells of itself what holds for the moment only"
        place = position(data.metrics, node.journal_id)
        if place is not None and place.last > await self._mark(node, place.journal_id):
            return "its agent has this record still, and sends it by itself"
        state = await self._device(node, device)
        if state is None or (key, device) in self._tracking.births.waiting:
            return f"the device {device} is not known, or waits for its profile"
        found = readings(state.row.id, data.metrics, state.shapes, now_ms)
        if found.rejected:
            return "; ".join(f"{one.metric}: {one.reason}" for one in found.rejected)
        found.historical = True
        self._take(plan, event, node, state=state, found=found, now_ms=now_ms, again=True)
        if COMMAND_OUTCOME in found.own:
            self._outcome(plan, event, node, device_id=state.row.id, own=found.own)
        return plan.quarantine[0].reason if plan.quarantine else None

    async def _record(
        self,
        plan: Plan,
        event: Event,
        node: NodeState,
        *,
        device: str | None,
        metrics: tuple[Metric, ...],
        place: Position,
        now_ms: int,
    ) -> None:
        if place.is_gap:
            first = node.marks[place.journal_id] + 1
            detail = next((metric.value for metric in metrics if metric.name == JOURNAL_GAP_DETAIL), None)
            loss = read_loss(detail, size=place.last - first + 1)
            plan.gaps.append(
                GapRow(node_id=node.id, journal_id=place.journal_id, first=first, last=place.last, loss=loss)
            )
        elif device is not None:
            if (node.key, device) in self._tracking.births.waiting:
                return  # neither processed nor acknowledged: it comes again when the profile is here
            state = await self._device(node, device)
            if state is None:
                self._tracking.want_rebirth(node.key)
                return
            _prove(plan, state)
            found = readings(state.row.id, metrics, state.shapes, now_ms)
            self._take(plan, event, node, state=state, found=found, now_ms=now_ms)
            if COMMAND_OUTCOME in found.own:
                self._outcome(plan, event, node, device_id=state.row.id, own=found.own)
            self._follow_replay(plan, node, historical=found.historical)
        node.advance(place.journal_id, place.last)
        plan.marks[node.id, place.journal_id] = place.last
        plan.moved[node.id] = node
        plan.records += 1

    def _take(
        self,
        plan: Plan,
        event: Event,
        node: NodeState,
        *,
        state: DeviceState,
        found: Readings,
        now_ms: int,
        again: bool = False,
    ) -> None:
        for bad in found.rejected:
            self._quarantine(plan.quarantine, event, kind="type", reason=bad.reason, metric=bad.metric, node_id=node.id)
        plan.out_of_range += found.out_of_range
        measured = found.measured
        newest = max((one.at_ms for one in measured), default=0)
        if newest > LATEST_MS:
            measured = self._storable(plan, event, node, found)
        if not measured:
            return
        plan.samples += found.kept
        if newest > now_ms + AHEAD_MS:
            measured = _not_ahead(plan, node, measured, now_ms)
        elif not found.historical:
            plan.newest_live_ms = newest if plan.newest_live_ms is None else max(newest, plan.newest_live_ms)
        device_id = state.row.id
        if node.foreign or again:
            last = plan.last_by_time.setdefault(device_id, {})
            last.update((one.point, one) for one in measured if _is_newer(one, last.get(one.point)))
        else:
            plan.last.setdefault(device_id, {}).update([(one.point, one) for one in measured])
        _note_doubts(plan, measured, found.own.get(TIME_QUALITY))
        if state.watched is None:
            return
        rules = state.watched.by_point
        values = {
            one.point: PointValue(value=one.value, quality=one.quality, at_ms=one.at_ms)
            for one in measured
            if one.point in rules and not (again and _is_past(one, state.values.get(one.point)))
        }
        if values:
            work = plan.work.get(device_id)
            if work is None:
                work = plan.work[device_id] = DeviceWork(watched=state.watched, values=state.values)
            work.steps.append(Step(values=values, historical=found.historical))

    def _outcome(
        self, plan: Plan, event: Event, node: NodeState, *, device_id: int, own: Mapping[str, MetricValue | None]
    ) -> None:
        outcome, command_id = own.get(COMMAND_OUTCOME), own.get(COMMAND_ID)
        if outcome is None:
            return
        if outcome not in _OUTCOMES or not isinstance(command_id, str):
            reason = f"{outcome!r:.60} is no outcome of a command"
            self._quarantine(
                plan.quarantine, event, kind="outcome", reason=reason, metric=COMMAND_OUTCOME, node_id=node.id
            )
            return
        detail = str(own.get(COMMAND_DETAIL) or "")
        told = ToldOutcome(device_id=device_id, command_id=command_id, outcome=str(outcome), detail=detail)
        plan.outcomes.append(told)

    def _token(self, plan: Plan, node: NodeState, metrics: tuple[Metric, ...]) -> None:
        """Keep a command token. A whole token period without replayed records also means that a replay has ended.

        Then all births are those of the present, unless records still wait for their profile.
        """
        token = next((metric.value for metric in metrics if metric.name == COMMAND_TOKEN), None)
        if not isinstance(token, str):
            return
        plan.tokens[node.id] = token[:64]
        if node.behind is not False and not node.replayed:
            plan.caught_up.add(node.id)
            node.behind = False
            if not any(key == node.key for key, _ in self._tracking.births.waiting):
                for state in node.devices.values():
                    _prove(plan, state)
        node.replayed = False

    @staticmethod
    def _follow_replay(plan: Plan, node: NodeState, *, historical: bool) -> None:
        if historical:
            node.behind = node.replayed = True
            plan.caught_up.discard(node.id)
        elif node.behind is not False:
            plan.caught_up.add(node.id)
            node.behind = False

    def _storable(self, plan: Plan, event: Event, node: NodeState, found: Readings) -> list[Sample]:
        """Set apart what no store can hold, or it would hold up everything behind it."""
        for one in found.measured:
            if one.at_ms > LATEST_MS:
                reason = f"no store can hold the time {one.at_ms}"
                self._quarantine(plan.quarantine, event, kind="type", reason=reason, metric=one.point, node_id=node.id)
        found.measured = [one for one in found.measured if one.at_ms <= LATEST_MS]
        return found.measured

    async def _foreign(
        self,
        plan: Plan,
        event: Event,
        node: NodeState,
        *,
        device: str,
        metrics: tuple[Metric, ...],
        now_ms: int,
    ) -> None:
        state = await self._device(node, device)
        if state is None:
            self._tracking.want_rebirth(node.key)
            return
        found = readings(state.row.id, metrics, state.shapes, now_ms)
        self._take(plan, event, node, state=state, found=found, now_ms=now_ms)
        self._metrics.foreign.inc()

    def _stranger(self, plan: Plan, event: Event, key: NodeKey, now_ms: int) -> None:
        """Refuse data of a node that belongs to no community, and ask now and then whether it does by now."""
        reason = f"the node {key} belongs to no community"
        self._quarantine(plan.quarantine, event, kind="community", reason=reason, metric=None, node_id=None)
        since = self._tracking.strangers.setdefault(key, now_ms)
        if now_ms - since >= STRANGER_PATIENCE_MS:
            self._tracking.strangers[key] = now_ms
            self._tracking.want_rebirth(key)

    async def _node(self, key: NodeKey) -> NodeState | None:
        node = self._tracking.nodes.get(key)
        if node is not None or key in self._tracking.strangers:
            return node
        async with reading(self._engine) as conn:
            node = await load_node(conn, key, self._tracking.births)
        if node is not None:
            self._tracking.nodes[key] = node
        return node

    async def _device(self, node: NodeState, name: str) -> DeviceState | None:
        state = node.devices.get(name)
        if state is None:
            async with reading(self._engine) as conn:
                state = await load_device(conn, node, name, self._tracking.rulebook)
            if state is not None:
                node.devices[name] = state
        return state

    async def _mark(self, node: NodeState, journal_id: str) -> int:
        mark = node.marks.get(journal_id)
        if mark is None:
            async with reading(self._engine) as conn:
                mark = await repository.watermark(conn, node.id, journal_id)
            if mark is None:
                mark = node.first - 1 if journal_id == node.journal_id else 0
            node.marks[journal_id] = mark
        return mark


def _not_ahead(plan: Plan, node: NodeState, measured: Sequence[Sample], now_ms: int) -> list[Sample]:
    """Give readings whose clock is ahead the time of their receipt; telemetry keeps what the edge said."""
    latest = now_ms + AHEAD_MS
    ahead = [one.at_ms - now_ms for one in measured if one.at_ms > latest]
    if ahead:
        plan.ahead[node.key] = max(ahead)
        plan.ahead_readings += len(ahead)
    return [one._replace(at_ms=now_ms) if one.at_ms > latest else one for one in measured]


def _prove(plan: Plan, state: DeviceState) -> None:
    """Take the rules of a device's birth for those that it has: something that comes in its turn was made under it.

    The birth alone does not say so. After a lost acknowledgement records of an earlier profile are sent again, under
    their own birth, and are repeats; that birth must not end what a later profile's rules have raised.
    """
    if state.unproven:
        state.unproven = False
        if state.watched is not None:
            plan.proven.append(state.watched)


def _note_doubts(plan: Plan, measured: Sequence[Sample], doubt: MetricValue | None) -> None:
    """Keep why the times of a record are not to be trusted; a later record of the same points says it anew."""
    if doubt is None and not plan.doubts:
        return
    for one in measured:
        if doubt is None:
            plan.doubts.pop((one.device_id, one.point), None)
        else:
            plan.doubts[one.device_id, one.point] = (one.at_ms, str(doubt))


def _is_past(one: Sample, known: PointValue | None) -> bool:
    return known is not None and one.at_ms <= known.at_ms


def _is_newer(one: Sample, known: Sample | None) -> bool:
    return known is None or one.at_ms >= known.at_ms


_OUTCOMES = frozenset(outcome.value for outcome in Outcome)

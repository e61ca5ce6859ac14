"""What turns readings into alarms: judged in event time inside the ingest's transaction, and by timers in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.alarms import repository
from cloud.alarms.domain import (
    FLAGS,
    Action,
    Change,
    ConditionState,
    Fired,
    NotAllowed,
    PointValue,
    Rule,
    State,
    by_point,
    expire,
    judge,
    rules,
    state_of,
    transition,
)
from cloud.alarms.repository import AlarmRow
from cloud.assets import service as assets
from cloud.assets.domain import DeviceRow
from cloud.notify import service as notify
from cloud.notify.domain import Kind
from cloud.work_orders import service as work_orders
from drivers.profile import Priority, Profile, parse_overrides

_BATCH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """A device with the rules that watch it; made once for each birth by `watch`."""

    device: DeviceRow
    profile: Profile
    rules: Mapping[str, Rule]
    by_point: Mapping[str, tuple[Rule, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The changed points of one record, and whether it was replayed."""

    values: Mapping[str, PointValue]
    historical: bool


@dataclass(kw_only=True, slots=True)
class DeviceWork:
    """The records of one device in one batch, in order. `values` is what was known before; evaluation brings it up."""

    watched: Watched
    values: dict[str, PointValue]
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Happening:
    watched: Watched
    rule: Rule
    fired: Fired
    historical: bool


def watch(device: DeviceRow, profile: Profile) -> Watched:
    """Make the rules of a device from its profile and its own overrides (unreadable ones count as none)."""
    try:
        overrides = parse_overrides(device.overrides)
    except ValueError:  # a foreign or newer edge wrote them: the profile's own limits are still right
        overrides = {}
    found = rules(profile, overrides)
    return Watched(device=device, profile=profile, rules={rule.id: rule for rule in found}, by_point=by_point(found))


async def evaluate(conn: AsyncConnection, work: Sequence[DeviceWork], *, now_ms: int) -> int:
    """Judge a batch of records, store what became of the conditions, and do what follows; how many alarms changed."""
    relevant = [item for item in work if item.watched.by_point and item.steps]
    if not relevant:
        return 0
    before = await repository.conditions(conn, {item.watched.device.id for item in relevant})
    after: dict[repository.Key, ConditionState] = {}
    happenings: list[_Happening] = []
    for item in relevant:
        _judge_device(item, before, after, happenings)
    changed = {key: state for key, state in after.items() if before.get(key) != state}
    await repository.put_conditions(conn, changed, now_ms)
    for happening in happenings:
        await _happen(conn, happening, now_ms)
    return len(happenings)


def _judge_device(
    item: DeviceWork,
    before: Mapping[repository.Key, ConditionState],
    after: dict[repository.Key, ConditionState],
    happenings: list[_Happening],
) -> None:
    device_id = item.watched.device.id
    for step in item.steps:
        by_time: dict[int, list[str]] = {}
        for point, value in step.values.items():
            by_time.setdefault(value.at_ms, []).append(point)
        for at_ms in sorted(by_time):
            touched: dict[str, Rule] = {}
            for point in by_time[at_ms]:
                item.values[point] = step.values[point]
                touched.update((rule.id, rule) for rule in item.watched.by_point.get(point, ()))
            for rule in touched.values():
                key = (device_id, rule.id)
                known = after.get(key, before.get(key))
                state, fired = judge(rule, known, item.values, at_ms=at_ms, historical=step.historical)
                if state is not None:
                    after[key] = state
                happenings.extend(
                    _Happening(watched=item.watched, rule=rule, fired=one, historical=step.historical) for one in fired
                )


async def run_timers(conn: AsyncConnection, now_ms: int) -> int:
    """Run out the delays that are due by the wall clock; how many alarms changed."""
    due = await repository.due_conditions(conn, now_ms, _BATCH)
    watched: dict[int, Watched | None] = {}
    after: dict[repository.Key, ConditionState] = {}
    happenings: list[_Happening] = []
    gone: list[repository.Key] = []
    for (device_id, rule_id), state in due.items():
        if device_id not in watched:
            watched[device_id] = await _watched(conn, device_id)
        found = watched[device_id]
        rule = found.rules.get(rule_id) if found is not None else None
        if found is None:
            gone.append((device_id, rule_id))
            continue
        if rule is None:
            # Born for records of the past at the moment, the device will have it again; or `retire` ends this.
            after[device_id, rule_id] = replace(state, backlog=True)
            continue
        after[device_id, rule_id], fired = expire(state, now_ms)
        happenings.extend(_Happening(watched=found, rule=rule, fired=one, historical=False) for one in fired)
    await repository.drop_conditions(conn, gone)
    await repository.put_conditions(conn, after, now_ms)
    for happening in happenings:
        await _happen(conn, happening, now_ms)
    return len(happenings)


async def caught_up(conn: AsyncConnection, node_id: int, now_ms: int) -> None:
    """Take a node's replay as ended: the wall clock counts again, and what is still active is no longer of the past."""
    await repository.end_backlog(conn, node_id)
    for row in await repository.active_of_the_past(conn, node_id):
        await repository.change(conn, row.id, historical=False)
        await repository.add_event(conn, alarm_id=row.id, at_ms=now_ms, kind="current", detail="it still goes on")
        await work_orders.still_going_on(conn, row.id)
        found = await _watched(conn, row.device_id)
        rule = found.rules.get(row.rule) if found is not None else None
        if found is not None and rule is not None and rule.priority is not Priority.URGENT:
            body = await _notice(conn, found, rule, now_ms)
            await _tell(conn, row.id, Kind.ALARM_RAISED, found, body, now_ms=now_ms)


async def retire(conn: AsyncConnection, watched: Watched, *, at_ms: int) -> None:
    """Clear the alarms of rules that a device no longer has, as after a change of its profile or its overrides."""
    device_id = watched.device.id
    stale = [key for key in await repository.conditions(conn, [device_id]) if key[1] not in watched.rules]
    await repository.drop_conditions(conn, stale)
    for row in await repository.open_of_device(conn, device_id):
        if row.flags.active and row.rule not in watched.rules:
            await _clear(
                conn, row, Action.CLEAR, at_ms=at_ms, now_ms=at_ms, detail="the device no longer has this rule"
            )


# --- what follows ----------------------------------------------------------------------------------------------------


async def _happen(conn: AsyncConnection, happening: _Happening, now_ms: int) -> None:
    row = await repository.find_open(conn, happening.watched.device.id, happening.rule.id)
    if happening.fired.change is Change.RAISE:
        if row is None:
            await _open(conn, happening, now_ms)
        else:
            await _raise_again(conn, row, happening, now_ms)
    elif row is not None:
        action = Action.LATCH if happening.rule.latching else Action.CLEAR
        await _clear(conn, row, action, at_ms=happening.fired.at_ms, now_ms=now_ms)


async def _open(conn: AsyncConnection, happening: _Happening, now_ms: int) -> None:
    watched, rule, fired = happening.watched, happening.rule, happening.fired
    device = watched.device
    flags = FLAGS[transition(State.NORMAL, Action.RAISE)]
    alarm_id = await repository.add(
        conn,
        device_id=device.id,
        asset_id=device.asset_id,
        community_id=device.where.community_id,
        building_id=device.where.building_id,
        place_id=device.where.place_id,
        rule=rule.id,
        profile_hash=device.profile_hash or watched.profile.hash,  # the latter is worked out each time
        priority=rule.priority.value,
        active=flags.active,
        acknowledged=flags.acknowledged,
        latched=flags.latched,
        closed=flags.closed,
        historical=happening.historical,
        occurrences=1,
        value=fired.value,
        raised_ms=fired.at_ms,
        last_active_ms=fired.at_ms,
        recorded_ms=now_ms,
    )
    if alarm_id is None:
        return  # another process opened it in this very moment: the database allows one
    await repository.add_event(conn, alarm_id=alarm_id, at_ms=fired.at_ms, kind="raised", detail=_shown(fired.value))
    body = await _notice(conn, watched, rule, fired.at_ms)
    if not happening.historical or rule.priority is Priority.URGENT:
        await _tell(conn, alarm_id, Kind.ALARM_RAISED, watched, body, now_ms=now_ms)
    if rule.work_order is not None:
        await work_orders.open_for_alarm(
            conn,
            work_orders.AlarmRef(
                id=alarm_id,
                where=device.where,
                asset_id=device.asset_id,
                device_id=device.id,
                priority=rule.priority,
                historical=happening.historical,
                notice=body,
            ),
            name=rule.work_order,
            template=watched.profile.work_orders[rule.work_order],
            now_ms=now_ms,
        )


async def _raise_again(conn: AsyncConnection, row: AlarmRow, happening: _Happening, now_ms: int) -> None:
    try:
        target = transition(state_of(row.flags), Action.RAISE)
    except NotAllowed:
        return  # it is active already: a repeat changes nothing
    fired = happening.fired
    await repository.change(
        conn,
        row.id,
        FLAGS[target],
        occurrences=row.occurrences + 1,
        last_active_ms=fired.at_ms,
        cleared_ms=None,
        value=fired.value,
        historical=row.historical and happening.historical,
    )
    await repository.add_event(
        conn, alarm_id=row.id, at_ms=fired.at_ms, kind="raised again", detail=_shown(fired.value)
    )
    await work_orders.sensor_failed_again(conn, row.id, historical=happening.historical, now_ms=now_ms)
    if not happening.historical:
        body = await _notice(conn, happening.watched, happening.rule, fired.at_ms)
        await _tell(conn, row.id, Kind.ALARM_AGAIN, happening.watched, body, now_ms=now_ms)


async def _clear(
    conn: AsyncConnection, row: AlarmRow, action: Action, *, at_ms: int, now_ms: int, detail: str = ""
) -> None:
    try:
        target = transition(state_of(row.flags), action)
    except NotAllowed:
        return  # it has cleared already
    await repository.change(conn, row.id, FLAGS[target], cleared_ms=at_ms)
    kind = "latched" if FLAGS[target].latched else "cleared"
    await repository.add_event(conn, alarm_id=row.id, at_ms=at_ms, kind=kind, detail=detail)
    await work_orders.sensor_restored(conn, row.id, at_ms=at_ms, now_ms=now_ms)


async def _watched(conn: AsyncConnection, device_id: int) -> Watched | None:
    device = await assets.get_device(conn, device_id)
    if device is None or device.profile_hash is None:
        return None
    profile = await assets.load_profile(conn, device.profile_hash)
    return watch(device, profile) if profile is not None else None


async def _notice(conn: AsyncConnection, watched: Watched, rule: Rule, at_ms: int) -> dict[str, Any]:
    around = await repository.surroundings(conn, watched.device.where)
    return {
        "time_zone": around.time_zone,
        "place": around.place,
        "at_ms": at_ms,
        "number": "",
        "device": watched.device.label.model_dump(),
        "title": rule.label.model_dump(),
        "cause": rule.cause.model_dump(),
        "response": rule.response.model_dump(),
    }


async def _tell(
    conn: AsyncConnection,
    alarm_id: int,
    kind: Kind,
    watched: Watched,
    body: Mapping[str, Any],
    *,
    now_ms: int,
) -> None:
    await notify.enqueue(
        conn,
        key=f"alarm-{alarm_id}:{kind.value}:{body['at_ms']}",
        kind=kind,
        account_id=None,
        community_id=watched.device.where.community_id,
        body=body,
        now_ms=now_ms,
    )


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:g}"

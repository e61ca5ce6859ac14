"""What people do with alarms: look at them, acknowledge them, reset them. What raises them is in engine.py."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Actor, Permission
from cloud.access.service import authorise
from cloud.alarms import repository
from cloud.alarms.domain import FLAGS, Action, Flags, NotAllowed, allowed, describe, state_of, transition
from cloud.alarms.repository import AlarmRow
from cloud.assets import service as assets
from cloud.platform.errors import Conflict, NotFound
from cloud.work_orders import repository as work_orders
from drivers.profile import Priority, Profile

ENGINE_SILENCE_MS = 10_000
"""When no worker has shown a heartbeat for so long, nobody runs out the delays of alarms."""

_FIGURES = ("open", "active", "unacknowledged")
_PEOPLE = (Action.ACKNOWLEDGE, Action.RESET)


async def acknowledge(conn: AsyncConnection, actor: Actor, alarm_id: int, *, now_ms: int) -> AlarmRow:
    """Say that somebody has seen an alarm; NotFound, Forbidden, Conflict when it is not unacknowledged."""
    values = {"acknowledged_ms": now_ms, "acknowledged_by": actor.account_id}
    return await _act(conn, actor, alarm_id, Action.ACKNOWLEDGE, now_ms=now_ms, values=values)


async def reset(conn: AsyncConnection, actor: Actor, alarm_id: int, *, now_ms: int) -> AlarmRow:
    """Let a latched alarm go back to normal; NotFound, Forbidden, Conflict when it is not latched and acknowledged."""
    return await _act(conn, actor, alarm_id, Action.RESET, now_ms=now_ms, values={})


async def _act(
    conn: AsyncConnection,
    actor: Actor,
    alarm_id: int,
    action: Action,
    *,
    now_ms: int,
    values: Mapping[str, object],
) -> AlarmRow:
    row = await repository.get(conn, alarm_id)
    if row is None or not actor.may(Permission.VIEW, row.where):
        raise NotFound(f"there is no alarm {alarm_id}")
    await authorise(
        conn,
        actor,
        Permission.ACKNOWLEDGE,
        row.where,
        action=f"alarm.{action.value}",
        subject=f"alarm:{alarm_id}",
        now_ms=now_ms,
        detail={"rule": row.rule, "device_id": row.device_id},
    )
    state = state_of(row.flags)
    try:
        target = transition(state, action)
    except NotAllowed as error:
        choices = [one.value for one in error.allowed if one in _PEOPLE]
        details = {"state": state.value, "allowed": choices}
        raise Conflict(str(error), code="illegal_move", details=details) from error
    await repository.change(conn, alarm_id, FLAGS[target], **values)
    kind = "acknowledged" if action is Action.ACKNOWLEDGE else "reset"
    await repository.add_event(conn, alarm_id=alarm_id, at_ms=now_ms, kind=kind, account_id=actor.account_id)
    after = await repository.get(conn, alarm_id)
    if after is None:
        raise NotFound(f"there is no alarm {alarm_id}")
    return after


async def list_alarms(
    conn: AsyncConnection,
    actor: Actor,
    *,
    state: str = "open",
    community: str | None = None,
    priority: Priority | None = None,
    device_id: int | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """List the alarms that somebody sees, newest first, each with what to do about it. `state`: a key of FILTERS."""
    rows = await repository.listing(
        conn,
        actor.visible(),
        state=state,
        community_code=community,
        priority=priority.value if priority is not None else None,
        device_id=device_id,
        before_id=before_id,
        limit=limit,
    )
    profiles = {key: await assets.load_profile(conn, key) for key in {row["profile_hash"] for row in rows}}
    return [_document(row, profiles[row["profile_hash"]]) for row in rows]


async def get_alarm(conn: AsyncConnection, actor: Actor, alarm_id: int) -> dict[str, Any]:
    """Give one alarm with its history and its work order; NotFound."""
    row = await repository.detail(conn, actor.visible(), alarm_id)
    if row is None:
        raise NotFound(f"there is no alarm {alarm_id}")
    document = _document(row, await assets.load_profile(conn, row["profile_hash"]))
    order = await work_orders.of_alarm_document(conn, alarm_id)
    return {**document, "history": await repository.events(conn, alarm_id), "work_order": order}


async def overview(conn: AsyncConnection, actor: Actor, *, now_ms: int) -> dict[str, Any]:
    """Give the figures of the first page, over what somebody sees, and whether the engine itself is alive."""
    visible = actor.visible()
    found = {row[0]: row[1:] for row in await repository.counts(conn, visible)}
    alarms = {
        priority.value: dict(
            zip(("open", "active", "unacknowledged"), found.get(priority.value, (0, 0, 0)), strict=True)
        )
        for priority in Priority
    }
    online, offline, unknown = await repository.device_counts(conn, visible)
    newest = await repository.newest_heartbeat(conn)
    age_ms = None if newest is None else max(now_ms - newest, 0)
    return {
        "alarms": alarms,
        "unacknowledged": sum(figures["unacknowledged"] for figures in alarms.values()),
        "work_orders": await work_orders.counts(conn, visible),
        "devices": {"online": online, "offline": offline, "unknown": unknown},
        "engine": {"alive": age_ms is not None and age_ms <= ENGINE_SILENCE_MS, "heartbeat_age_ms": age_ms},
        "now_ms": now_ms,
    }


_PLAIN = (
    "id", "device_id", "device", "asset_id", "community_id", "community", "building", "place", "rule", "priority",
    "active", "acknowledged", "latched", "closed", "historical", "occurrences", "value", "raised_ms", "last_active_ms",
    "cleared_ms", "acknowledged_ms", "acknowledged_by", "acknowledged_by_name", "recorded_ms",
)  # fmt: skip


def _document(row: Mapping[Any, Any], profile: Profile | None) -> dict[str, Any]:
    """Join an alarm with the texts of the profile version that raised it; None for what that version does not have."""
    rule = describe(profile, row["rule"]) if profile is not None else None
    flags = Flags(active=row["active"], acknowledged=row["acknowledged"], latched=row["latched"], closed=row["closed"])
    state = state_of(flags)
    points = rule.points if rule is not None else ()
    unit = profile.points[rule.tests[0].point].unit if profile is not None and rule is not None else ""
    return {
        **{name: row[name] for name in _PLAIN},
        "state": state.value,
        "allowed": [one.value for one in allowed(state) if one in _PEOPLE],
        "device_label": {"zh": row["label_zh"], "en": row["label_en"]},
        "asset": {"zh": row["asset_zh"], "en": row["asset_en"]},
        "community_name": {"zh": row["community_zh"], "en": row["community_en"]},
        "label": rule.label.model_dump() if rule is not None else {"zh": row["rule"], "en": row["rule"]},
        "cause": rule.cause.model_dump() if rule is not None else None,
        "consequence": rule.consequence.model_dump() if rule is not None else None,
        "response": rule.response.model_dump() if rule is not None else None,
        "respond_within_ms": rule.respond_within_ms if rule is not None else None,
        "points": sorted(points),
        "unit": unit,
    }

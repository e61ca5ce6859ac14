"""What is behind the pages in a test: a community with people, devices, alarms, orders and oddities."""

import json
import math
import random
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Role, Scope, ScopeKind
from cloud.alarms import repository as alarms
from cloud.alarms.domain import FLAGS, State
from cloud.assets import command_repository as commands
from cloud.assets import organisation
from cloud.assets import service as assets
from cloud.assets.domain import CommandRow, CommandState, DeviceRow, LastValue
from cloud.config import load_config
from cloud.ingest.tables import journal, journal_gap, quarantine
from cloud.people import repository as people_rows
from cloud.people import service as people
from cloud.platform.database import open_engine, transaction
from cloud.platform.migrate import upgrade
from cloud.platform.security import Passwords
from cloud.telemetry.api import Sample
from cloud.telemetry.embedded import EmbeddedTelemetry
from cloud.work_orders import repository as orders
from drivers.profile import Label, Point, Profile, Range, load_profile

if TYPE_CHECKING:
    from tests.support.pages import Site

ROOT = Path(__file__).parents[2]
PASSWORD = "night-shift-7"
COMMUNITY = "sunshine-garden"
MINUTE = 60_000
HOUR = 60 * MINUTE

PEOPLE: dict[str, tuple[str, Role, str, tuple[str, ...]]] = {
    "admin": ("王敏", Role.ADMIN, "138 0000 0001", ()),
    "operator": ("李静", Role.OPERATOR, "138 0000 0002", ()),
    "engineer": ("陈刚", Role.ENGINEER, "138 0000 0003", ("pump", "elevator")),
    "zhang": ("张伟", Role.TECHNICIAN, "138 0000 0004", ("pump",)),
    "liu": ("刘洋", Role.TECHNICIAN, "138 0000 0005", ("elevator",)),
    "viewer": ("Guest", Role.VIEWER, "", ()),
}
DEVICES = (
    ("pump-1", "grundfos-hydro-mpc", "1号楼/泵房", Label(zh="1号楼供水机组", en="Booster set, Tower 1")),
    ("pump-2", "grundfos-hydro-mpc", "5号楼/泵房", Label(zh="5号楼供水机组", en="Booster set, Tower 5")),
    ("lift-1", "nice3000-elevator", "1号楼/1单元", Label(zh="1号楼1单元客梯", en="Lift 1, Tower 1")),
    ("lift-2", "nice3000-elevator", "1号楼/2单元", Label(zh="1号楼2单元客梯", en="Lift 2, Tower 1")),
    ("lift-3", "nice3000-elevator", "3号楼/1单元", Label(zh="3号楼1单元客梯", en="Lift 1, Tower 3")),
    ("lift-4", "nice3000-elevator", "3号楼/货梯", Label(zh="3号楼货梯", en="Goods lift, Tower 3")),
)


def cheap_passwords() -> Passwords:
    """Passwords whose hashes cost next to nothing; the algorithm is the real one."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def fill(site: "Site", chance: random.Random) -> None:
    """Put a community into the database: people, devices with values and history, alarms, orders, oddities."""
    config = load_config(site.folder / "cloud.toml")
    Path(config.telemetry_file).parent.mkdir(parents=True, exist_ok=True)
    await upgrade(config.database_url)
    engine = open_engine(config.database_url)
    store = EmbeddedTelemetry(config.telemetry_file)
    now = now_ms()
    try:
        async with transaction(engine) as conn:
            community_id = await _organisation(conn, site, now)
            await _devices(conn, site, now, chance)
            await _alarms(conn, site, community_id, now)
            await _commands(conn, site, now)
            await _oddities(conn, site, now)
            await alarms.put_heartbeat(conn, process="worker", started_ms=now - HOUR, at_ms=now)
        await _history(store, site, now, chance)
    finally:
        await store.close()
        await engine.dispose()


async def _organisation(conn: AsyncConnection, site: "Site", now: int) -> int:
    company, _ = await organisation.put_company(conn, "阳光物业")
    project, _ = await organisation.put_project(conn, company, "海淀一期")
    community_id, _ = await organisation.put_community(
        conn, project, code=COMMUNITY, name_zh="阳光花园", name_en="Sunshine Garden", time_zone="Asia/Shanghai"
    )
    hashed = await cheap_passwords().hash(PASSWORD)
    scope = Scope(kind=ScopeKind.COMMUNITY, id=community_id)
    for login, (name, role, phone, skills) in PEOPLE.items():
        number = await people.create_account(
            conn,
            None,
            login=login,
            name=name,
            password_hash=hashed,
            language="zh",
            phone=phone,
            grants=[(role, scope)],
            skills=skills,
            now_ms=now,
        )
        site.accounts[login] = number
        starts = now - 2 * HOUR if login != "liu" else now + 6 * HOUR
        if role is not Role.VIEWER:
            await people_rows.add_shift(
                conn, account_id=number, community_id=community_id, starts_ms=starts, ends_ms=starts + 8 * HOUR
            )
    return community_id


async def _devices(conn: AsyncConnection, site: "Site", now: int, chance: random.Random) -> None:
    for node, names in (("edge-1", ("pump-1", "lift-1", "lift-2")), ("edge-2", ("pump-2", "lift-3", "lift-4"))):
        node_id = await assets.node_born(
            conn,
            group=COMMUNITY,
            node=node,
            version="0.1.0",
            config_revision="r12",
            foreign=False,
            now_ms=now - 3 * HOUR,
        )
        for name, profile_name, place, label in DEVICES:
            if name not in names:
                continue
            profile = catalogue(profile_name)
            await assets.store_profile(conn, profile.document(), now)
            site.devices[name] = await assets.device_born(
                conn,
                node_id=node_id,
                name=name,
                profile_hash=profile.hash,
                overrides="{}",
                label=label,
                place=place,
                kind=profile.kind,
                now_ms=now - 3 * HOUR,
            )
            await assets.put_last_values(conn, _values(site.devices[name].id, name, profile, now, chance))
        await assets.token_seen(conn, node_id=node_id, token="0" * 32, now_ms=now)
    await assets.device_died(conn, device_id=site.devices["lift-4"].id, now_ms=now - 12 * MINUTE)


def _values(device_id: int, name: str, profile: Profile, now: int, chance: random.Random) -> list[LastValue]:
    faults: dict[str, dict[str, float]] = {
        "pump-1": {"suction_pressure": 0.11, "discharge_pressure": 0.4, "alarm_code": 57, "running": 0, "flow": 0},
        "lift-1": {"speed": 0.0},
    }
    rows = []
    for point_name, point in profile.points.items():
        value: float | str = point.sample if isinstance(point.sample, str) else float(point.sample)
        value = faults.get(name, {}).get(point_name, value)
        quality = 192
        if name == "pump-2" and point_name == "water_temperature":
            quality = 0
        at = now - chance.randint(300, 9000) - (12 * MINUTE if name == "lift-4" else 0)
        rows.append(
            LastValue(device_id=device_id, point=point_name, value=value, quality=quality, at_ms=at, received_ms=at)
        )
    return rows


async def _alarms(conn: AsyncConnection, site: "Site", community_id: int, now: int) -> None:
    wanted = (
        ("lift-1", "entrapment", State.UNACKNOWLEDGED, 95_000, "dispatched", "liu"),
        ("pump-1", "dry_run", State.UNACKNOWLEDGED, 4 * MINUTE, "working", "zhang"),
        ("lift-3", "fault.37", State.ACKNOWLEDGED, 26 * MINUTE, "accepted", "engineer"),
        ("pump-2", "pump_fault.88", State.RETURNED, 41 * MINUTE, "verified", "zhang"),
        ("lift-2", "call_for_help", State.LATCHED, 2 * HOUR, "on hold", "liu"),
        ("lift-2", "overloaded", State.ACKNOWLEDGED, 9 * MINUTE, None, None),
        ("pump-1", "high_discharge", State.NORMAL, 20 * HOUR, "closed", "zhang"),
    )
    for count, (name, wanted_rule, state, age, order_state, login) in enumerate(wanted, start=1):
        device = site.devices[name]
        profile = next(catalogue(kind) for one, kind, _, _ in DEVICES if one == name)
        base, _, code = wanted_rule.partition(".")
        alarm = profile.alarms[base]
        rule = f"{base}.{next(iter(alarm.codes))}" if code and code not in alarm.codes else wanted_rule
        flags = FLAGS[state]
        where = device.where
        raised = now - age
        acknowledged = flags.acknowledged
        alarm_id = await alarms.add(
            conn,
            device_id=device.id,
            asset_id=device.asset_id,
            community_id=where.community_id,
            building_id=where.building_id,
            place_id=where.place_id,
            rule=rule,
            profile_hash=device.profile_hash,
            priority=alarm.priority.value,
            active=flags.active,
            acknowledged=acknowledged,
            latched=flags.latched,
            closed=flags.closed,
            historical=False,
            occurrences=3 if name == "pump-2" else 1,
            value=0.11 if rule == "dry_run" else None,
            raised_ms=raised,
            last_active_ms=raised,
            cleared_ms=None if flags.active else raised + 15 * MINUTE,
            acknowledged_ms=raised + 40_000 if acknowledged else None,
            acknowledged_by=site.accounts["operator"] if acknowledged else None,
            recorded_ms=raised + 200,
        )
        assert alarm_id is not None
        site.alarms[f"{name}/{base}"] = alarm_id
        await alarms.add_event(conn, alarm_id=alarm_id, at_ms=raised, kind="raised", account_id=None, detail="")
        if acknowledged:
            await alarms.add_event(
                conn,
                alarm_id=alarm_id,
                at_ms=raised + 40_000,
                kind="acknowledged",
                account_id=site.accounts["operator"],
                detail="",
            )
        if not flags.active:
            await alarms.add_event(
                conn, alarm_id=alarm_id, at_ms=raised + 15 * MINUTE, kind="cleared", account_id=None, detail=""
            )
        if order_state is not None and login is not None and alarm.work_order is not None:
            site.orders[f"{name}/{base}"] = await _order(
                conn, site, alarm_id=alarm_id, device=device, profile=profile, rule=base, state=order_state,
                login=login, opened=raised, count=count, now=now,
            )  # fmt: skip


_STEPS = {
    "dispatched": ["new", "dispatched"],
    "accepted": ["new", "dispatched", "accepted"],
    "working": ["new", "dispatched", "accepted", "working"],
    "on hold": ["new", "dispatched", "accepted", "working", "on hold"],
    "verified": ["new", "dispatched", "accepted", "working", "verified"],
    "closed": ["new", "dispatched", "accepted", "working", "verified", "closed"],
}
_DEEDS = {
    "new": "open",
    "dispatched": "assign",
    "accepted": "accept",
    "working": "start",
    "on hold": "hold",
    "verified": "sensor restored",
    "closed": "close",
}


async def _order(
    conn: AsyncConnection,
    site: "Site",
    *,
    alarm_id: int,
    device: DeviceRow,
    profile: Profile,
    rule: str,
    state: str,
    login: str,
    opened: int,
    count: int,
    now: int,
) -> int:
    alarm = profile.alarms[rule]
    template = profile.work_orders[alarm.work_order or ""]
    ms = timedelta(milliseconds=1)
    restored = opened + 15 * MINUTE if state in {"verified", "closed"} else None
    values = {
        "number": f"WO-20261122-{count:04d}",
        "community_id": device.where.community_id,
        "building_id": device.where.building_id,
        "place_id": device.where.place_id,
        "asset_id": device.asset_id,
        "device_id": device.id,
        "alarm_id": alarm_id,
        "source": "sensor",
        "notice": "{}",
        "template": alarm.work_order,
        "title_zh": template.title.zh,
        "title_en": template.title.en,
        "category": json.dumps([one.model_dump() for one in template.category], ensure_ascii=False),
        "checklist": json.dumps([one.model_dump() for one in template.checklist], ensure_ascii=False),
        "skill": template.skill,
        "priority": alarm.priority.value,
        "state": state,
        "closes": template.closes,
        "assignee_id": site.accounts[login],
        "historical": False,
        "opened_ms": opened,
        "assigned_ms": opened + 100,
        "accepted_ms": opened + 50_000 if state != "dispatched" else None,
        "arrive_by_ms": opened + round(template.arrive_within / ms),
        "restore_by_ms": opened + round(template.restore_within / ms),
        "restored_ms": restored,
        "closed_ms": opened + 20 * MINUTE if state == "closed" else None,
    }
    order_id = await orders.add(conn, **values)
    before = ""
    for number, step in enumerate(_STEPS[state]):
        by_person = step in {"accepted", "working", "on hold"}
        await orders.add_event(
            conn,
            order_id=order_id,
            at_ms=min(opened + number * 50_000, now),
            from_state=before,
            to_state=step,
            action=_DEEDS[step],
            account_id=site.accounts[login] if by_person else None,
            note="等待维保单位的钥匙" if step == "on hold" else "",
        )
        before = step
    return order_id


async def _commands(conn: AsyncConnection, site: "Site", now: int) -> None:
    device = site.devices["pump-2"]
    past = (
        ("set_pressure", 45.0, CommandState.DONE, "", 50 * MINUTE),
        ("set_pressure", 58.0, CommandState.TIMED_OUT, "", 30 * MINUTE),
        ("stop", None, CommandState.REFUSED, "the token had expired", 12 * MINUTE),
    )
    for number, (name, value, state, detail, age) in enumerate(past):
        row = CommandRow(
            id=f"00000000-0000-4000-8000-{number:012d}",
            device_id=device.id,
            where=device.where,
            name=name,
            value=value,
            state=state,
            detail=detail,
            requested_by=site.accounts["operator"],
            timeout_ms=10_000,
            requested_ms=now - age,
            deadline_ms=now - age + 10_000,
            sent_ms=now - age + 200,
            ended_ms=now - age + 4000,
        )
        await commands.add(conn, row)


async def _oddities(conn: AsyncConnection, site: "Site", now: int) -> None:
    node_id = site.devices["pump-1"].node_id
    other = site.devices["pump-2"].node_id
    for number, (identity, mark) in enumerate(((node_id, 184_223), (other, 97_112))):
        row = {"node_id": identity, "journal_id": f"{number:032x}", "watermark": mark, "updated_ms": now - 700}
        await conn.execute(insert(journal).values(**row))
    await conn.execute(
        insert(journal_gap).values(
            node_id=other,
            journal_id=f"{1:032x}",
            first_offset=88_001,
            last_offset=88_420,
            reason="overflow",
            lost_telemetry=420,
            from_ms=now - 9 * HOUR,
            to_ms=now - 8 * HOUR,
            found_ms=now - 5 * HOUR,
        )
    )
    for number in range(12):  # an overflow that spared events
        await conn.execute(
            insert(journal_gap).values(
                node_id=node_id,
                journal_id=f"{0:032x}",
                first_offset=150_001 + 41 * number,
                last_offset=150_040 + 41 * number,
                reason="overflow",
                lost_telemetry=38,
                lost_alarm=2,
                from_ms=now - 40 * HOUR + number * MINUTE,
                to_ms=now - 40 * HOUR + (number + 1) * MINUTE,
                found_ms=now - 30 * HOUR,
            )
        )
    former = {"node_id": other, "journal_id": f"{9:032x}", "first_offset": 5_121, "last_offset": None}
    await conn.execute(insert(journal_gap).values(**former, reason="journal damaged", found_ms=now - 70 * HOUR))
    for topic, metric, reason, payload in (
        (f"spBv1.0/{COMMUNITY}/DDATA/edge-1/pump-1", "flow_rate", "a metric that is not in the current birth", 91),
        (f"spBv1.0/{COMMUNITY}/DDATA/edge-1/pump-2", "flow_rate", "a metric that is not in the current birth", 40),
        (f"spBv1.0/{COMMUNITY}/DDATA/edge-9/meter-1", None, "the payload is not a Sparkplug payload", 12),
    ):
        await conn.execute(
            insert(quarantine).values(
                received_ms=now - 7 * MINUTE,
                node_id=node_id,
                topic=topic,
                payload=bytes(range(payload)),
                metric=metric,
                reason=reason,
            )
        )


async def _history(store: EmbeddedTelemetry, site: "Site", now: int, chance: random.Random) -> None:
    samples = []
    for name, kind, _, _ in DEVICES[:4]:
        profile = catalogue(kind)
        for point_name, point in profile.points.items():
            if not point.trend:
                continue
            times = [*range(now - 24 * HOUR, now - HOUR, 2 * MINUTE), *range(now - HOUR, now, 5_000)]
            samples += [
                Sample(
                    device_id=site.devices[name].id,
                    point=point_name,
                    at_ms=at,
                    value=_curve(name, point_name, point, at=at, now=now, chance=chance),
                    quality=192 if not now - 34 * MINUTE < at < now - 31 * MINUTE else 0,
                )
                for at in times
            ]
    await store.write(samples)


def _curve(name: str, point_name: str, point: Point, *, at: int, now: int, chance: random.Random) -> float:
    base = float(point.sample)
    day = math.sin(at / (24 * HOUR) * 2 * math.pi)
    value = base * (1 + 0.08 * day) + chance.gauss(0, max(base * 0.01, 0.02))
    if name == "pump-1" and point_name != "setpoint" and at > now - 4 * MINUTE - 30_000:
        fall = max(0.0, 1 - (at - (now - 4 * MINUTE - 30_000)) / 40_000)
        value = value * fall + (0.11 if point_name == "suction_pressure" else 0.3) * (1 - fall)
    limits = point.range or Range(low=-1e12, high=1e12)
    return min(max(value, limits.low), limits.high)


def catalogue(name: str) -> Profile:
    """Give a profile of the catalogue."""
    return load_profile(ROOT / "drivers" / "catalog" / name / "profile.toml")

"""All SQL of nodes, devices, profiles and last values."""

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType

from sqlalchemy import RowMapping, Table, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Visible, Where
from cloud.access.repository import visible_clause
from cloud.assets.domain import DeviceRow, LastReading, LastValue
from cloud.assets.tables import asset, building, community, device, last_value, node, place, profile
from cloud.platform.database import among
from drivers.profile import Label

_DEVICE = (
    device.c.id,
    device.c.node_id,
    device.c.name,
    device.c.asset_id,
    device.c.community_id,
    device.c.building_id,
    device.c.place_id,
    device.c.profile_hash,
    device.c.overrides,
    device.c.label_zh,
    device.c.label_en,
    device.c.online,
)


def where_of(row: RowMapping) -> Where:
    """Say where a row with the three columns lies."""
    return Where(community_id=row["community_id"], building_id=row["building_id"], place_id=row["place_id"])


def _device(row: RowMapping) -> DeviceRow:
    return DeviceRow(
        id=row["id"],
        node_id=row["node_id"],
        name=row["name"],
        asset_id=row["asset_id"],
        where=where_of(row),
        profile_hash=row["profile_hash"],
        overrides=row["overrides"],
        label=Label(zh=row["label_zh"], en=row["label_en"]),
        online=row["online"],
    )


async def community_by_code(conn: AsyncConnection, code: str) -> int | None:
    """Find a community by its Sparkplug group."""
    return await conn.scalar(select(community.c.id).where(community.c.code == code))


def _dialect(conn: AsyncConnection) -> ModuleType:
    """Give the module with the engine's own INSERT, which knows ON CONFLICT."""
    return postgresql if conn.dialect.name == "postgresql" else sqlite


async def find_or_add(conn: AsyncConnection, table: Table, **values: object) -> tuple[int, bool]:
    """Find the row with these values, or insert it: its id, and whether it is new."""
    find = select(table.c.id).where(*(table.c[name] == value for name, value in values.items()))
    found = await conn.scalar(find)
    if found is None:
        # Another process may make the same row at this moment; the table's unique constraint decides who does.
        add = _dialect(conn).insert(table).values(**values).on_conflict_do_nothing().returning(table.c.id)
        made = await conn.scalar(add)
        if made is not None:
            return int(made), True
        found = (await conn.execute(find)).scalar_one()
    return int(found), False


async def put_node(conn: AsyncConnection, community_id: int, name: str, **values: object) -> int:
    """Insert or change a node and give its id."""
    found = await conn.scalar(select(node.c.id).where(node.c.community_id == community_id, node.c.name == name))
    if found is None:
        query = insert(node).values(community_id=community_id, name=name, **values).returning(node.c.id)
        return int((await conn.execute(query)).scalar_one())
    await conn.execute(update(node).where(node.c.id == found).values(**values))
    return int(found)


async def change_node(conn: AsyncConnection, node_id: int, **values: object) -> None:
    """Change columns of a node."""
    await conn.execute(update(node).where(node.c.id == node_id).values(**values))


async def touch_nodes(conn: AsyncConnection, seen: Mapping[int, int]) -> None:
    """Note when nodes were last heard of."""
    if not seen:
        return
    heard = bindparam("heard_ms", type_=node.c.seen_ms.type)
    newer = or_(node.c.seen_ms.is_(None), node.c.seen_ms < heard)
    query = update(node).where(node.c.id == bindparam("which"), newer).values(seen_ms=heard)
    await conn.execute(query, [{"which": node_id, "heard_ms": at_ms} for node_id, at_ms in seen.items()])


async def get_node(conn: AsyncConnection, node_id: int) -> RowMapping | None:
    """Find a node by its id."""
    return (await conn.execute(select(node).where(node.c.id == node_id))).mappings().first()


async def devices_offline(conn: AsyncConnection, now_ms: int, *, node_id: int) -> None:
    """Mark all devices of a node offline."""
    offline = {"online": False, "changed_ms": now_ms}
    await conn.execute(update(device).where(device.c.node_id == node_id, device.c.online).values(**offline))


async def change_device(conn: AsyncConnection, device_id: int, **values: object) -> None:
    """Change columns of a device."""
    await conn.execute(update(device).where(device.c.id == device_id).values(**values))


async def get_device(conn: AsyncConnection, device_id: int) -> DeviceRow | None:
    """Find a device by its id."""
    row = (await conn.execute(select(*_DEVICE).where(device.c.id == device_id))).mappings().first()
    return _device(row) if row is not None else None


async def find_device(conn: AsyncConnection, node_id: int, name: str) -> DeviceRow | None:
    """Find a device by its Sparkplug name."""
    query = select(*_DEVICE).where(device.c.node_id == node_id, device.c.name == name)
    row = (await conn.execute(query)).mappings().first()
    return _device(row) if row is not None else None


async def profile_document(conn: AsyncConnection, profile_hash: str) -> str | None:
    """Give the canonical JSON of a profile."""
    return await conn.scalar(select(profile.c.document).where(profile.c.hash == profile_hash))


async def knows_profile(conn: AsyncConnection, profile_hash: str) -> bool:
    """Whether a profile is stored."""
    return await conn.scalar(select(profile.c.hash).where(profile.c.hash == profile_hash)) is not None


async def add_profile(conn: AsyncConnection, **values: object) -> None:
    """Insert a profile."""
    await conn.execute(insert(profile).values(**values))


async def list_profiles(conn: AsyncConnection, visible: Visible) -> list[RowMapping]:
    """List the profiles which visible devices use, the newest version of each name first."""
    used = select(device.c.profile_hash).where(visible_clause(device, visible))
    query = select(profile.c.hash, profile.c.name, profile.c.version, profile.c.seen_ms).where(profile.c.hash.in_(used))
    return list((await conn.execute(query.order_by(profile.c.name, profile.c.seen_ms.desc()))).mappings())


async def put_last_values(conn: AsyncConnection, rows: Sequence[LastValue]) -> None:
    """Insert or replace last values; what is already newer stays."""
    if not rows:
        return
    query = _dialect(conn).insert(last_value)
    new = query.excluded
    names = ("number", "text", "quality", "at_ms", "received_ms")
    upsert = query.on_conflict_do_update(
        index_elements=[last_value.c.device_id, last_value.c.point],
        set_={**{name: new[name] for name in names}, "time_quality": None},
        where=new.at_ms >= last_value.c.at_ms,
    )
    await conn.execute(
        upsert,
        [
            {
                "device_id": row.device_id,
                "point": row.point,
                "number": row.value if isinstance(row.value, float | int) else None,
                "text": row.value if isinstance(row.value, str) else None,
                "quality": row.quality,
                "at_ms": row.at_ms,
                "received_ms": row.received_ms,
            }
            for row in rows
        ],
    )


async def take_last_values(
    conn: AsyncConnection, rows: Sequence[LastReading], *, received_ms: int, in_order: bool
) -> None:
    """Insert or replace last values, no device's point twice; unless `in_order`, what is already newer stays.

    In the driver's own words, because building statements for so many rows takes longer than storing them.
    """
    if not rows:
        return
    newer = "" if in_order else _WHERE_NEWER
    if conn.dialect.name == "postgresql":
        devices, points, times, values, qualities = zip(*rows, strict=True)
        numbers = [None if isinstance(value, str) else value for value in values]
        texts = [value if isinstance(value, str) else None for value in values]
        columns = (devices, points, numbers, texts, qualities, times)
        await conn.exec_driver_sql(_TAKE_COLUMNS + newer, (*map(list, columns), received_ms))
        return
    await conn.exec_driver_sql(
        _TAKE_ROWS + newer,
        [
            (device_id, point, None, value, quality, at_ms, received_ms)
            if isinstance(value, str)
            else (device_id, point, value, None, quality, at_ms, received_ms)
            for device_id, point, at_ms, value, quality in rows
        ],
    )


_TAKE = "INSERT INTO last_value (device_id, point, number, text, quality, at_ms, received_ms) "
_OVER = (
    " ON CONFLICT (device_id, point) DO UPDATE SET number = excluded.number, text = excluded.text, "
    "quality = excluded.quality, at_ms = excluded.at_ms, received_ms = excluded.received_ms, time_quality = NULL"
)
_TAKE_ROWS = f"{_TAKE} VALUES (?, ?, ?, ?, ?, ?, ?){_OVER}"
_FROM_COLUMNS = "unnest($1::bigint[], $2::text[], $3::float8[], $4::text[], $5::int[], $6::bigint[])"
_TAKE_COLUMNS = f"{_TAKE}SELECT *, $7::bigint FROM {_FROM_COLUMNS}{_OVER}"  # noqa: S608 - made of constants alone
_WHERE_NEWER = " WHERE excluded.at_ms >= last_value.at_ms"


async def last_values(conn: AsyncConnection, device_ids: Iterable[int]) -> dict[int, list[LastValue]]:
    """Give the last values of devices, by point."""
    result: dict[int, list[LastValue]] = {}
    query = select(last_value).where(among(conn, last_value.c.device_id, device_ids)).order_by(last_value.c.point)
    for row in (await conn.execute(query)).mappings():
        value = LastValue(
            device_id=row["device_id"],
            point=row["point"],
            value=row["text"] if row["text"] is not None else row["number"],
            quality=row["quality"],
            at_ms=row["at_ms"],
            received_ms=row["received_ms"],
            time_quality=row["time_quality"],
        )
        result.setdefault(value.device_id, []).append(value)
    return result


async def list_devices(
    conn: AsyncConnection,
    *,
    visible: Visible,
    community_id: int | None = None,
    kind: str | None = None,
    text: str | None = None,
    device_id: int | None = None,
    after_id: int = 0,
    limit: int = 100,
) -> list[RowMapping]:
    """List devices by id with what stands around them: asset, node, community, building, place, age of the data."""
    # For each listed device by the primary key; grouping all values takes as long as there are devices anywhere.
    newest = select(func.max(last_value.c.at_ms)).where(last_value.c.device_id == device.c.id).scalar_subquery()
    query = (
        select(
            *_DEVICE,
            device.c.changed_ms,
            asset.c.kind,
            asset.c.label_zh.label("asset_label_zh"),
            asset.c.label_en.label("asset_label_en"),
            node.c.name.label("node"),
            node.c.online.label("node_online"),
            node.c.unheard_ms,
            node.c.foreign_node,
            node.c.seen_ms.label("node_seen_ms"),
            community.c.code.label("community"),
            community.c.name_zh.label("community_zh"),
            community.c.name_en.label("community_en"),
            building.c.name.label("building"),
            place.c.name.label("place"),
            profile.c.name.label("profile"),
            profile.c.version.label("profile_version"),
            newest.label("newest_ms"),
        )
        .join(asset, asset.c.id == device.c.asset_id)
        .join(node, node.c.id == device.c.node_id)
        .join(community, community.c.id == device.c.community_id)
        .outerjoin(building, building.c.id == device.c.building_id)
        .outerjoin(place, place.c.id == device.c.place_id)
        .outerjoin(profile, profile.c.hash == device.c.profile_hash)
        .where(visible_clause(device, visible), device.c.id > after_id)
        .order_by(device.c.id)
        .limit(limit)
    )
    if device_id is not None:
        query = query.where(device.c.id == device_id)
    if community_id is not None:
        query = query.where(device.c.community_id == community_id)
    if kind is not None:
        query = query.where(asset.c.kind == kind)
    if text:
        columns = (device.c.name, device.c.label_zh, device.c.label_en, asset.c.kind, building.c.name, place.c.name)
        query = query.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    return list((await conn.execute(query)).mappings())


async def nodes_for_page(conn: AsyncConnection, visible: Visible) -> list[RowMapping]:
    """List the agents of the communities that somebody sees, with their community and how many devices each has."""
    counted = (
        select(device.c.node_id, func.count().label("devices"))
        .where(visible_clause(device, visible))
        .group_by(device.c.node_id)
        .subquery()
    )
    seen = or_(visible_clause(node, visible), counted.c.devices.is_not(None))
    query = (
        select(
            node.c.id,
            node.c.name,
            node.c.community_id,
            node.c.online,
            node.c.unheard_ms,
            node.c.foreign_node,
            node.c.version,
            node.c.config_revision,
            node.c.born_ms,
            node.c.seen_ms,
            community.c.name_zh.label("community_zh"),
            community.c.name_en.label("community_en"),
            func.coalesce(counted.c.devices, 0).label("devices"),
        )
        .join(community, community.c.id == node.c.community_id)
        .outerjoin(counted, counted.c.node_id == node.c.id)
        .where(seen)
        .order_by(node.c.community_id, node.c.name)
    )
    return list((await conn.execute(query)).mappings())


async def newest_received_for_page(conn: AsyncConnection, visible: Visible) -> int | None:
    """Give when the newest reading of any device that somebody sees was received."""
    query = (
        select(func.max(last_value.c.received_ms))
        .join(device, device.c.id == last_value.c.device_id)
        .where(visible_clause(device, visible))
    )
    newest: int | None = await conn.scalar(query)
    return newest

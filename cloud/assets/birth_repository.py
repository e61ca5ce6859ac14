"""All SQL of many births at once: a few statements for all of them, because each one is a round trip."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, Table, bindparam, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Where
from cloud.assets.tables import asset, building, device, last_value, node, place, profile
from cloud.platform.database import among

DeviceKey = tuple[int, str]
"""A node's id and a device's name."""

PlaceName = tuple[int, str | None, str | None]
"""A community's id, a building, and a place in it."""


class Look(NamedTuple):
    """What an asset is found by: the columns of its place and its label, and its kind."""

    community_id: int
    building_id: int | None
    place_id: int | None
    label_zh: str
    label_en: str
    kind: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownDevice:
    """A device that was born before, with the columns that a birth may change."""

    id: int
    asset_id: int
    columns: Mapping[str, Any]


COLUMNS = (
    "asset_id", "profile_hash", "overrides", "community_id", "building_id", "place_id", "label_zh", "label_en",
)  # fmt: skip
"""What a birth says of a device, beside that it is online."""


async def communities_of(conn: AsyncConnection, node_ids: Collection[int]) -> dict[int, int]:
    """Give the communities of nodes."""
    rows = await conn.execute(select(node.c.id, node.c.community_id).where(among(conn, node.c.id, node_ids)))
    return {row.id: row.community_id for row in rows}


async def known_profiles(conn: AsyncConnection, hashes: Collection[str]) -> set[str]:
    """Give those of these profiles that are stored."""
    return set(await conn.scalars(select(profile.c.hash).where(among(conn, profile.c.hash, hashes))))


async def put_places(conn: AsyncConnection, names: Iterable[PlaceName]) -> dict[PlaceName, Where]:
    """Find or make buildings and places."""
    names = set(names)
    buildings = await _find_or_add(conn, building, "community_id", {(at, name) for at, name, _ in names if name})
    within = {(buildings[at, first], second) for at, first, second in names if first and second}
    places = await _find_or_add(conn, place, "building_id", within)
    found: dict[PlaceName, Where] = {}
    for at, first, second in names:
        building_id = buildings[at, first] if first else None
        place_id = places[building_id, second] if building_id is not None and second else None
        found[at, first, second] = Where(community_id=at, building_id=building_id, place_id=place_id)
    return found


async def _find_or_add(
    conn: AsyncConnection, table: Table, parent: str, wanted: set[tuple[int, str]]
) -> dict[tuple[int, str], int]:
    """Give the ids of rows by parent and name; those that are missing are made."""
    found = await _named(conn, table, parent, wanted)
    missing = sorted(wanted - found.keys())
    if missing:
        # Another process may make the same row at this moment; the table's unique constraint decides who does.
        dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
        add = dialect.insert(table).on_conflict_do_nothing()
        await conn.execute(add, [{parent: above, "name": name} for above, name in missing])
        found |= await _named(conn, table, parent, set(missing))
    return found


async def _named(
    conn: AsyncConnection, table: Table, parent: str, wanted: set[tuple[int, str]]
) -> dict[tuple[int, str], int]:
    if not wanted:
        return {}
    above = table.c[parent]
    query = select(table.c.id, above.label("above"), table.c.name).where(
        among(conn, above, {one for one, _ in wanted}), among(conn, table.c.name, {name for _, name in wanted})
    )
    return {(row.above, row.name): row.id for row in await conn.execute(query)}


async def find_devices(conn: AsyncConnection, keys: Collection[DeviceKey]) -> dict[DeviceKey, KnownDevice]:
    """Give those of these devices that were born before."""
    columns = [device.c[name] for name in COLUMNS]
    query = select(device.c.id, device.c.node_id, device.c.name, *columns).where(
        among(conn, device.c.node_id, {node_id for node_id, _ in keys}),
        among(conn, device.c.name, {name for _, name in keys}),
    )
    return {
        (row["node_id"], row["name"]): KnownDevice(
            id=row["id"], asset_id=row["asset_id"], columns={name: row[name] for name in COLUMNS}
        )
        for row in (await conn.execute(query)).mappings()
        if (row["node_id"], row["name"]) in keys
    }


_LOOK = tuple(asset.c[name] for name in Look._fields)


async def looks(conn: AsyncConnection, asset_ids: Collection[int]) -> dict[int, Look]:
    """Give what assets are found by."""
    if not asset_ids:
        return {}
    rows = await conn.execute(select(asset.c.id, *_LOOK).where(among(conn, asset.c.id, asset_ids)))
    return {row["id"]: _look(row) for row in rows.mappings()}


async def unwatched_assets(conn: AsyncConnection, wanted: Collection[Look]) -> dict[Look, list[int]]:
    """Give the assets of these looks which no device that is online watches, the oldest first."""
    watched = select(device.c.id).where(device.c.asset_id == asset.c.id, device.c.online).exists()
    query = select(asset.c.id, *_LOOK).where(or_(*_by_label(wanted)), ~watched).order_by(asset.c.id)
    found: dict[Look, list[int]] = {}
    for row in (await conn.execute(query)).mappings():
        found.setdefault(_look(row), []).append(row["id"])
    return found


def _by_label(wanted: Collection[Look]) -> list[ColumnElement[bool]]:
    """Give the clauses by which the index of labels is used; NULL equals nothing, so it has a clause of its own."""
    placed = {(one.community_id, one.place_id, one.label_en) for one in wanted if one.place_id is not None}
    loose = {(one.community_id, one.label_en) for one in wanted if one.place_id is None}
    columns = asset.c
    clauses: list[ColumnElement[bool]] = []
    if placed:
        clauses.append(tuple_(columns.community_id, columns.place_id, columns.label_en).in_(placed))
    if loose:
        clauses.append(tuple_(columns.community_id, columns.label_en).in_(loose) & columns.place_id.is_(None))
    return clauses


async def add_assets(conn: AsyncConnection, wanted: Sequence[Look]) -> dict[Look, list[int]]:
    """Insert assets, and give their ids by their looks."""
    made: dict[Look, list[int]] = {}
    if wanted:
        rows = await conn.execute(insert(asset).returning(asset.c.id, *_LOOK), [one._asdict() for one in wanted])
        for row in rows.mappings():
            made.setdefault(_look(row), []).append(row["id"])
    return made


async def change_assets(conn: AsyncConnection, changed: Mapping[int, Look]) -> None:
    """Move and rename assets."""
    if changed:
        query = update(asset).where(asset.c.id == bindparam("which"))
        await conn.execute(query, [{"which": number, **look._asdict()} for number, look in changed.items()])


async def add_devices(conn: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> dict[DeviceKey, int]:
    """Insert devices, and give their ids."""
    if not rows:
        return {}
    made = await conn.execute(insert(device).returning(device.c.id, device.c.node_id, device.c.name), rows)
    return {(row.node_id, row.name): row.id for row in made}


async def change_devices(conn: AsyncConnection, changed: Mapping[int, Mapping[str, Any]], now_ms: int) -> None:
    """Take devices as online, and as what they say that they are now."""
    if changed:
        query = update(device).where(device.c.id == bindparam("which"))
        state = {"online": True, "changed_ms": now_ms}
        await conn.execute(query, [{"which": number, **columns, **state} for number, columns in changed.items()])


async def devices_online(conn: AsyncConnection, device_ids: Collection[int], now_ms: int) -> None:
    """Take devices as online that are what they were."""
    if device_ids:
        query = update(device).where(among(conn, device.c.id, device_ids))
        await conn.execute(query.values(online=True, changed_ms=now_ms))


def _look(row: RowMapping) -> Look:
    return Look(*(row[name] for name in Look._fields))


class Known(NamedTuple):
    """The newest that is known of a point of a device."""

    device_id: int
    point: str
    value: float | str | None
    quality: int
    at_ms: int


async def newest(conn: AsyncConnection, device_ids: Collection[int], points: Collection[str]) -> list[Known]:
    """Give the last values of certain points of devices."""
    if not device_ids or not points:
        return []
    columns = last_value.c
    query = select(
        columns.device_id, columns.point, columns.number, columns.text, columns.quality, columns.at_ms
    ).where(among(conn, columns.device_id, device_ids), among(conn, columns.point, points))
    return [
        Known(device_id, point, number if text is None else text, quality, at_ms)
        for device_id, point, number, text, quality, at_ms in await conn.execute(query)
    ]

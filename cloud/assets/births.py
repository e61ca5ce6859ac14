"""Births of devices, many at once: after an outage a whole city comes back in the same minutes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Where
from cloud.assets import birth_repository as rows
from cloud.assets.birth_repository import DeviceKey, KnownDevice, Look
from cloud.assets.domain import DeviceRow, parse_place
from cloud.platform.errors import NotFound
from drivers.profile import Label


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceBirth:
    """What a device's birth says; as `cloud.assets.service.device_born` has it."""

    node_id: int
    name: str
    profile_hash: str | None
    overrides: str
    label: Label
    place: str
    kind: str

    @property
    def key(self) -> DeviceKey:
        """What tells a device from all others."""
        return self.node_id, self.name


async def devices_born(conn: AsyncConnection, births: Iterable[DeviceBirth], now_ms: int) -> list[DeviceRow]:
    """Note births in their order, and give the devices; the rules are those of `device_born`. NotFound: no such node.

    What is born together sees no asset as unwatched whose own device is among them.
    """
    born: list[DeviceRow] = []
    for together in _apart(births):
        born += await _born(conn, together, now_ms)
    return born


def _apart(births: Iterable[DeviceBirth]) -> Iterator[list[DeviceBirth]]:
    """Give births in runs in which no device is born twice."""
    run: dict[DeviceKey, DeviceBirth] = {}
    for birth in births:
        if birth.key in run:
            yield list(run.values())
            run = {}
        run[birth.key] = birth
    if run:
        yield list(run.values())


async def _born(conn: AsyncConnection, births: Sequence[DeviceBirth], now_ms: int) -> list[DeviceRow]:
    communities = await rows.communities_of(conn, {one.node_id for one in births})
    for one in births:
        if one.node_id not in communities:
            raise NotFound(f"there is no node {one.node_id}")
    named = {one.key: (communities[one.node_id], *parse_place(one.place)) for one in births}
    places = await rows.put_places(conn, named.values())
    profiles = await rows.known_profiles(conn, {one.profile_hash for one in births if one.profile_hash})
    known = await rows.find_devices(conn, named.keys())
    where = {key: places[name] for key, name in named.items()}
    wanted = {one.key: _wanted(one, where[one.key]) for one in births}
    assets = await _assets(conn, wanted, known)
    columns = {
        one.key: {
            "asset_id": assets[one.key],
            "profile_hash": one.profile_hash if one.profile_hash in profiles else None,
            "overrides": one.overrides,
            **{name: value for name, value in wanted[one.key]._asdict().items() if name != "kind"},
        }
        for one in births
    }
    ids = await _store(conn, columns, known, now_ms)
    return [
        DeviceRow(
            id=ids[one.key],
            node_id=one.node_id,
            name=one.name,
            asset_id=assets[one.key],
            where=where[one.key],
            profile_hash=columns[one.key]["profile_hash"],
            overrides=one.overrides,
            label=one.label,
            online=True,
        )
        for one in births
    ]


def _wanted(birth: DeviceBirth, where: Where) -> Look:
    return Look(
        community_id=where.community_id,
        building_id=where.building_id,
        place_id=where.place_id,
        label_zh=birth.label.zh,
        label_en=birth.label.en,
        kind=birth.kind,
    )


async def _assets(
    conn: AsyncConnection, wanted: dict[DeviceKey, Look], known: dict[DeviceKey, KnownDevice]
) -> dict[DeviceKey, int]:
    """Give each device its asset: its own where it is the same kind of thing, else one that nothing watches, or new."""
    looks = await rows.looks(conn, {one.asset_id for one in known.values()})
    kept = {
        key: known[key].asset_id
        for key, look in wanted.items()
        if key in known and looks[known[key].asset_id].kind == look.kind
    }
    moved = {number: wanted[key] for key, number in kept.items() if looks[number] != wanted[key]}
    seekers = {key: look for key, look in wanted.items() if key not in kept}
    if seekers:
        mine = set(kept.values())
        found = await rows.unwatched_assets(conn, set(seekers.values()))
        free = {look: [number for number in numbers if number not in mine] for look, numbers in found.items()}
        adopted = {key: free[look].pop(0) for key, look in seekers.items() if free.get(look)}
        made = await rows.add_assets(conn, [look for key, look in seekers.items() if key not in adopted])
        kept |= adopted
        kept |= {key: made[look].pop() for key, look in seekers.items() if key not in adopted}
    await rows.change_assets(conn, moved)
    return kept


async def _store(
    conn: AsyncConnection,
    columns: dict[DeviceKey, dict[str, Any]],
    known: dict[DeviceKey, KnownDevice],
    now_ms: int,
) -> dict[DeviceKey, int]:
    """Write the devices, and give their ids."""
    same = [known[key].id for key, said in columns.items() if key in known and known[key].columns == said]
    changed = {known[key].id: said for key, said in columns.items() if key in known and known[key].columns != said}
    new = [
        {"node_id": node_id, "name": name, **said, "online": True, "changed_ms": now_ms}
        for (node_id, name), said in columns.items()
        if (node_id, name) not in known
    ]
    await rows.devices_online(conn, same, now_ms)
    await rows.change_devices(conn, changed, now_ms)
    return {key: one.id for key, one in known.items()} | await rows.add_devices(conn, new)

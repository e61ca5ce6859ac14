"""What holds for births that come together: each device gets what it would have got alone."""

from collections.abc import Iterable

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.assets import service
from cloud.assets.births import DeviceBirth, devices_born
from cloud.assets.domain import DeviceRow
from cloud.assets.tables import asset, building, device, place
from cloud.platform.database import transaction
from cloud.platform.errors import NotFound
from drivers.profile import Label
from tests.support.cloud import NOW, Town


async def _node(conn: AsyncConnection, name: str = "edge-1") -> int:
    return await service.node_born(
        conn, group="garden", node=name, version="1", config_revision="r1", foreign=False, now_ms=NOW
    )


def _birth(
    node_id: int, name: str, *, label: str = "Pump", kind: str = "pump", place: str = "Tower 3/Cellar"
) -> DeviceBirth:
    return DeviceBirth(
        node_id=node_id,
        name=name,
        profile_hash=None,
        overrides="{}",
        label=Label(zh="泵", en=label),
        place=place,
        kind=kind,
    )


async def _count(conn: AsyncConnection, *tables: object) -> list[int]:
    return [await conn.scalar(select(func.count()).select_from(table)) or 0 for table in tables]  # type: ignore[arg-type]


def _assets(rows: Iterable[DeviceRow]) -> list[int]:
    return [row.asset_id for row in rows]


async def test_devices_of_many_nodes_share_places_and_no_assets(town: Town) -> None:
    async with transaction(town.engine) as conn:
        before = await _count(conn, building, place, asset)
        nodes = [await _node(conn, f"edge-{number}") for number in range(5)]
        births = [_birth(node_id, f"pump-{number}") for node_id in nodes for number in range(4)]
        rows = await devices_born(conn, births, NOW)
        after = await _count(conn, building, place, asset)
        stored = {(row.node_id, row.name): row for row in await conn.execute(select(device))}
    assert [(row.node_id, row.name) for row in rows] == [(one.node_id, one.name) for one in births]
    assert [new - old for old, new in zip(before, after, strict=True)] == [1, 1, 20]
    assert len(set(_assets(rows))) == 20
    for row in rows:
        assert (stored[row.node_id, row.name].id, stored[row.node_id, row.name].asset_id) == (row.id, row.asset_id)


async def test_the_same_births_again_change_nothing_but_that_they_are_online(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await _node(conn)
        births = [_birth(number, f"pump-{one}", label=f"Pump {one}") for one in range(3)]
        first = await devices_born(conn, births, NOW)
        await _node(conn)
        again = await devices_born(conn, births, NOW + 5)
        rows = (await conn.execute(select(device.c.online, device.c.changed_ms))).all()
    assert again == first
    assert [tuple(row) for row in rows] == [(True, NOW + 5)] * 3


async def test_what_changed_is_changed_beside_what_stayed(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await _node(conn)
        first = await devices_born(conn, [_birth(number, "a"), _birth(number, "b")], NOW)
        again = await devices_born(
            conn,
            [_birth(number, "a"), _birth(number, "b", label="Booster", place="Tower 4"), _birth(number, "c")],
            NOW,
        )
        labels = {row.id: row.label_en for row in await conn.execute(select(asset.c.id, asset.c.label_en))}
        found = await service.find_device(conn, node_id=number, name="b")
    assert _assets(again)[:2] == _assets(first)
    assert labels[again[1].asset_id] == "Booster"
    assert labels[again[2].asset_id] == "Pump"
    assert found == again[1]
    assert found.where.place_id is None


async def test_of_devices_that_look_alike_each_adopts_an_asset_of_its_own(town: Town) -> None:
    async with transaction(town.engine) as conn:
        old_node = await _node(conn)
        old = await devices_born(conn, [_birth(old_node, name) for name in ("a", "b")], NOW)
        await service.node_died(conn, node_id=old_node, now_ms=NOW)
        new_node = await _node(conn, "edge-2")
        new = await devices_born(conn, [_birth(new_node, name) for name in ("x", "y", "z")], NOW)
    assert sorted(_assets(new)[:2]) == sorted(_assets(old))
    assert new[2].asset_id not in _assets(old)


async def test_nobody_adopts_the_asset_of_a_device_that_is_born_beside_it(town: Town) -> None:
    async with transaction(town.engine) as conn:
        first = await _node(conn)
        (known,) = await devices_born(conn, [_birth(first, "pump")], NOW)
        await _node(conn)  # born again: its device is offline for the moment
        second = await _node(conn, "edge-2")
        rows = await devices_born(conn, [_birth(second, "twin"), _birth(first, "pump")], NOW)
    assert rows[1].asset_id == known.asset_id
    assert rows[0].asset_id != known.asset_id


async def test_assets_without_a_place_are_found_again_too(town: Town) -> None:
    async with transaction(town.engine) as conn:
        old_node = await _node(conn)
        births = [_birth(old_node, "a", place=""), _birth(old_node, "b", place="Tower 3"), _birth(old_node, "c")]
        old = await devices_born(conn, births, NOW)
        await service.node_died(conn, node_id=old_node, now_ms=NOW)
        new_node = await _node(conn, "edge-2")
        births = [_birth(new_node, "x", place="Tower 3"), _birth(new_node, "y"), _birth(new_node, "z", place="")]
        new = await devices_born(conn, births, NOW)
    assert _assets(new) == [old[1].asset_id, old[2].asset_id, old[0].asset_id]


async def test_a_device_that_is_born_twice_is_what_it_said_last(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await _node(conn)
        first, second = await devices_born(conn, [_birth(number, "pump"), _birth(number, "pump", label="Booster")], NOW)
        found = await service.get_device(conn, first.id)
    assert second.id == first.id
    assert found is not None
    assert found.label.en == "Booster"


async def test_a_node_that_does_not_exist_is_refused(town: Town) -> None:
    async with transaction(town.engine) as conn:
        with pytest.raises(NotFound):
            await devices_born(conn, [_birth(4711, "pump")], NOW)

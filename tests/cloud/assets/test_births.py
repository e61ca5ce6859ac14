import json

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.assets import service
from cloud.assets.domain import DeviceRow, LastValue
from cloud.assets.tables import asset, device, last_value, node
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Invalid
from drivers.profile import Label
from tests.support.cloud import NOW, Town, catalogue

PUMP = catalogue("grundfos-hydro-mpc")
LABEL = Label(zh="一号泵", en="Pump 1")


async def _node(conn: AsyncConnection, name: str = "edge-1") -> int:
    return await service.node_born(
        conn, group="garden", node=name, version="1", config_revision="r1", foreign=False, now_ms=NOW
    )


async def _device(
    conn: AsyncConnection,
    node_id: int,
    name: str = "pump-1",
    *,
    place: str = "Tower 1/Pump room",
    kind: str = "pump",
    label: Label = LABEL,
) -> DeviceRow:
    return await service.device_born(
        conn,
        node_id=node_id,
        name=name,
        profile_hash=PUMP.hash,
        overrides="{}",
        label=label,
        place=place,
        kind=kind,
        now_ms=NOW,
    )


async def test_a_group_that_is_nobodys_is_refused(town: Town) -> None:
    async with transaction(town.engine) as conn:
        with pytest.raises(service.UnknownCommunity) as caught:
            await service.node_born(
                conn, group="nowhere", node="x", version="", config_revision="", foreign=False, now_ms=NOW
            )
    assert caught.value.group == "nowhere"


async def test_a_second_birth_is_the_same_node_and_voids_its_token(town: Town) -> None:
    async with transaction(town.engine) as conn:
        first = await _node(conn)
        await service.token_seen(conn, node_id=first, token="a" * 32, now_ms=NOW)
        assert await _node(conn) == first
        assert await conn.scalar(select(node.c.command_token)) is None


async def test_a_known_place_is_found_and_an_unknown_one_is_made(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await _node(conn)
        known = await _device(conn, number)
        new = await _device(conn, number, "pump-2", place="Tower 3/Cellar")
    assert known.where == town.where("garden/Tower 1/Pump room")
    assert new.where.building_id not in {None, known.where.building_id}
    assert new.where.place_id is not None


async def test_a_device_without_a_place_belongs_to_the_community(town: Town) -> None:
    async with transaction(town.engine) as conn:
        born = await _device(conn, await _node(conn), place="")
    assert born.where == town.where("garden")


async def test_a_profile_that_is_not_stored_is_adopted_later(town: Town) -> None:
    async with transaction(town.engine) as conn:
        born = await _device(conn, await _node(conn))
        assert born.profile_hash is None
        assert not await service.knows_profile(conn, PUMP.hash)
        assert await service.store_profile(conn, PUMP.document(), NOW) == PUMP
        await service.store_profile(conn, PUMP.document(), NOW)
        await service.adopt_profile(conn, device_id=born.id, profile_hash=PUMP.hash)
        found = await service.get_device(conn, born.id)
        assert found is not None
        assert found.profile_hash == PUMP.hash
        assert await service.load_profile(conn, PUMP.hash) == PUMP
        assert (await _device(conn, found.node_id)).profile_hash == PUMP.hash


@pytest.mark.parametrize("document", ["", "[]", "{", json.dumps({"schema": 1})])
async def test_what_is_no_profile_is_refused(town: Town, document: str) -> None:
    async with transaction(town.engine) as conn:
        with pytest.raises(Invalid) as caught:
            await service.store_profile(conn, document, NOW)
    assert caught.value.code == "bad_profile"


async def test_a_device_that_comes_again_keeps_its_asset_and_may_move_and_be_renamed(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await _node(conn)
        first = await _device(conn, number)
        again = await _device(conn, number, place="Tower 2/Cellar", label=Label(zh="二号泵", en="Pump 2"))
        row = (await conn.execute(select(asset))).one()
    assert (again.id, again.asset_id) == (first.id, first.asset_id)
    assert row.label_en == "Pump 2"
    assert row.building_id == again.where.building_id


async def test_an_asset_outlives_its_device(town: Town) -> None:
    async with transaction(town.engine) as conn:
        old_node = await _node(conn)
        old = await _device(conn, old_node)
        await service.node_died(conn, node_id=old_node, now_ms=NOW)
        new = await _device(conn, await _node(conn, "edge-2"), "booster")
    assert new.id != old.id
    assert new.asset_id == old.asset_id


async def test_two_devices_that_look_alike_watch_two_assets(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await _node(conn)
        assert (await _device(conn, number)).asset_id != (await _device(conn, number, "pump-2")).asset_id


async def test_another_kind_of_thing_under_the_same_name_is_another_asset(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await _node(conn)
        pump = await _device(conn, number)
        lift = await _device(conn, number, kind="elevator")
        assert (lift.id, await conn.scalar(select(func.count()).select_from(asset))) == (pump.id, 2)
    assert lift.asset_id != pump.asset_id


async def test_death_of_the_node_takes_its_devices_offline(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await _node(conn)
        await _device(conn, number)
        await _device(conn, await _node(conn, "edge-2"), "other")
        await service.node_died(conn, node_id=number, now_ms=NOW)
        online = {row.name: row.online for row in await conn.execute(select(device))}
    assert online == {"pump-1": False, "other": True}


async def test_a_device_dies_alone(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await _node(conn)
        first, second = await _device(conn, number), await _device(conn, number, "pump-2")
        await service.device_died(conn, device_id=first.id, now_ms=NOW)
        found = await service.find_device(conn, node_id=number, name="pump-1")
        assert found is not None
        assert not found.online
        other = await service.get_device(conn, second.id)
        assert other is not None
        assert other.online


async def test_nodes_are_never_seen_earlier_than_before(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await _node(conn)
        for at in (NOW + 10, NOW + 5):
            await service.nodes_seen(conn, {number: at})
        assert await conn.scalar(select(node.c.seen_ms)) == NOW + 10


def _value(at: int, value: float | str | None, quality: int = 192) -> LastValue:
    return LastValue(device_id=1, point="p", value=value, quality=quality, at_ms=at, received_ms=NOW)


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([_value(5, 1.0), _value(6, 2.0)], 2.0),
        ([_value(6, 2.0), _value(5, 1.0)], 2.0),
        ([_value(5, 1.0), _value(5, 2.0)], 2.0),
        ([_value(5, 1.0), _value(6, "text")], "text"),
        ([_value(5, "text"), _value(6, 1.0)], 1.0),
        ([_value(5, "text"), _value(6, None, 0)], None),
    ],
)
async def test_the_newest_value_of_a_point_stays(town: Town, rows: list[LastValue], kept: float | str | None) -> None:
    born = await town.device()
    assert born.id == 1
    async with transaction(town.engine) as conn:
        await service.put_last_values(conn, [])
        await service.put_last_values(conn, rows)
        for row in rows:
            await service.put_last_values(conn, [row])
    async with reading(town.engine) as conn:
        assert (await service.last_values(conn, [1]))[1][0].value == kept
        assert await conn.scalar(select(func.count()).select_from(last_value)) == 1

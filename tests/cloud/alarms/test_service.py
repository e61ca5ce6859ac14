import json

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from cloud.alarms import engine, service
from cloud.alarms.repository import add, any_due, put_heartbeat
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Conflict, Forbidden, NotFound
from cloud.platform.schema import access, alarms, assets, notify, work_orders
from tests.support.alarmed_pump import AlarmedPump
from tests.support.cloud_world import NOW, World


async def test_the_wall_clock_raises_an_alarm_whose_delay_has_run_out(world: World, pump: AlarmedPump) -> None:
    await pump.read(NOW, running=1, current=0.5)
    assert await pump.timers(NOW + 9_999) == 0
    assert await pump.timers(NOW + 10_000) == 1
    assert await pump.timers(NOW + 20_000) == 0
    (alarm,) = await world.rows(alarms.alarm)
    assert (alarm["active"], alarm["raised_ms"], alarm["priority"]) == (True, NOW + 10_000, "high")
    assert [row["kind"] for row in await world.rows(alarms.alarm_event)] == ["raised"]


async def test_an_alarm_opens_one_order_and_tells_the_watchers_and_the_assignee(
    world: World, pump: AlarmedPump
) -> None:
    await pump.fail(NOW)
    (order,) = await world.rows(work_orders.work_order)
    assert (order["state"], order["assignee_id"], order["title_en"]) == ("dispatched", 2, "Repair the pump")
    assert order["number"] == "WO-20261122-0001"
    told = {row["kind"]: row for row in await world.rows(notify.outbox)}
    assert set(told) == {"alarm_raised", "order_assigned"}
    assert told["order_assigned"]["account_id"] == 2
    body = json.loads(told["order_assigned"]["body"])
    assert (body["number"], body["place"]) == ("WO-20261122-0001", "花园 / Tower 1 / Pump room")
    assert body["cause"]["en"] == "The suction side is empty"


async def test_an_alarm_that_returns_before_it_is_acknowledged_is_the_same_alarm_and_order(
    world: World, pump: AlarmedPump
) -> None:
    await pump.fail(NOW)
    await pump.recover(NOW + 60_000)
    assert (await world.rows(work_orders.work_order))[0]["state"] == "verified"
    await pump.fail(NOW + 120_000)
    (alarm,) = await world.rows(alarms.alarm)
    assert (alarm["occurrences"], alarm["active"], alarm["cleared_ms"]) == (2, True, None)
    (order,) = await world.rows(work_orders.work_order)
    assert (order["state"], order["restored_ms"], order["assignee_id"]) == ("dispatched", None, 2)


async def test_acknowledge_then_clear_ends_the_alarm_and_the_next_one_is_new(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    actor = await world.actor("olga")
    async with transaction(world.engine) as conn:
        await service.acknowledge(conn, actor, 1, now_ms=NOW + 20_000)
    await pump.recover(NOW + 60_000)
    (alarm,) = await world.rows(alarms.alarm)
    assert (alarm["closed"], alarm["acknowledged_by"], alarm["acknowledged_ms"]) == (True, 1, NOW + 20_000)
    await pump.fail(NOW + 120_000)
    assert len(await world.rows(alarms.alarm)) == 2
    assert len(await world.rows(work_orders.work_order)) == 2


async def test_an_acknowledged_alarm_cannot_be_acknowledged_and_says_what_can_be_done(
    world: World, pump: AlarmedPump
) -> None:
    await pump.fail(NOW)
    actor = await world.actor("olga")
    async with transaction(world.engine) as conn:
        await service.acknowledge(conn, actor, 1, now_ms=NOW)
    with pytest.raises(Conflict) as caught:
        async with transaction(world.engine) as conn:
            await service.acknowledge(conn, actor, 1, now_ms=NOW)
    assert caught.value.details == {"state": "C", "allowed": []}


async def test_a_latched_alarm_needs_acknowledgement_and_reset(world: World, pump: AlarmedPump) -> None:
    actor = await world.actor("olga")
    await pump.read(NOW, pressure=11)
    await pump.timers(NOW + 10_000)
    await pump.read(NOW + 20_000, pressure=5)
    await pump.timers(NOW + 25_000)
    with pytest.raises(Conflict):
        async with transaction(world.engine) as conn:
            await service.reset(conn, actor, 1, now_ms=NOW)
    async with transaction(world.engine) as conn:
        await service.acknowledge(conn, actor, 1, now_ms=NOW)
        assert (await service.get_alarm(conn, actor, 1))["state"] == "F"
        row = await service.reset(conn, actor, 1, now_ms=NOW)
    assert row.flags.closed


async def test_a_technician_may_look_but_not_acknowledge_and_the_denial_is_audited(
    world: World, pump: AlarmedPump
) -> None:
    await pump.fail(NOW)
    actor = await world.actor("tian")
    with pytest.raises(Forbidden):
        async with transaction(world.engine) as conn:
            await service.acknowledge(conn, actor, 1, now_ms=NOW)
    outcomes = [(row["action"], row["outcome"]) for row in await world.rows(access.audit)]
    assert ("alarm.acknowledge", "denied") in outcomes


async def test_an_alarm_elsewhere_does_not_exist_for_those_who_do_not_see_it(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    async with transaction(world.engine) as conn:
        await conn.execute(
            insert(access.account).values(
                id=9, login="nora", name="N", password_hash="-", language="en", phone="", active=True, created_ms=0
            )
        )
    nora = await world.actor("nora")
    async with reading(world.engine) as conn:
        assert await service.list_alarms(conn, nora) == []
        with pytest.raises(NotFound):
            await service.get_alarm(conn, nora, 1)
        assert (await service.overview(conn, nora, now_ms=NOW))["unacknowledged"] == 0


async def test_an_alarm_says_cause_consequence_and_response_of_the_profile_that_raised_it(
    world: World, pump: AlarmedPump
) -> None:
    await pump.fail(NOW)
    actor = await world.actor("olga")
    async with reading(world.engine) as conn:
        (item,) = await service.list_alarms(conn, actor, state="unacknowledged")
        alarm = await service.get_alarm(conn, actor, item["id"])
    assert item["cause"] == {"zh": "原因", "en": "The suction side is empty"}
    assert item["response"]["en"] == "Stop the pump"
    assert (item["respond_within_ms"], item["state"], item["allowed"]) == (600_000, "B", ["acknowledge"])
    assert alarm["work_order"]["number"] == "WO-20261122-0001"
    assert [event["kind"] for event in alarm["history"]] == ["raised"]


async def test_the_overview_counts_and_says_whether_the_engine_lives(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    actor = await world.actor("olga")
    async with reading(world.engine) as conn:
        before = await service.overview(conn, actor, now_ms=NOW)
    async with transaction(world.engine) as conn:
        await put_heartbeat(conn, process="w", started_ms=NOW, at_ms=NOW)
        await put_heartbeat(conn, process="w", started_ms=NOW, at_ms=NOW + 1)
    async with reading(world.engine) as conn:
        after = await service.overview(conn, actor, now_ms=NOW + 2_001)
        late = await service.overview(conn, actor, now_ms=NOW + 60_000)
    assert before["engine"] == {"alive": False, "heartbeat_age_ms": None}
    assert after["engine"] == {"alive": True, "heartbeat_age_ms": 2_000}
    assert not late["engine"]["alive"]
    assert after["alarms"]["high"] == {"open": 1, "active": 1, "unacknowledged": 1}
    assert after["work_orders"]["dispatched"] == 1
    assert after["devices"] == {"online": 1, "offline": 0, "unknown": 0}


async def test_the_database_itself_refuses_a_second_open_alarm(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    (row,) = await world.rows(alarms.alarm)
    again = {name: value for name, value in row.items() if name != "id"}
    async with transaction(world.engine) as conn:
        assert await add(conn, **again) is None
    with pytest.raises(IntegrityError):
        async with transaction(world.engine) as conn:
            await conn.execute(insert(alarms.alarm).values(again))


async def test_each_code_is_an_alarm_of_its_own(world: World, pump: AlarmedPump) -> None:
    await pump.read(NOW, fault_code=3)
    await pump.read(NOW + 1, fault_code=7)
    found = {row["rule"]: (row["active"], row["priority"]) for row in await world.rows(alarms.alarm)}
    assert found == {"fault.3": (False, "urgent"), "fault.7": (True, "high")}
    assert await world.rows(work_orders.work_order) == []


async def test_an_urgent_alarm_of_the_past_is_told_at_once(world: World, pump: AlarmedPump) -> None:
    await pump.read(NOW, historical=True, fault_code=3)
    assert [row["kind"] for row in await world.rows(notify.outbox)] == ["alarm_raised"]


async def test_overrides_of_the_installation_count(world: World, pump: AlarmedPump) -> None:
    document = '{"high_pressure": {"limits": {"pressure": 4.0}, "on_delay": "0s", "priority": "low"}}'
    second = await AlarmedPump.born(world, pump.watched.profile, name="pump-2", overrides=document)
    await pump.read(NOW, pressure=5)
    await second.read(NOW, pressure=5)
    found = [(row["device_id"], row["priority"]) for row in await world.rows(alarms.alarm)]
    assert found == [(second.watched.device.id, "low")]


async def test_a_timer_of_a_rule_that_is_gone_waits_until_the_node_has_caught_up(
    world: World, pump: AlarmedPump
) -> None:
    await pump.read(NOW, running=1, current=0.5)
    async with transaction(world.engine) as conn:
        await conn.execute(assets.device.update().values(overrides='{"dry_run": {"enabled": false}}'))
    assert await pump.timers(NOW + 60_000) == 0
    assert await world.rows(alarms.condition) != []
    async with reading(world.engine) as conn:
        assert not await any_due(conn, NOW + 60_000), "it holds up no other timer"
    async with transaction(world.engine) as conn:
        await conn.execute(assets.device.update().values(overrides="{}"))
        await engine.caught_up(conn, pump.watched.device.node_id, NOW + 61_000)
    assert await pump.timers(NOW + 62_000) == 1

import pytest

from cloud.platform.database import reading, transaction
from cloud.platform.errors import Conflict, Forbidden, Invalid, NotFound
from cloud.platform.schema import access, alarms, notify, people, work_orders
from cloud.work_orders import service
from cloud.work_orders.domain import Action
from tests.support.alarmed_pump import AlarmedPump
from tests.support.cloud_world import HOUR, NOW, World


async def act(world: World, login: str, action: Action, *, note: str = "", assignee_id: int | None = None) -> str:
    actor = await world.actor(login)
    async with transaction(world.engine) as conn:
        order = await service.act(conn, actor, 1, action, note=note, now_ms=world.clock(), assignee_id=assignee_id)
    return order.state.value


async def order(world: World) -> dict[str, object]:
    return (await world.rows(work_orders.work_order))[0]


async def test_the_assignee_does_the_work_and_every_change_is_in_the_history(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    for action in (Action.ACCEPT, Action.START):
        await act(world, "tian", action)
    await act(world, "tian", Action.HOLD, note="waiting for a seal")
    await act(world, "tian", Action.RESUME)
    assert await act(world, "tian", Action.COMPLETE, note="new seal") == "done"
    await pump.recover(NOW + 60_000)
    assert (await order(world))["state"] == "verified"
    assert await act(world, "olga", Action.CLOSE) == "closed"
    history = [(row["action"], row["account_id"]) for row in await world.rows(work_orders.work_order_event)]
    assert history == [
        ("open", None),
        ("assign", None),
        ("accept", 2),
        ("start", 2),
        ("hold", 2),
        ("resume", 2),
        ("complete", 2),
        ("sensor restored", None),
        ("close", 1),
    ]
    audited = [row["action"] for row in await world.rows(access.audit) if row["outcome"] == "allowed"]
    assert "work_order.close" in audited


async def test_an_illegal_move_is_a_conflict_that_says_what_is_allowed(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    with pytest.raises(Conflict) as caught:
        await act(world, "tian", Action.COMPLETE)
    assert caught.value.details == {
        "from": "dispatched",
        "action": "complete",
        "allowed": ["assign", "accept", "cancel"],
    }


async def test_a_technician_acts_on_own_orders_only_and_does_not_dispatch(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    with pytest.raises(Conflict, match="not yours"):
        await act(world, "otto", Action.ACCEPT)
    with pytest.raises(Forbidden):
        await act(world, "tian", Action.CANCEL)
    with pytest.raises(Forbidden):
        await act(world, "olga", Action.ACCEPT)


async def test_holding_needs_a_reason(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    await act(world, "tian", Action.ACCEPT)
    with pytest.raises(Invalid, match="reason"):
        await act(world, "tian", Action.HOLD, note=" ")


async def test_an_order_can_be_given_to_somebody_else_who_is_told(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    await act(world, "tian", Action.ACCEPT)
    assert await act(world, "olga", Action.ASSIGN, assignee_id=3) == "dispatched"
    assert (await order(world))["assignee_id"] == 3
    told = [row["account_id"] for row in await world.rows(notify.outbox) if row["kind"] == "order_assigned"]
    assert told == [2, 3]
    with pytest.raises(Invalid):
        await act(world, "olga", Action.ASSIGN, assignee_id=77)


async def test_with_nobody_on_shift_the_order_waits_and_is_assigned_when_somebody_comes(
    world: World, pump: AlarmedPump
) -> None:
    async with transaction(world.engine) as conn:
        await conn.execute(people.shift.delete())
    await pump.fail(NOW)
    assert (await order(world))["state"] == "new"
    assert "order_unassigned" in {row["kind"] for row in await world.rows(notify.outbox)}
    async with transaction(world.engine) as conn:
        assert await service.assign_waiting(conn, now_ms=NOW) == 0
        await conn.execute(
            people.shift.insert().values(account_id=3, community_id=1, starts_ms=NOW, ends_ms=NOW + HOUR)
        )
        assert await service.assign_waiting(conn, now_ms=NOW + 1) == 1
        assert not await service.any_waiting(conn)
    assert ((await order(world))["state"], (await order(world))["assignee_id"]) == ("dispatched", 3)


async def test_numbers_follow_the_communitys_own_day(world: World, pump: AlarmedPump) -> None:
    world.clock.now_ms = NOW + 13 * HOUR  # 17:00 UTC is the next day in Shanghai
    await pump.read(NOW, running=1, current=0.5)
    await pump.read(NOW + 60_000, current=0.5)
    assert (await order(world))["number"] == "WO-20261123-0001"


async def test_a_sensors_order_closes_by_itself_when_it_stays_quiet_and_a_persons_never(
    world: World, pump: AlarmedPump
) -> None:
    await pump.fail(NOW)  # its order needs a person
    await pump.recover(NOW + 60_000)
    await pump.read(NOW, pressure=11)  # its order trusts the sensor
    await pump.timers(NOW + 10_000)
    await pump.read(NOW + 20_000, pressure=5)
    await pump.timers(NOW + 25_000)
    async with transaction(world.engine) as conn:
        assert await service.close_quiet(conn, quiet_ms=HOUR, now_ms=NOW + 25_000 + HOUR - 1) == 0
        assert await service.close_quiet(conn, quiet_ms=HOUR, now_ms=NOW + 25_000 + 3 * HOUR) == 1
    states = {row["closes"]: row["state"] for row in await world.rows(work_orders.work_order)}
    assert states == {"person": "verified", "sensor": "closed"}


async def test_a_cancelled_order_opens_again_when_the_same_alarm_comes_back(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    await act(world, "olga", Action.CANCEL, note="a test of ours")
    await pump.recover(NOW + 60_000)
    assert (await order(world))["state"] == "cancelled"
    await pump.fail(NOW + 120_000)
    assert ((await order(world))["state"], (await order(world))["closed_ms"]) == ("dispatched", None)
    assert len(await world.rows(alarms.alarm)) == 1


async def test_lists_show_what_one_may_do(world: World, pump: AlarmedPump) -> None:
    await pump.fail(NOW)
    async with reading(world.engine) as conn:
        (mine,) = await service.list_orders(conn, await world.actor("tian"), mine=True)
        assert await service.list_orders(conn, await world.actor("otto"), mine=True) == []
        (seen,) = await service.list_orders(conn, await world.actor("olga"), state="dispatched")
        assert await service.list_orders(conn, await world.actor("olga"), state="closed") == []
        detail = await service.get_order(conn, await world.actor("olga"), 1)
        with pytest.raises(NotFound):
            await service.get_order(conn, await world.actor("olga"), 99)
    assert mine["allowed"] == ["accept"]
    assert seen["allowed"] == ["assign", "cancel"]
    assert (detail["assignee"], detail["place"], detail["title"]["en"]) == ("Tian", "Pump room", "Repair the pump")
    assert [event["action"] for event in detail["history"]] == ["open", "assign"]

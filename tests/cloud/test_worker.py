import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cloud.assets import service as asset_service
from cloud.notify.sender import AppriseSender
from cloud.platform.database import transaction
from cloud.platform.schema import alarms, assets, notify, work_orders
from cloud.worker import SETTLE_MS, Worker
from runtime.health import Health
from tests.support.alarmed_pump import AlarmedPump
from tests.support.cloud_world import NOW, World, cloud_world
from tests.support.pump_profile import pump_profile


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    async with cloud_world(tmp_path, database_url) as world:
        yield world


@pytest.fixture
async def pump(world: World) -> AlarmedPump:
    return await AlarmedPump.born(world, pump_profile())


def make_worker(world: World, health: Health | None = None, *, close_after: timedelta = timedelta(hours=24)) -> Worker:
    return Worker(
        engine=world.engine,
        sender=AppriseSender(()),
        clock=world.clock,
        tick=timedelta(milliseconds=10),
        registry=CollectorRegistry(),
        health=health or Health(process="worker", version="test"),
        name="test",
        close_after=close_after,
    )


async def test_a_delay_that_runs_out_becomes_an_alarm_an_order_and_a_notice(world: World, pump: AlarmedPump) -> None:
    await pump.read(NOW, running=1, current=0.5)
    worker = make_worker(world)
    task = asyncio.create_task(worker.run(), name="worker")
    try:
        world.clock.now_ms = NOW + 10_000 + SETTLE_MS
        for _ in range(200):
            told = await world.rows(notify.outbox)
            if told and all(row["delivered_ms"] for row in told) and await world.rows(alarms.heartbeat):
                break
            await asyncio.sleep(0.05)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    (alarm,) = await world.rows(alarms.alarm)
    assert alarm["raised_ms"] == NOW + 10_000
    assert len(await world.rows(work_orders.work_order)) == 1
    assert {row["channel"] for row in await world.rows(notify.outbox)} == {"in-app"}


async def test_readings_on_their_way_have_a_moment_to_arrive_before_a_timer_fires(
    world: World, pump: AlarmedPump
) -> None:
    await pump.read(NOW, running=1, current=0.5)
    worker = make_worker(world)
    world.clock.now_ms = NOW + 10_000
    assert await worker.run_timers() == 0
    await pump.read(NOW + 9_990, current=5.0)
    world.clock.now_ms = NOW + 60_000
    assert await worker.run_timers() == 0
    assert await world.rows(alarms.alarm) == []


async def test_timers_survive_a_restart(world: World, pump: AlarmedPump) -> None:
    await pump.read(NOW, running=1, current=0.5)
    make_worker(world)
    world.clock.now_ms = NOW + 3_600_000
    assert await make_worker(world).run_timers() == 1
    assert (await world.rows(alarms.alarm))[0]["raised_ms"] == NOW + 10_000


async def test_a_command_without_an_answer_becomes_unknown(world: World, pump: AlarmedPump) -> None:
    actor = await world.actor("olga")
    async with transaction(world.engine) as conn:
        await asset_service.token_seen(conn, node_id=1, token="t", now_ms=NOW)
        await asset_service.request_command(
            conn, actor, device_id=1, name="start", value=None, command_id="c-1", timeout_ms=1000, now_ms=NOW
        )
        assert await asset_service.mark_sent(conn, "c-1", NOW)
    world.clock.now_ms = NOW + 32_000
    assert await make_worker(world).expire_commands() == 1
    assert (await world.rows(assets.command))[0]["state"] == "unknown"


async def test_a_duty_that_fails_is_seen_in_health_and_works_again_afterwards(world: World, pump: AlarmedPump) -> None:
    health = Health(process="worker", version="test")
    worker = make_worker(world, health)
    (timers,) = [loop for loop in worker.loops if loop.name == "timers"]
    async with world.engine.begin() as conn:
        await conn.exec_driver_sql("ALTER TABLE alarm_condition RENAME TO elsewhere")
    await worker.once(timers)
    check = health.report()["checks"]["timers"]
    assert check["status"] == "degraded"
    assert "alarm_condition" in check["detail"]
    async with world.engine.begin() as conn:
        await conn.exec_driver_sql("ALTER TABLE elsewhere RENAME TO alarm_condition")
    await worker.once(timers)
    assert health.report()["status"] == "ok"


async def test_a_fault_of_ours_in_one_duty_does_not_end_the_others(world: World, pump: AlarmedPump) -> None:
    worker = make_worker(world)
    (notices,) = [loop for loop in worker.loops if loop.name == "notices"]

    async def broken() -> int:
        raise ValueError("a fault")

    notices.action = broken
    await worker.once(notices)
    assert notices.trouble == "ValueError: a fault"


async def test_an_order_that_trusts_its_sensor_closes_after_the_configured_time(
    world: World, pump: AlarmedPump
) -> None:
    await pump.fail(NOW)
    async with transaction(world.engine) as conn:
        await conn.execute(work_orders.work_order.update().values(closes="sensor"))
    await pump.recover(NOW + 60_000)
    (order,) = await world.rows(work_orders.work_order)
    assert order["state"] == "verified"
    worker = make_worker(world, close_after=timedelta(minutes=5))
    world.clock.now_ms = order["restored_ms"] + 5 * 60_000 - 1
    assert await worker.close_quiet() == 0
    world.clock.now_ms += 1
    assert await worker.close_quiet() == 1

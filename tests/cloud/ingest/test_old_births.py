"""A birth of the past, for records that are sent again, ends nothing that the present has raised."""

from typing import Any

from cloud.alarms.engine import run_timers
from cloud.platform.database import transaction
from cloud.platform.schema import alarms
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from tests.support.pump_profile import pump_profile
from wire.payload import Message

OFF = '{"dry_run": {"enabled": false}}'


def born_as(edge: FakeEdge, overrides: str, at_ms: int) -> Message:
    """The DBIRTH of the pump, as it was when its rules were these."""
    edge.overrides = overrides
    return edge.session.device_birth("pump-1", edge._device_metrics(), at_ms)


async def alarm_raised_after_a_change(bench: Any) -> FakeEdge:
    """A pump whose rule was off, was switched on, and has raised an alarm that is still active."""
    edge = FakeEdge(pump_profile(), overrides=OFF)
    await bench.born(edge)
    edge.journal(NOW, running=True, current=5.0)
    await bench.feed(edge.send(1))
    edge.overrides = "{}"
    await bench.feed(edge.births(NOW + 1_000))
    edge.journal(NOW + 2_000, running=True, current=0.5)
    edge.journal(NOW + 22_000, current=0.4)
    await bench.feed(edge.send(2), edge.send(3))
    return edge


async def alarm_states(world: World) -> list[tuple[object, object]]:
    return [(row["rule"], row["active"]) for row in await world.rows(alarms.alarm)]


async def events(world: World) -> list[object]:
    return [row["kind"] for row in await world.rows(alarms.alarm_event)]


async def test_an_old_birth_for_repeated_records_clears_no_alarm_of_a_newer_rule(bench: Any, world: World) -> None:
    edge = await alarm_raised_after_a_change(bench)
    assert await alarm_states(world) == [("dry_run", True)]
    # The acknowledgement was lost: all is sent again after a reconnection, each record under its own birth.
    await bench.feed(edge.births(NOW + 30_000))
    await bench.feed(born_as(edge, OFF, NOW + 30_001), edge.send(1, historical=True))
    async with transaction(world.engine) as conn:
        await run_timers(conn, NOW + 60_000)
    await bench.feed(edge.token("while the old birth stands", NOW + 35_000))
    await bench.feed(born_as(edge, "{}", NOW + 36_000), edge.replay(after=1), at_ms=NOW + 36_000)
    assert await alarm_states(world) == [("dry_run", True)]
    assert await events(world) == ["raised"]
    edge.journal(NOW + 40_000, current=5.0)
    edge.journal(NOW + 90_000, current=5.0)
    await bench.feed(edge.send(4), edge.send(5), at_ms=NOW + 90_000)
    assert await alarm_states(world) == [("dry_run", False)]


async def test_timers_leave_the_conditions_of_a_rule_that_an_old_birth_lacks(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile(), overrides="{}")
    await bench.born(edge)
    edge.journal(NOW, running=True, current=0.5)
    await bench.feed(edge.send(1))
    before = await world.rows(alarms.condition)
    assert before
    # The acknowledgement was lost, and after a while the agent sends again what was published under the old birth.
    await bench.feed(born_as(edge, OFF, NOW + 1_000), edge.send(1, historical=True))
    async with transaction(world.engine) as conn:
        assert await run_timers(conn, NOW + 3_600_000) == 0
    edge.journal(NOW + 2_000, pressure=5.0)
    await bench.feed(born_as(edge, "{}", NOW + 3_000), edge.send(2), at_ms=NOW + 3_000)
    after = await world.rows(alarms.condition)
    assert [row | {"evaluated_ms": 0} for row in after] == [row | {"evaluated_ms": 0} for row in before]
    async with transaction(world.engine) as conn:
        assert await run_timers(conn, NOW + 3_600_000) == 1
    assert await alarm_states(world) == [("dry_run", True)]


async def test_a_rule_that_is_gone_ends_with_the_first_record_that_says_so(bench: Any, world: World) -> None:
    edge = await alarm_raised_after_a_change(bench)
    edge.overrides = OFF
    await bench.feed(edge.births(NOW + 30_000))
    assert await alarm_states(world) == [("dry_run", True)]
    edge.journal(NOW + 31_000, current=0.4)
    await bench.feed(edge.send(4))
    assert await alarm_states(world) == [("dry_run", False)]
    assert await world.rows(alarms.condition) == []


async def test_of_a_device_that_says_nothing_it_ends_when_nothing_of_the_past_is_to_come(
    bench: Any, world: World
) -> None:
    edge = await alarm_raised_after_a_change(bench)
    edge.overrides = OFF
    await bench.feed(edge.births(NOW + 30_000))
    await bench.feed(edge.token("a period without replayed records", NOW + 35_000))
    assert await alarm_states(world) == [("dry_run", False)]

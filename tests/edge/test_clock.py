"""Times under a clock that is wrong, is stepped, or is not known to be right."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.app import run_agent
from edge.clock import EARLIEST_MS, RecordClock, TimeQuality
from edge.config import load_site
from edge.journal_look import clock_floor
from edge.time_sync import Sync, kernel_synchronised, synchronised
from runtime.lifecycle import until_stopped
from tests.support.broker import running_broker
from tests.support.edge_site import NODE, USERS, health, listening_host, metrics_text, write_site
from tests.support.modbus_server import modbus_units
from wire import contract

NOW = 1_790_000_000_000
HOUR = 3_600_000
GOOD, UNSYNCHRONISED, BEHIND, STEPPED = TimeQuality


@dataclass
class Machine:
    """A machine's clocks."""

    wall: int = NOW
    since_boot: float = 1000.0
    synchronised: bool | None = None

    def pass_by(self, seconds: float) -> None:
        self.wall += int(seconds * 1000)
        self.since_boot += seconds

    def clock(self, floor_ms: int | None = None) -> RecordClock:
        return RecordClock(
            wall=lambda: self.wall,
            monotonic=lambda: self.since_boot,
            synchronised=lambda: self.synchronised,
            floor_ms=floor_ms,
        )


def test_a_clock_that_starts_in_1970_goes_on_from_the_floor_until_it_is_set() -> None:
    machine = Machine(wall=5_000)
    clock = machine.clock(NOW)
    assert clock.look() == (NOW, BEHIND)
    machine.pass_by(10)
    assert clock.look() == (NOW + 10_000, BEHIND)
    machine.wall = NOW + HOUR
    assert clock.look() == (NOW + HOUR, STEPPED)
    machine.pass_by(61)
    assert clock.look() == (NOW + HOUR + 61_000, GOOD)


def test_without_a_floor_no_time_lies_before_2025() -> None:
    assert Machine(wall=5_000).clock().look() == (EARLIEST_MS, BEHIND)
    assert Machine(wall=5_000, synchronised=True).clock().look() == (EARLIEST_MS, BEHIND)


def test_a_floor_that_was_wrong_does_not_hold_against_a_time_server_or_a_hand() -> None:
    machine = Machine(synchronised=True)
    assert machine.clock(NOW + 1000 * HOUR).look() == (NOW, GOOD)
    machine.synchronised = None
    clock = machine.clock(NOW + 1000 * HOUR)
    assert clock.look()[1] is BEHIND
    machine.wall += HOUR
    assert clock.look() == (NOW + HOUR, STEPPED)


def test_a_step_back_is_followed_and_told_and_a_small_one_stands_still() -> None:
    machine = Machine()
    clock = machine.clock(NOW - HOUR)
    assert clock() == NOW
    machine.wall -= 800
    assert clock.look() == (NOW, GOOD)
    machine.pass_by(1)
    assert clock.look() == (NOW + 200, GOOD)
    machine.wall -= HOUR
    assert clock.look() == (NOW + 200 - HOUR, STEPPED)
    assert (clock.steps, clock.step_ms) == (1, -HOUR)


def test_small_steps_back_that_add_up_are_told() -> None:
    machine = Machine()
    clock = machine.clock(NOW - HOUR)
    assert clock() == NOW
    machine.wall -= 4
    assert clock.look() == (NOW, GOOD)
    machine.wall -= 1000
    assert clock.look() == (NOW - 1004, STEPPED)


def test_before_a_time_server_has_set_it_times_are_marked() -> None:
    machine = Machine(synchronised=False)
    clock = machine.clock()
    assert clock.look() == (NOW, UNSYNCHRONISED)
    machine.synchronised = True
    assert clock.look() == (NOW, GOOD)


@given(
    steps=st.lists(st.tuples(st.floats(0, 4000), st.integers(-3 * HOUR, 3 * HOUR), st.booleans()), max_size=30),
    floor=st.integers(NOW - 5 * HOUR, NOW + 5 * HOUR),
)
def test_a_time_goes_back_no_further_than_the_clock_did_and_never_unmarked(
    steps: list[tuple[float, int, bool]], floor: int
) -> None:
    machine = Machine()
    clock = machine.clock(floor)
    before = clock()
    assert before >= floor - 1000
    ahead = max(before - machine.wall, 0)  # what a wrong floor may be ahead of the clock
    for seconds, step, stepped in steps:
        machine.pass_by(seconds)
        if stepped:
            machine.wall += step
        at_ms, quality = clock.look()
        assert at_ms >= EARLIEST_MS
        if at_ms < before:
            assert stepped
            assert quality is STEPPED
            assert before - at_ms <= max(-step, 0) + ahead + 1000
        before = at_ms


def test_the_kernel_is_asked_only_where_that_is_wanted() -> None:
    assert synchronised(Sync.IGNORED, monotonic=time.monotonic)() is None
    assert synchronised(Sync.REQUIRED, monotonic=time.monotonic)() is kernel_synchronised()


@pytest.mark.system
async def test_records_made_under_a_wrong_clock_say_so_as_far_as_the_host(tmp_path: Path) -> None:
    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        modbus_units(1) as units,
        listening_host(broker) as host,
    ):
        file = write_site(tmp_path, broker, units)
        behind_ms = 0

        def wall() -> int:
            return time.time_ns() // 1_000_000 - behind_ms

        async def run(until: asyncio.Event) -> None:
            await run_agent(load_site(file), NODE, until, wall=wall, is_synchronised=lambda: None)

        async def pressure(value: int, after: int) -> None:
            units.registers[1][0] = value
            await host.until(lambda: [one for one in host.taken[after:] if "pressure" in one.metrics])

        stop = asyncio.Event()
        first = asyncio.create_task(until_stopped(stop, run(stop), name="first"))
        await host.until(lambda: [one for one in host.taken if "locked" in one.metrics])
        assert health(file)["checks"]["clock"] == {"status": "ok", "detail": ""}
        assert all(contract.TIME_QUALITY not in one.metrics for one in host.taken)
        behind_ms = HOUR  # somebody sets the clock back while it runs
        stepped_from = len(host.taken)
        await pressure(90, stepped_from)
        stepped = host.taken[stepped_from:]
        assert {one.value(contract.TIME_QUALITY) for one in stepped} == {"stepped"}
        stop.set()
        await first
        floor = clock_floor(tmp_path / "data" / "journal.sqlite")
        assert floor is not None
        behind_ms = 50 * 365 * 24 * HOUR  # the next start is in the seventies
        again, start_from = asyncio.Event(), len(host.taken)
        second = asyncio.create_task(until_stopped(again, run(again), name="second"))
        await pressure(20, start_from)
        found = health(file)["checks"]["clock"]
        text = metrics_text(file)
        again.set()
        await second
    late = host.taken[start_from:]
    assert {one.value(contract.TIME_QUALITY) for one in late} == {"behind"}
    times = [one.metrics["pressure"].timestamp_ms for one in late if "pressure" in one.metrics]
    assert all(at is not None and floor <= at < floor + 60_000 for at in times)
    assert found["status"] == "degraded"
    assert "behind the time of the newest record" in found["detail"]
    assert 'linli_edge_clock_quality{quality="behind"} 1.0' in text
    assert [one.offset for one in host.taken] == list(range(1, len(host.taken) + 1))

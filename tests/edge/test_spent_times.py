"""No two readings of a point have the same time, whatever clocks and restarts do: stores tell samples apart by it."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import PointResult
from edge.app import run_agent
from edge.clock import EARLIEST_MS, RecordClock, TimeQuality
from edge.config import load_site
from edge.journal import FILE_NAME
from edge.journal_file import JournalFile, Limits
from edge.journal_look import spent_times
from edge.pipeline import DevicePipeline
from edge.spent import CELL_MS, Span, SpentTimes, joined, read_spans, write_spans
from runtime.lifecycle import until_stopped
from tests.support.broker import running_broker
from tests.support.edge_site import NODE, USERS, listening_host, write_site
from tests.support.modbus_server import modbus_units
from tests.support.spoken_profiles import reader_profile

NOW = 1_790_000_000_000
MINUTE = 60_000
PROFILE = reader_profile()


class Agent:
    """A clock, its device's pipeline, and everything that was ever reported, over restarts."""

    def __init__(self) -> None:
        self.wall, self.since_boot = NOW, 0.0
        self.reported: Counter[tuple[str, int]] = Counter()
        self.floor_ms: int | None = None
        self.written = write_spans(())
        self.start()

    def start(self) -> None:
        self.clock = RecordClock(
            wall=lambda: self.wall,
            monotonic=lambda: self.since_boot,
            synchronised=lambda: None,
            floor_ms=self.floor_ms,
            spent=read_spans(self.written),
        )
        self.forget()

    def forget(self) -> None:
        """Read the device by another profile, as a changed site file asks for."""
        self.pipeline = DevicePipeline(
            PROFILE.points,
            heartbeat=timedelta(seconds=60),
            after=self.clock.after,
            now_ms=self.clock(),
            newest_ms=self.clock.newest_ms,
        )

    def read(self, number: int) -> int:
        at_ms = self.clock()
        results = [PointResult(point="card", value=str(number)), PointResult(point="battery", value=float(number))]
        if number % 5 == 0:
            results = [PointResult(point=one.point, value=None, reason="no answer") for one in results]
        for reading in self.pipeline.take(results, at_ms=at_ms):
            self.reported[reading.point, reading.at_ms] += 1
        self.written = write_spans(self.clock.spent)
        if self.clock.quality is not TimeQuality.STEPPED:
            self.floor_ms = at_ms
        return at_ms


STEPS = st.sampled_from([-900_000, -90_000, -5_000, -1_500, -800, -1, 3, 1_500, 20_000, 900_000, 10**11, -(10**11)])
PASSING = st.sampled_from([0, 0, 1, 3, 4, 500, 5_000, 100_000])
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), PASSING),
        st.tuples(st.just("step"), STEPS),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("forget"), st.just(0)),
        st.tuples(st.just("burst"), st.integers(1, 40)),
    ),
    max_size=80,
)


@given(happenings=HAPPENINGS)
@settings(max_examples=300, deadline=None)
def test_no_reading_of_a_point_has_the_time_of_another(happenings: list[tuple[str, int]]) -> None:
    agent = Agent()
    number = 0
    do: dict[str, Callable[[], None]] = {"restart": agent.start, "forget": agent.forget}
    for what, amount in happenings:
        match what:
            case "pass":
                agent.wall += amount
                agent.since_boot += amount / 1000
            case "step":
                agent.wall += amount
            case "burst":
                for _ in range(amount):
                    number += 1
                    agent.read(number)
            case _:
                do[what]()
        number += 1
        agent.read(number)
        assert agent.read(number) >= EARLIEST_MS
    assert not [key for key, times in agent.reported.items() if times > 1]


def test_a_clock_that_is_set_back_is_followed_through_the_same_time_with_other_milliseconds() -> None:
    times = SpentTimes()
    first = [times.give(NOW + at) for at in range(0, 1000, 10)]
    again = [times.give(NOW + at) for at in range(0, 1000, 10)]
    assert all(0 <= at - other < CELL_MS for at, other in zip(again, first, strict=True))
    assert not set(first) & set(again)


def test_where_time_has_passed_too_often_it_stands_still_behind_that_and_says_so() -> None:
    wall = NOW + 1000
    full = Span(first=NOW // CELL_MS, last=(NOW + 100_000) // CELL_MS, times=CELL_MS)
    clock = RecordClock(
        wall=lambda: wall, monotonic=lambda: 0.0, synchronised=lambda: None, floor_ms=None, spent=[full]
    )
    assert clock.look() == (NOW + 100_000 + CELL_MS, TimeQuality.BEHIND)
    assert clock.look() == (NOW + 100_000 + CELL_MS, TimeQuality.BEHIND)
    assert clock.after(clock()) == NOW + 100_000 + 2 * CELL_MS


def test_an_hour_ahead_that_was_set_right_costs_nothing() -> None:
    times = SpentTimes()
    for at in range(0, 100_000, 1000):
        times.give(NOW + at)
    for at in range(0, 20_000, 1000):
        times.give(NOW + 3_600_000 + at)
    assert times.give(NOW + 120_000) == NOW + 120_000
    assert len(times.spans) == 2
    island = [times.give(NOW + 3_600_000 + at) for at in (-8, 0, 8)]
    assert [at - NOW - 3_600_000 for at in island] == [-8, 1, 9]


@given(
    spans=st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, CELL_MS)), max_size=80),
    asked=st.lists(st.integers(0, 10**8), max_size=20),
)
def test_spans_stay_few_and_never_forget(spans: list[tuple[int, int, int]], asked: list[int]) -> None:
    made: list[Span] = []
    at = 0
    for hole, length, times in spans:
        made.append(Span(first=at + hole, last=at + hole + length, times=times))
        at += hole + length
    few = joined(made)
    assert len(few) <= 32
    assert joined(few) == few == read_spans(write_spans(few))

    def passed(spans: tuple[Span, ...], cell: int) -> int:
        return max((one.times for one in spans if one.first <= cell <= one.last), default=0)

    for cell in [*asked, *(one.first for one in made), *(one.last for one in made)]:
        assert passed(few, cell) >= passed(tuple(made), cell)


@pytest.mark.parametrize("text", ["", "[1]", "[[1]]", '{"a": 1}', "[[1, 2, 3, 4]]", '[["a", 2, 3]]'])
def test_what_is_no_list_of_spans_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no spans"):
        read_spans(text)


def test_a_journal_keeps_the_times_that_were_given(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    assert spent_times(file) == ()
    journal = JournalFile(file, new_id="one", limits=Limits(max_records=10, max_bytes=10_000))
    assert spent_times(file) == ()
    span = (Span(first=5, last=10, times=2),)
    journal.append([], spent=span)
    journal.append([])
    journal.close()
    assert spent_times(file) == span


@pytest.mark.system
async def test_an_agent_whose_clock_goes_in_circles_gives_no_time_twice(tmp_path: Path) -> None:
    began = time.time_ns() // 1_000_000

    def wall() -> int:
        return began + (time.time_ns() // 1_000_000 - began) % 1_700

    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        modbus_units(1) as units,
        listening_host(broker) as host,
    ):
        file = write_site(tmp_path, broker, units)

        async def run(until: asyncio.Event) -> None:
            await run_agent(load_site(file), NODE, until, wall=wall, is_synchronised=lambda: None)

        async def once(first: int) -> None:
            stop, seen = asyncio.Event(), len(host.taken)
            agent = asyncio.create_task(until_stopped(stop, run(stop), name="agent"))
            await host.until(lambda: host.taken[seen:])
            for value in range(40):
                units.registers[1][0] = first + value
                await asyncio.sleep(0.1)
            stop.set()
            await agent

        await once(0)
        await once(100)
    told = Counter(
        (name, metric.timestamp_ms)
        for one in {record.offset: record for record in host.taken}.values()
        for name, metric in one.metrics.items()
        if "/" not in name
    )
    assert len(told) > 40
    assert [key for key, times in told.items() if times > 1] == []
    assert all(at is not None and at < began + 60_000 for _, at in told)

"""What the executor says when devices, buses and disks fail; the devices are fakes, the journal is real."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.api import BadRequest, DriverError, Garbled, PointResult, Refused, TimedOut, Unreachable, Value
from drivers.profile import load_profile
from edge.commands import Request, TokenBook
from edge.executor import CommandExecutor, CommandTarget
from edge.journal import Journal, open_journal
from edge.journal_file import Limits
from edge.records import CommandResult, Draft
from wire.contract import Outcome

PROFILE = load_profile(Path(__file__).parent / "profiles" / "bench-pump.toml")
LIMITS = Limits(max_records=1000, max_bytes=10_000_000)


@dataclass
class FakeBus:
    connected: bool = True
    name: str = "bus-1"
    settings: Any = None

    async def connect(self) -> None:
        self.connected = True

    async def close(self) -> None:
        self.connected = False


@dataclass
class FakeDevice:
    """Keeps what is written; `failure` is raised by a write, and `shows` is what a read gives instead of that."""

    failure: DriverError | None = None
    shows: Value | DriverError | None = None
    values: dict[str, Value] = field(default_factory=dict)
    write_takes_s: float = 0.01
    at_once: int = 0
    most_at_once: int = 0

    async def read(self, points: Sequence[str], *, urgent: bool = False) -> Mapping[str, PointResult]:
        assert urgent  # a command's read-back never waits behind polling
        if isinstance(self.shows, DriverError):
            raise self.shows
        return {
            point: PointResult(point=point, value=self.values.get(point) if self.shows is None else self.shows)
            for point in points
        }

    async def write(self, point: str, value: Value) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.write_takes_s)
        self.at_once -= 1
        if self.failure is not None:
            raise self.failure
        self.values[point] = value


@dataclass
class Bench:
    executor: CommandExecutor
    device: FakeDevice
    bus: FakeBus
    journal: Journal
    reported: list[CommandResult]
    observed: list[PointResult]
    targets: dict[str, CommandTarget]

    def accept(self, number: int = 1, *, timeout_ms: int = 2000, **more: Any) -> None:
        request = Request(
            device="pump-1",
            command_id=str(number),
            token="t",
            timeout=timedelta(milliseconds=timeout_ms),
            name=more.get("name", "set_pressure"),
            value=more.get("value", 5.0),
        )
        self.executor.accept(request)

    async def result(self, count: int = 1) -> CommandResult:
        async with asyncio.timeout(10):
            while len(self.reported) < count:  # noqa: ASYNC110 - a list has no event
                await asyncio.sleep(0.01)
        return self.reported[-1]


@asynccontextmanager
async def bench(folder: Path, *, monotonic: Callable[[], float] | None = None) -> Any:
    device, bus, reported, tokens = FakeDevice(), FakeBus(), [], TokenBook()
    clock = monotonic or asyncio.get_running_loop().time
    tokens.issue("t", now=clock())

    observed: list[PointResult] = []
    targets = {"pump-1": CommandTarget(device=device, bus=bus, profile=PROFILE)}

    def report(draft: Draft) -> None:
        assert draft.result is not None
        reported.append(draft.result)

    async with (
        open_journal(folder, new_id="j", limits=LIMITS, at_ms=0) as journal,
        asyncio.TaskGroup() as tasks,
    ):
        executor = CommandExecutor(
            target_of=targets.get,
            birth_of=lambda _: "b1",
            tokens=tokens,
            journal=journal,
            report=report,
            observe=lambda _, results: observed.extend(results),
            count=lambda _: None,
            tasks=tasks,
            clock=lambda: 0,
            monotonic=clock,
        )
        yield Bench(
            executor=executor,
            device=device,
            bus=bus,
            journal=journal,
            reported=reported,
            observed=observed,
            targets=targets,
        )


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (Refused(device="d", code=3, why="illegal data value"), Outcome.REFUSED),
        (BadRequest(device="d", why="does not fit"), Outcome.REFUSED),
        (TimedOut(device="d", after=timedelta(seconds=1)), Outcome.UNKNOWN),
        (Garbled(device="d", why="noise"), Outcome.UNKNOWN),
        (Unreachable(device="d", why="the connection was lost"), Outcome.UNKNOWN),
    ],
)
async def test_a_failed_write_is_told_as_what_it_is(tmp_path: Path, failure: DriverError, outcome: Outcome) -> None:
    async with bench(tmp_path) as on:
        on.device.failure = failure
        on.accept()
        assert (await on.result()).outcome is outcome


async def test_a_gateway_that_heard_nothing_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        failure = Refused(device="d", code=11, why="gateway target failed to respond")
        failure.retry = True
        on.device.failure = failure
        on.accept()
        assert (await on.result()).outcome is Outcome.UNKNOWN


async def test_nothing_is_written_to_a_bus_that_stays_away(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        on.bus.connected = False
        on.accept(timeout_ms=300)
        result = await on.result()
    assert result.outcome is Outcome.TIMED_OUT
    assert "nothing could be sent" in result.detail
    assert on.device.values == {}


async def test_what_is_read_back_is_a_reading_like_any_other(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        on.accept()
        assert (await on.result()).outcome is Outcome.DONE
        assert [(result.point, result.value) for result in on.observed] == list(on.device.values.items())


async def test_a_bus_that_comes_back_in_time_carries_the_command(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        on.bus.connected = False
        on.accept()
        await asyncio.sleep(0.1)
        on.bus.connected = True
        assert (await on.result()).outcome is Outcome.DONE


async def test_a_command_whose_time_is_up_before_its_turn_is_never_sent(tmp_path: Path) -> None:
    times = iter([0.0, 0.0])
    async with bench(tmp_path, monotonic=lambda: next(times, 100.0)) as on:
        on.accept()
        result = await on.result()
    assert result.outcome is Outcome.TIMED_OUT
    assert on.device.values == {}


async def test_a_confirmed_write_that_cannot_be_read_back_is_timed_out(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        on.device.shows = TimedOut(device="d", after=timedelta(seconds=1))
        on.accept(timeout_ms=400)
        result = await on.result()
    assert result.outcome is Outcome.TIMED_OUT
    assert "the last read-back failed" in result.detail


async def test_commands_to_one_device_run_one_after_another(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        for number in range(5):
            on.accept(number)
        await on.result(5)
    assert on.device.most_at_once == 1
    assert {result.outcome for result in on.reported} == {Outcome.DONE}


async def test_a_command_that_comes_again_while_it_runs_runs_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        on.accept(7)
        on.accept(7)
        await on.result()
        await asyncio.sleep(0.1)
    assert len(on.reported) == 1


async def test_without_a_journal_nothing_is_done(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        database = on.journal._file._db
        await on.journal._call(database.execute, "PRAGMA query_only = 1")
        on.accept()
        result = await on.result()
        await on.journal._call(database.execute, "PRAGMA query_only = 0")
    assert result.outcome is Outcome.REFUSED
    assert "cannot note" in result.detail
    assert on.device.values == {}


async def test_commands_left_open_by_an_earlier_process_are_unknown(tmp_path: Path) -> None:
    async with open_journal(tmp_path, new_id="j", limits=LIMITS, at_ms=0) as journal:
        await journal.begin_command(command_id="9", device="pump-1", name="start", at_ms=0)
    async with bench(tmp_path) as on:
        await on.executor.report_unfinished()
        assert (await on.result()) == CommandResult(
            command_id="9", outcome=Outcome.UNKNOWN, detail=on.reported[0].detail
        )


@pytest.mark.parametrize(
    ("stage", "outcome"),
    [("waiting", Outcome.REFUSED), ("writing", Outcome.UNKNOWN), ("proving", Outcome.TIMED_OUT)],
)
async def test_a_command_that_is_withdrawn_says_what_is_true_of_it(
    tmp_path: Path, stage: str, outcome: Outcome
) -> None:
    async with bench(tmp_path) as on:
        on.bus.connected = stage != "waiting"
        on.device.shows = 1.0  # never what is expected
        if stage == "writing":
            on.device.write_takes_s = 60.0
        on.accept(timeout_ms=20_000)
        async with asyncio.timeout(10):
            while on.device.at_once == 0 if stage == "writing" else not on.observed and stage == "proving":  # noqa: ASYNC110 - a fake has no event
                await asyncio.sleep(0.01)
        await on.executor.withdraw({"pump-1"})
        assert [one.outcome for one in on.reported] == [outcome], "told before withdraw() returns"
        noted = await on.journal.command("1")
    assert "configuration changed" in on.reported[0].detail
    assert noted is None or noted.birth == "b1"


async def test_a_command_that_was_accepted_just_before_is_withdrawn_too(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        on.accept()
        await on.executor.withdraw({"pump-1"})
        assert [one.outcome for one in on.reported] == [Outcome.REFUSED]
        assert on.device.values == {}


async def test_commands_to_other_devices_are_not_withdrawn(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        on.accept()
        await on.executor.withdraw({"pump-2"})
        assert (await on.result()).outcome is Outcome.DONE


async def test_a_device_that_is_being_changed_takes_no_command(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        on.targets.clear()
        on.accept()
        result = await on.result()
    assert result.outcome is Outcome.REFUSED
    assert "is just being changed" in result.detail

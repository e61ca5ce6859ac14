"""Roll-ups and retention of the embedded store."""

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.platform.errors import Unavailable
from cloud.telemetry import embedded, sqlite_series
from cloud.telemetry.api import Bucket, Sample
from cloud.telemetry.domain import HOUR_MS, MINUTE_MS
from cloud.telemetry.embedded import EmbeddedTelemetry
from cloud.telemetry.sqlite_upkeep import LATE_KEPT_MS, Keep
from tests.support.series_reference import expected, same

DAY_MS = 24 * HOUR_MS
NOON = 1_790_000_000_000 // DAY_MS * DAY_MS
SHORT = Keep(samples=timedelta(days=2), minutes=timedelta(days=10), hours=timedelta(days=400))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[EmbeddedTelemetry]:
    store = EmbeddedTelemetry(file, keep=SHORT)
    yield store
    await store.close()


def sample(at_ms: int, value: float | str | None, *, device_id: int = 1, quality: int = 192) -> Sample:
    return Sample(device_id=device_id, point="p", at_ms=at_ms, value=value, quality=quality)


def every(seconds: int, begin_ms: int, span_ms: int) -> list[Sample]:
    return [sample(at, float(at // 1000 % 97)) for at in range(begin_ms, begin_ms + span_ms, seconds * 1000)]


async def settle(store: EmbeddedTelemetry, now_ms: int) -> None:
    while await store.maintain(now_ms):
        pass


async def ask(store: EmbeddedTelemetry, from_ms: int, to_ms: int, max_points: int, device_id: int = 1) -> Any:
    return await store.series(device_id=device_id, point="p", from_ms=from_ms, to_ms=to_ms, max_points=max_points)


def rows(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - names of this test


def content(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def agrees(found: Sequence[Bucket], samples: Sequence[Sample], from_ms: int, to_ms: int, max_points: int) -> bool:
    wanted = expected(samples, device_id=1, point="p", from_ms=from_ms, to_ms=to_ms, max_points=max_points)
    return same(found, wanted)


async def test_a_year_is_answered_from_hours_when_samples_and_minutes_are_gone(
    store: EmbeddedTelemetry, file: Path
) -> None:
    samples = every(900, NOON - 300 * DAY_MS, 300 * DAY_MS)
    await store.write(samples)
    await settle(store, NOON)
    assert rows(file, "sample") < 3 * 96 + 1
    assert rows(file, "minute") < 11 * 96 + 1
    assert rows(file, "hour") == 300 * 24 - 1  # the newest one may still get samples
    for points in (1, 100, 300):
        found = await ask(store, NOON - 300 * DAY_MS, NOON, points)
        assert agrees(found, samples, NOON - 300 * DAY_MS, NOON, points)
    assert len(found) == 300


async def test_recent_spans_are_answered_exactly_whatever_the_upkeep_has_done(store: EmbeddedTelemetry) -> None:
    samples = every(10, NOON - DAY_MS, DAY_MS)
    await store.write(samples)
    for now_ms in (NOON - 7 * HOUR_MS, NOON - 1234, NOON + HOUR_MS):
        await settle(store, now_ms)
        for span, points in ((HOUR_MS, 240), (DAY_MS, 240), (DAY_MS, 7), (5 * MINUTE_MS, 300)):
            found = await ask(store, NOON - span, NOON, points)
            assert agrees(found, samples, NOON - span, NOON, points)


async def test_a_late_sample_makes_its_minute_and_hour_anew(store: EmbeddedTelemetry) -> None:
    samples = every(60, NOON - DAY_MS, DAY_MS)
    await store.write(samples)
    await settle(store, NOON + HOUR_MS)
    late = [sample(NOON - 90 * MINUTE_MS + 30_000, 1000.0), sample(NOON - 90 * MINUTE_MS + 59_999, "end", quality=0)]
    assert await store.write(late) == 2
    await settle(store, NOON + HOUR_MS)
    for points in (24, 1440, 6):
        found = await ask(store, NOON - DAY_MS, NOON, points)
        assert agrees(found, [*samples, *late], NOON - DAY_MS, NOON, points)


async def test_a_repetition_of_what_was_dropped_changes_nothing(store: EmbeddedTelemetry, file: Path) -> None:
    samples = every(600, NOON - 20 * DAY_MS, 20 * DAY_MS)
    await store.write(samples)
    await settle(store, NOON)
    before = await ask(store, NOON - 20 * DAY_MS, NOON, 480)
    kept = rows(file, "sample")
    assert kept < len(samples) / 5
    assert await store.write(samples) == 0
    await settle(store, NOON)
    assert await ask(store, NOON - 20 * DAY_MS, NOON, 480) == before
    assert (rows(file, "sample"), rows(file, "dirty")) == (kept, 0)


async def test_a_new_sample_of_a_minute_that_is_closed_is_taken_as_a_repetition(store: EmbeddedTelemetry) -> None:
    await store.write(every(600, NOON - 20 * DAY_MS, 20 * DAY_MS))
    await settle(store, NOON)
    assert await store.write([sample(NOON - 15 * DAY_MS + 1, 5.0), sample(NOON - 5 * DAY_MS + 1, 5.0)]) == 0


async def test_what_arrives_for_the_first_time_after_weeks_is_kept_and_counted_once(
    store: EmbeddedTelemetry, file: Path
) -> None:
    await store.write(every(600, NOON - 2 * HOUR_MS, 2 * HOUR_MS))
    await settle(store, NOON)
    old = every(10, NOON - 20 * DAY_MS, 3 * HOUR_MS)
    half = len(old) // 2 + 3  # in the middle of a minute
    assert await store.write(old[:half]) == half
    await settle(store, NOON)
    assert await store.write(old) == len(old) - half
    assert await store.write(old) == 0
    await settle(store, NOON + HOUR_MS)
    assert agrees(await ask(store, NOON - 21 * DAY_MS, NOON - DAY_MS, 480), old, NOON - 21 * DAY_MS, NOON - DAY_MS, 480)
    await settle(store, NOON + LATE_KEPT_MS + 2 * HOUR_MS)
    assert (rows(file, "sample"), rows(file, "minute"), rows(file, "late")) == (0, 12, 0)
    assert await store.write(old) == 0
    await settle(store, NOON + LATE_KEPT_MS + 2 * HOUR_MS)
    assert agrees(await ask(store, NOON - 21 * DAY_MS, NOON - DAY_MS, 480), old, NOON - 21 * DAY_MS, NOON - DAY_MS, 480)


async def test_what_is_older_than_everything_that_is_kept_is_not_stored(store: EmbeddedTelemetry) -> None:
    await store.write(every(3600, NOON - 500 * DAY_MS, 500 * DAY_MS))
    await settle(store, NOON)
    assert await ask(store, NOON - 500 * DAY_MS, NOON - 401 * DAY_MS, 10) == ()
    assert await store.write([sample(NOON - 450 * DAY_MS + 5, 1.0)]) == 0


async def test_a_file_of_the_first_version_is_taken_over(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE series (id INTEGER PRIMARY KEY, device_id INTEGER, point TEXT, "
                           "UNIQUE (device_id, point))")  # fmt: skip
        connection.execute("CREATE TABLE sample (series_id INTEGER, at_ms INTEGER, value, quality INTEGER, "
                           "PRIMARY KEY (series_id, at_ms)) WITHOUT ROWID")  # fmt: skip
        connection.execute("INSERT INTO series VALUES (1, 1, 'p')")
        samples = every(60, NOON - DAY_MS, DAY_MS)
        connection.executemany("INSERT INTO sample VALUES (1, ?, ?, 192)", [(one.at_ms, one.value) for one in samples])
    store = EmbeddedTelemetry(file)
    assert agrees(await ask(store, NOON - DAY_MS, NOON, 24), samples, NOON - DAY_MS, NOON, 24)
    await settle(store, NOON)
    assert rows(file, "hour") == 23
    assert agrees(await ask(store, NOON - DAY_MS, NOON, 24), samples, NOON - DAY_MS, NOON, 24)
    await store.close()


async def test_a_file_of_a_later_version_is_left_alone(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = content(file)
    store = EmbeddedTelemetry(file)
    with pytest.raises(Unavailable, match="later version"):
        await store.write([sample(1, 1.0)])
    with pytest.raises(Unavailable, match="later version"):
        await store.maintain(NOON)
    await store.close()
    assert content(file) == before


async def test_upkeep_of_a_store_that_was_never_written_makes_no_file(store: EmbeddedTelemetry, file: Path) -> None:
    assert await store.maintain(NOON) is False
    assert content(file) is None


async def test_a_question_never_reads_more_than_its_share_of_samples(
    store: EmbeddedTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = every(1, NOON - HOUR_MS, HOUR_MS)
    await store.write(samples)
    monkeypatch.setattr(sqlite_series, "MOST_SAMPLES", 1000)
    with pytest.raises(Unavailable, match="not rolled up yet") as caught:
        await ask(store, NOON - HOUR_MS, NOON, 240)
    assert "worker" in (caught.value.remedy or "")
    assert store.health().status == "ok"
    await settle(store, NOON + 10 * MINUTE_MS)
    found = await ask(store, NOON - HOUR_MS, NOON, 240)  # 15 s each would take 3600 samples
    assert agrees(found, samples, NOON - HOUR_MS, NOON, 60)
    found = await ask(store, NOON - 5 * MINUTE_MS, NOON, 240)
    assert agrees(found, samples, NOON - 5 * MINUTE_MS, NOON, 240)


# --- any order of events ---


@dataclass
class Write:
    times: list[int]


@dataclass
class Steps:
    count: int
    later_ms: int


writes = st.lists(st.integers(min_value=0, max_value=4 * HOUR_MS), min_size=1, max_size=12).map(Write)
steps = st.builds(
    Steps,
    count=st.integers(min_value=1, max_value=6),
    later_ms=st.sampled_from([0, 7 * MINUTE_MS, HOUR_MS, 30 * HOUR_MS]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(st.one_of(writes, steps), max_size=14), seed=st.integers(min_value=0, max_value=2**16))
async def test_any_order_of_writes_repetitions_and_small_steps_ends_in_the_same_figures(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, events: list[Any], seed: int
) -> None:
    monkeypatch.setattr(embedded, "_STEP_S", 0.0)  # the least that a step does
    monkeypatch.setattr("cloud.telemetry.sqlite_upkeep._CHUNK", 3)
    monkeypatch.setattr("cloud.telemetry.sqlite_upkeep._SLOTS", 2)
    chance = random.Random(seed)  # noqa: S311 - a test's own
    file = tmp_path_factory.mktemp("order") / "telemetry.db"
    keep = Keep(samples=timedelta(hours=1), minutes=timedelta(hours=2))
    store = EmbeddedTelemetry(file, keep=keep)
    stored: dict[int, Sample] = {}
    now_ms = NOON + 2 * HOUR_MS
    for event in events:
        if isinstance(event, Steps):
            now_ms += event.later_ms
            for _ in range(event.count):
                await store.maintain(now_ms)
            continue
        for at in event.times:
            one = stored.get(NOON + at) or sample(NOON + at, float(chance.randint(-5, 5)), quality=192)
            if await store.write([one, one]):
                stored[one.at_ms] = one
        again = chance.sample(sorted(stored), len(stored) // 2)
        assert await store.write([stored[at] for at in again]) == 0
    await settle(store, now_ms)
    samples = list(stored.values())
    for points in (1, 5):
        found = await ask(store, NOON, NOON + 5 * HOUR_MS, points)
        assert agrees(found, samples, NOON, NOON + 5 * HOUR_MS, points)
    await store.close()


# --- sudden death ---

VICTIM = """
import asyncio, random, sys
from datetime import timedelta
from pathlib import Path
from cloud.telemetry.api import Sample
from cloud.telemetry.embedded import EmbeddedTelemetry
from cloud.telemetry.sqlite_upkeep import Keep

async def main():
    chance = random.Random(int(sys.argv[2]))
    store = EmbeddedTelemetry(Path(sys.argv[1]), keep=Keep(samples=timedelta(hours=1), minutes=timedelta(hours=3)))
    print("ready", flush=True)
    now_ms = int(sys.argv[3])
    while True:
        samples = [Sample(device_id=chance.randint(1, 3), point="p", at_ms=at, value=float(at % 89), quality=192)
                   for at in (now_ms - abs(round(chance.gauss(0, 1_200_000))) // 1000 * 1000 for _ in range(200))]
        samples = [one for one in samples if one.at_ms > now_ms - 2_700_000]
        await store.write(samples)
        sys.stdout.write("".join(f"{one.device_id} {one.at_ms}\\n" for one in samples))
        sys.stdout.flush()
        for _ in range(3):
            await store.maintain(now_ms)
        now_ms += 120_000

asyncio.run(main())
"""


async def settle_twice(file: Path, now_ms: int) -> None:
    store = EmbeddedTelemetry(file, keep=Keep(samples=timedelta(hours=1), minutes=timedelta(hours=3)))
    await settle(store, now_ms)
    await settle(store, now_ms + 2 * LATE_KEPT_MS)
    await store.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_process_that_is_killed_at_any_moment_leaves_roll_ups_that_come_out_right(
    file: Path, tmp_path: Path, seed: int
) -> None:
    said = tmp_path / "said"
    for turn in range(3):
        with said.open("ab") as out:
            start_ms = NOON + turn * 30 * DAY_MS
            command = [sys.executable, "-c", VICTIM, str(file), str(seed * 10 + turn), str(start_ms)]
            victim = subprocess.Popen(command, stdout=out)
            size = said.stat().st_size
            until = time.monotonic() + 30
            while said.stat().st_size < size + 20_000 * seed and time.monotonic() < until:
                time.sleep(0.01)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
    told = {
        (int(device), int(at))
        for line in said.read_text().splitlines()[:-1]
        if len(parts := line.split()) == 2 and len(parts[1]) == 13
        for device, at in [parts]
    }
    assert len(told) > 1000
    now_ms = max(at for _, at in told) + 30 * DAY_MS
    asyncio.run(settle_twice(file, now_ms))
    assert (rows(file, "minute"), rows(file, "dirty"), rows(file, "job"), rows(file, "sample")) == (0, 0, 0, 0)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        counted = dict(connection.execute("SELECT series.device_id, sum(samples) FROM hour JOIN series "
                                          "ON series.id = series_id GROUP BY 1"))  # fmt: skip
    for device in (1, 2, 3):
        accepted = sum(one == device for one, _ in told)
        # A batch that was committed in the moment of death was not told; nothing more can be there.
        assert accepted <= counted[device] <= accepted + 3 * 200

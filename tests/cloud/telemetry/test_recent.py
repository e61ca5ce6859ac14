"""What is new lies in one table and is settled in another: to whoever looks, it is one."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from cloud.telemetry import embedded
from cloud.telemetry.api import Sample
from cloud.telemetry.domain import HOUR_MS, MINUTE_MS
from cloud.telemetry.embedded import EmbeddedTelemetry
from cloud.telemetry.sqlite_schema import SLOT_MS
from tests.support.series_reference import expected, same

NOON = 1_790_000_000_000 // HOUR_MS * HOUR_MS
DEVICES = (1, 2, 3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


@pytest.fixture
async def store(file: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EmbeddedTelemetry]:
    monkeypatch.setattr(embedded, "_STEP_S", 0.0)  # the least that a step does
    monkeypatch.setattr("cloud.telemetry.sqlite_upkeep._SLOTS", 9)
    monkeypatch.setattr("cloud.telemetry.sqlite_upkeep._CHUNK", 7)
    store = EmbeddedTelemetry(file)
    yield store
    await store.close()


def sample(device_id: int, at_ms: int, value: float = 1.0) -> Sample:
    return Sample(device_id=device_id, point="p", at_ms=at_ms, value=value, quality=192)


def minutes(count: int) -> list[Sample]:
    times = range(NOON, NOON + count * MINUTE_MS, 7_000)
    return [sample(device, at, float(at // 1000 % 97 + device)) for at in times for device in DEVICES]


def look(file: Path, query: str) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


async def agrees(store: EmbeddedTelemetry, samples: list[Sample], end_ms: int) -> bool:
    for device in DEVICES:
        for points in (5, 3000):
            asked = {"from_ms": NOON, "to_ms": end_ms, "max_points": points}
            found = await store.series(device_id=device, point="p", **asked)
            if not same(found, expected(samples, device_id=device, point="p", **asked)):
                return False
    return True


async def test_every_sample_is_seen_once_at_every_step_of_a_sweep(store: EmbeddedTelemetry, file: Path) -> None:
    samples = minutes(12)
    assert await store.write(samples) == len(samples)
    now_ms, steps, late = NOON + 12 * MINUTE_MS, 0, 0
    while await store.maintain(now_ms):
        steps += 1
        again = samples[steps % 5 :: 5]
        assert await store.write(again) == 0
        late += 1  # it may fall on either side of where the sweep stands, in each of the series
        fresh = [sample(device, NOON + late * 31_001 % (12 * MINUTE_MS), 50.0 + late) for device in DEVICES]
        assert await store.write(fresh) == len(fresh)
        assert await store.write(fresh) == 0
        samples += fresh
        assert look(file, "SELECT count(*) FROM sample") == [(len(samples),)]
        assert await agrees(store, samples, NOON + 13 * MINUTE_MS)
        if late == 30:
            break
    while await store.maintain(now_ms):
        pass
    assert steps > 10
    assert await agrees(store, samples, NOON + 13 * MINUTE_MS)


async def test_what_is_settled_leaves_the_table_of_what_is_recent(store: EmbeddedTelemetry, file: Path) -> None:
    samples = minutes(12)
    await store.write(samples)
    while await store.maintain(NOON + 12 * MINUTE_MS):
        pass
    (swept,) = {row[0] for row in look(file, "SELECT swept_ms FROM state")}
    assert swept == NOON + 10 * MINUTE_MS
    newest = sum(one.at_ms >= swept for one in samples)
    assert look(file, "SELECT count(*) FROM recent") == [(newest,)]
    assert look(file, "SELECT count(*) FROM settled") == [(len(samples) - newest,)]
    assert look(file, "SELECT id FROM slot ORDER BY id") == look(file, "SELECT DISTINCT slot FROM recent ORDER BY slot")


async def test_a_time_given_twice_where_settled_meets_recent_loses_neither_value(
    store: EmbeddedTelemetry, file: Path
) -> None:
    border = NOON + 10 * MINUTE_MS
    ends = [border - 1, border + SLOT_MS - 1]  # the next free millisecond is beyond the border, or in the next slot
    await store.write([sample(1, at, 1.0) for at in (NOON, *ends)])
    while await store.maintain(NOON + 11 * MINUTE_MS):
        pass
    second = [sample(1, at, 2.0) for at in ends]
    assert await store.write(second) == 2
    assert await store.write(second) == 0
    found = look(file, "SELECT at_ms, value FROM sample ORDER BY at_ms, value")
    assert found == [(NOON, 1), (ends[0], 1), (border, 2), (ends[1], 1), (ends[1] + 1, 2)]
    while await store.maintain(NOON + 21 * MINUTE_MS):
        pass
    assert look(file, "SELECT at_ms, value FROM sample ORDER BY at_ms, value") == found
    assert look(file, "SELECT sum(samples) FROM minute") == [(5,)]


FORMAT_1 = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY, device_id INTEGER NOT NULL, point TEXT NOT NULL, UNIQUE (device_id, point)
);
CREATE TABLE sample (
    series_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, value, quality INTEGER NOT NULL, PRIMARY KEY (series_id, at_ms)
) WITHOUT ROWID;
CREATE TABLE minute (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, samples INTEGER NOT NULL, good INTEGER NOT NULL,
    low, high, total, last, last_at INTEGER NOT NULL, last_quality INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID;
CREATE TABLE hour (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, samples INTEGER NOT NULL, good INTEGER NOT NULL,
    low, high, total, last, last_at INTEGER NOT NULL, last_quality INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID;
CREATE TABLE dirty (series_id INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (series_id, at)) WITHOUT ROWID;
CREATE TABLE late (
    series_id INTEGER NOT NULL, at INTEGER NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY (series_id, at)
) WITHOUT ROWID;
CREATE INDEX late_until ON late (until_ms);
CREATE TABLE job (
    name TEXT PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    series_id INTEGER NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1), frontier_ms INTEGER NOT NULL, swept_ms INTEGER NOT NULL,
    sample_ms INTEGER NOT NULL, minute_ms INTEGER NOT NULL, hour_ms INTEGER NOT NULL
);
PRAGMA user_version = 1;
"""


@pytest.mark.parametrize("first", ["question", "write", "upkeep"])
async def test_a_file_of_format_1_is_taken_over_in_the_middle_of_a_sweep(
    store: EmbeddedTelemetry, file: Path, first: str
) -> None:
    samples = minutes(12)
    swept, frontier = NOON, NOON + 10 * MINUTE_MS
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(FORMAT_1)
        connection.executemany("INSERT INTO series VALUES (?, ?, 'p')", [(one + 10, one) for one in DEVICES])
        rows = [(one.device_id + 10, one.at_ms, one.value) for one in samples]
        connection.executemany("INSERT INTO sample VALUES (?, ?, ?, 192)", rows)
        connection.execute("INSERT INTO state VALUES (1, ?, ?, 0, 0, 0)", (frontier, swept))
        # Of the first series all is rolled up, of the second one a part.
        connection.execute("INSERT INTO job VALUES ('sweep', ?, ?, 12, ?)", (swept, frontier, swept + 2 * MINUTE_MS))
        connection.execute("INSERT INTO dirty VALUES (13, ?)", (swept // MINUTE_MS,))
    now_ms = NOON + 12 * MINUTE_MS
    if first == "write":
        assert await store.write(samples) == 0
    if first == "upkeep":
        await store.maintain(now_ms)
    assert await agrees(store, samples, NOON + 13 * MINUTE_MS)
    assert await store.write(samples) == 0
    while await store.maintain(now_ms):
        pass
    assert await agrees(store, samples, NOON + 13 * MINUTE_MS)
    rolled_up = sum(one.at_ms < frontier for one in samples)
    assert look(file, "SELECT sum(samples) FROM minute") == [(rolled_up,)]
    assert look(file, "SELECT count(*) FROM sample") == [(len(samples),)]
    assert look(file, "PRAGMA user_version") == [(2,)]

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from cloud.platform.errors import Unavailable
from cloud.telemetry.api import Sample
from cloud.telemetry.embedded import EmbeddedTelemetry


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "telemetry.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[EmbeddedTelemetry]:
    store = EmbeddedTelemetry(file, patience=timedelta(milliseconds=50))
    yield store
    await store.close()


def sample(at_ms: int, value: float | str | None, *, point: str = "pressure", quality: int = 192) -> Sample:
    return Sample(device_id=1, point=point, at_ms=at_ms, value=value, quality=quality)


async def test_the_same_samples_again_change_nothing(store: EmbeddedTelemetry) -> None:
    samples = [sample(1000, 1.5), sample(2000, 2.5)]
    assert await store.write(samples) == 2
    assert await store.write([*samples, sample(3000, 3.5)]) == 1
    buckets = await store.series(device_id=1, point="pressure", from_ms=0, to_ms=10_000, max_points=1)
    assert [(b.count, b.low, b.high, b.mean, b.last, b.last_ms) for b in buckets] == [(3, 1.5, 3.5, 2.5, 3.5, 3000)]


async def test_a_time_that_a_clock_gave_twice_loses_neither_value(store: EmbeddedTelemetry) -> None:
    first, second, third = sample(1000, 1.5), sample(1000, 2.5), sample(1000, 2.5, quality=0)
    assert await store.write([first]) == 1
    assert await store.write([second, third]) == 2
    assert await store.write([first, second, third]) == 0
    (bucket,) = await store.series(device_id=1, point="pressure", from_ms=0, to_ms=10_000, max_points=1)
    assert (bucket.count, bucket.low, bucket.high, bucket.last_ms) == (3, 1.5, 2.5, 1002)


async def test_a_time_that_was_given_twice_long_ago_loses_neither_value(store: EmbeddedTelemetry) -> None:
    day = 86_400_000
    await store.write([sample(day, 1.5)])
    while await store.maintain(day + 3_600_000):
        pass
    assert await store.write([sample(day, 2.5)]) == 1
    assert await store.write([sample(day, 1.5), sample(day, 2.5)]) == 0


async def test_a_series_is_split_into_equal_stretches(store: EmbeddedTelemetry) -> None:
    await store.write([sample(at, float(at)) for at in range(0, 1000, 100)])
    buckets = await store.series(device_id=1, point="pressure", from_ms=0, to_ms=1000, max_points=4)
    assert [(b.at_ms, b.count, b.low, b.high) for b in buckets] == [
        (0, 3, 0.0, 200.0),
        (250, 2, 300.0, 400.0),
        (500, 3, 500.0, 700.0),
        (750, 2, 800.0, 900.0),
    ]


async def test_bad_values_are_kept_and_left_out_of_the_figures(store: EmbeddedTelemetry) -> None:
    await store.write([sample(1, 5.0), sample(2, 999.0, quality=0), sample(3, None, quality=0)])
    (bucket,) = await store.series(device_id=1, point="pressure", from_ms=0, to_ms=10, max_points=1)
    assert (bucket.count, bucket.low, bucket.high, bucket.mean) == (3, 5.0, 5.0, 5.0)
    assert (bucket.last, bucket.last_quality) == (None, 0)


async def test_texts_have_a_last_value_and_no_figures(store: EmbeddedTelemetry) -> None:
    await store.write([sample(1, "A", point="serial"), sample(2, "B", point="serial")])
    (bucket,) = await store.series(device_id=1, point="serial", from_ms=0, to_ms=10, max_points=1)
    assert (bucket.low, bucket.high, bucket.mean, bucket.last) == (None, None, None, "B")


async def test_an_unknown_series_is_empty(store: EmbeddedTelemetry) -> None:
    assert await store.series(device_id=9, point="pressure", from_ms=0, to_ms=10, max_points=5) == ()


async def test_what_was_written_is_there_after_a_restart(store: EmbeddedTelemetry, file: Path) -> None:
    await store.write([sample(1, 1.0)])
    again = EmbeddedTelemetry(file)
    assert await again.write([sample(1, 1.0), sample(2, 2.0)]) == 1
    assert len(await again.series(device_id=1, point="pressure", from_ms=0, to_ms=10, max_points=10)) == 2
    await again.close()


async def test_a_locked_file_is_unavailable_and_works_again_when_it_is_free(
    store: EmbeddedTelemetry, file: Path
) -> None:
    await store.write([sample(1, 1.0)])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            await store.write([sample(2, 2.0)])
        other.execute("ROLLBACK")
    assert await store.write([sample(2, 2.0)]) == 1


async def test_a_full_file_is_unavailable_and_nothing_of_the_batch_is_kept(
    store: EmbeddedTelemetry, file: Path
) -> None:
    await store.write([sample(1, 1.0)])
    assert store._writer is not None
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Unavailable, match="full"):
        await store.write([sample(at, "long text " * 50) for at in range(2, 200)])
    buckets = await store.series(device_id=1, point="pressure", from_ms=0, to_ms=1000, max_points=1)
    assert [b.count for b in buckets] == [1]
    assert await store.write([sample(2, 2.0)]) == 1  # the next attempt opens the file again


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    store = EmbeddedTelemetry(tmp_path / "data" / "telemetry.db")
    with pytest.raises(Unavailable):
        await store.write([sample(1, 1.0)])
    await store.close()

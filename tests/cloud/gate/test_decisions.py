"""Every decision is told, however close together they fell: on both stores of telemetry."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.gate import history
from cloud.telemetry.api import Sample
from cloud.telemetry.embedded import EmbeddedTelemetry
from tests.support.cloud import NOW
from tests.support.gate_town import GateTown

HOUR = 3_600_000
DAY = 24 * HOUR


def said(number: int) -> str:
    return json.dumps({"answer": "open", "way": "card", "who": f"r{number}"})


def samples(times: Iterable[int], device_id: int = 1) -> list[Sample]:
    return [Sample(device_id, "decision", at_ms, said(at_ms), 192) for at_ms in times]


async def all_of(store: EmbeddedTelemetry, *, limit: int) -> list[int]:
    before, found = NOW, list[int]()
    while True:
        part = await history.decisions(store, 1, before_ms=before, limit=limit, now_ms=NOW)
        found += [one.at_ms for one in part.items]
        if part.older is None:
            return found
        assert len(part.items) == limit
        before = part.older


@pytest.mark.parametrize("limit", [1, 7, 500])
async def test_a_crowd_at_the_gate_is_told_one_by_one(tmp_path: Path, limit: int) -> None:
    store = EmbeddedTelemetry(tmp_path / "telemetry.db")
    crowd = [NOW - 2 * HOUR + 300 * at for at in range(50)]  # fifty in a row, in fifteen seconds
    burst = [NOW - 10_000 + at for at in range(5)]  # a millisecond apart
    days = [NOW - DAY * at for at in (2, 5, 29)]
    await store.write(samples([*crowd, *burst, *days]))
    assert await all_of(store, limit=limit) == sorted([*crowd, *burst, *days], reverse=True)
    await store.close()


@given(ago=st.sets(st.one_of(st.integers(1, 5000), st.integers(1, 29 * DAY)), max_size=60), limit=st.integers(1, 70))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_none_is_left_out_and_none_is_told_twice(
    tmp_path_factory: pytest.TempPathFactory, ago: set[int], limit: int
) -> None:
    store = EmbeddedTelemetry(tmp_path_factory.mktemp("store") / "telemetry.db")
    await store.write(samples(NOW - one for one in ago))
    assert await all_of(store, limit=limit) == sorted((NOW - one for one in ago), reverse=True)
    await store.close()


async def test_pages_of_decisions_over_http(gate_town: GateTown) -> None:
    gate = await gate_town.gate()
    store = EmbeddedTelemetry(gate_town.town.folder / "telemetry.db")
    times = [NOW - 1000 * at for at in range(1, 8)]
    await store.write(samples(times, gate.id))
    await store.close()
    path = f"/api/v1/gates/{gate.id}/decisions"
    async with gate_town.town.client("viewer") as client:
        first = (await client.get(path, params={"limit": 5})).json()
        second = (await client.get(path, params={"limit": 5, "cursor": first["next_cursor"]})).json()
    assert [one["at_ms"] for one in first["items"] + second["items"]] == times
    assert second["next_cursor"] is None

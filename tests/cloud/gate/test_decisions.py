"""Every decision is told, however close together they fell: on both stores of telemetry."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.gate import history
from cloud.telemetry.api import Sample, TelemetryStore
from cloud.telemetry.embedded import EmbeddedTelemetry
from tests.support.cloud import NOW
from tests.support.gate_town import GateTown
from tests.support.telemetry_stores import STORES, open_store

HOUR = 3_600_000
DAY = 24 * HOUR
GATES = count(1)


def said(number: int) -> str:
    return json.dumps({"answer": "open", "way": "card", "who": f"r{number}"})


def samples(times: Iterable[int], device_id: int) -> list[Sample]:
    return [Sample(device_id, "decision", at_ms, said(at_ms), 192) for at_ms in times]


@dataclass(frozen=True)
class Told:
    """A store with the loop that it lives in, and a gate of its own for each question."""

    store: TelemetryStore
    runner: asyncio.Runner

    def write(self, times: Iterable[int]) -> int:
        """Tell decisions of a new gate, and give the gate."""
        gate = next(GATES)
        self.runner.run(self.store.write(samples(times, gate)))
        return gate

    def all_of(self, gate: int, *, limit: int) -> list[int]:
        """Read them page by page."""
        before, found = NOW, list[int]()
        while True:
            part = self.runner.run(history.decisions(self.store, gate, before_ms=before, limit=limit, now_ms=NOW))
            found += [one.at_ms for one in part.items]
            if part.older is None:
                return found
            assert len(part.items) == limit
            before = part.older


@pytest.fixture(scope="module", params=STORES)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with open_store(request.param, tmp_path_factory.mktemp("decisions")) as (store, runner):
        yield Told(store, runner)


@pytest.mark.parametrize("limit", [1, 7, 500])
def test_a_crowd_at_the_gate_is_told_one_by_one(told: Told, limit: int) -> None:
    crowd = [NOW - 2 * HOUR + 300 * at for at in range(50)]  # fifty in a row, in fifteen seconds
    burst = [NOW - 10_000 + at for at in range(5)]  # a millisecond apart
    days = [NOW - DAY * at for at in (2, 5, 29)]
    gate = told.write([*crowd, *burst, *days])
    assert told.all_of(gate, limit=limit) == sorted([*crowd, *burst, *days], reverse=True)


@given(ago=st.sets(st.one_of(st.integers(1, 5000), st.integers(1, 29 * DAY)), max_size=60), limit=st.integers(1, 70))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_none_is_left_out_and_none_is_told_twice(told: Told, ago: set[int], limit: int) -> None:
    gate = told.write(NOW - one for one in ago)
    assert told.all_of(gate, limit=limit) == sorted((NOW - one for one in ago), reverse=True)


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

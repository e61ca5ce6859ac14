"""InfluxDB: writes proved on VictoriaMetrics, which takes `/api/v2/write`; questions on InfluxDB 1.6.7, by a relay."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cloud.platform.errors import Unavailable
from cloud.telemetry.api import Sample
from cloud.telemetry.influx import InfluxSettings, InfluxTelemetry
from tests.support.series_servers import Relay, Server, free_port, influxdb, victoria_metrics

NOON = 1_790_000_000_000
SECRET = "wang:a-very-secret-token"


def settings(url: str, **changed: Any) -> InfluxSettings:
    known = {"url": url, "org": "-", "bucket": "linli/autogen", "database": "linli", "token": SECRET}
    return InfluxSettings(**{**known, "timeout": timedelta(seconds=5), **changed})


def sample(at_ms: int, value: float | str | None, *, point: str = "pressure", quality: int = 192) -> Sample:
    return Sample(device_id=7, point=point, at_ms=NOON + at_ms, value=value, quality=quality)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with influxdb(tmp_path_factory.mktemp("influxdb")) as server:
        yield server


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    with Relay(server) as relay:
        yield relay


@pytest.fixture
async def store(relay: Relay) -> AsyncIterator[InfluxTelemetry]:
    store = InfluxTelemetry(settings(relay.url))
    yield store
    await store.close()


async def counted(store: InfluxTelemetry, point: str) -> int:
    found = await store.series(device_id=7, point=point, from_ms=NOON, to_ms=NOON + 10**6, max_points=10)
    return sum(one.count for one in found)


async def test_victoria_metrics_takes_what_the_client_writes_once_however_often_it_comes(tmp_path: Path) -> None:
    with victoria_metrics(tmp_path) as metrics:
        store = InfluxTelemetry(settings(metrics.url))
        samples = [sample(1000 * n, n / 4, point="Motor/转速, 1=a") for n in range(500)]
        for _ in range(2):
            assert await store.write(samples) == 500
        await store.close()
        metrics.ask("/internal/force_flush")
        exported = metrics.ask("/api/v1/export", **{"match[]": "linli_value", "reduce_mem_usage": "0"})
        (series,) = [json.loads(line) for line in exported.splitlines()]
        assert series["metric"]["device"] == "7"
        assert series["metric"]["point"] == "Motor/转速, 1=a"
        told = set(zip(series["timestamps"], series["values"], strict=True))
        assert told == {(one.at_ms, one.value) for one in samples}


async def test_the_same_samples_again_change_nothing(store: InfluxTelemetry, relay: Relay) -> None:
    samples = [sample(at, float(at), point="twice") for at in range(0, 10_000, 100)]
    await store.write(samples)
    await store.write(samples)
    assert relay.bodies[0] == relay.bodies[1]
    assert await counted(store, "twice") == 100


async def test_requests_are_bounded_and_halved_when_the_store_finds_them_too_large(relay: Relay) -> None:
    store = InfluxTelemetry(settings(relay.url, batch=1000))
    relay.largest = 60_000
    await store.write([sample(at, float(at), point="many") for at in range(2500)])
    assert len(relay.bodies) == 5
    assert max(len(body) for body in relay.bodies) <= 60_000
    assert await counted(store, "many") == 2500
    await store.close()


async def test_the_token_is_shown_to_the_store_and_to_nobody_else(
    store: InfluxTelemetry, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await store.write([sample(0, 1.0)])
    await counted(store, "pressure")
    assert relay.authorizations == [f"Token {SECRET}"] * 4
    errors = []
    for refusal in ((401, f'{{"message": "unknown token {SECRET}"}}'), (503, f'{{"message": "no {SECRET}"}}')):
        relay.refuse = refusal
        with pytest.raises(Unavailable) as caught:
            await store.write([sample(0, 1.0)])
        errors.append(caught.value)
    told = [str(one) + repr(one.__cause__) + json.dumps(one.body()) for one in errors]
    assert "token" in str(errors[0].remedy)
    for text in (*told, caplog.text, repr(settings("http://x")), store.health().detail):
        assert "secret" not in text


async def test_what_is_older_than_the_store_keeps_holds_nothing_up(store: InfluxTelemetry, relay: Relay) -> None:
    relay.refuse = (400, '{"error":"partial write: points beyond retention policy dropped=1"}')
    assert await store.write([sample(0, 1.0)]) == 1
    assert store.health().status == "ok"


async def test_a_really_short_retention_policy_says_so_in_these_words(server: Server, relay: Relay) -> None:
    server.tell("/query", q='CREATE RETENTION POLICY "short" ON "linli" DURATION 1h REPLICATION 1')
    store = InfluxTelemetry(settings(relay.url, bucket="linli/short", retention_policy="short"))
    await store.write([sample(-10 * 365 * 86_400_000, 1.0)])
    assert store.health().status == "ok"
    await store.close()


async def test_a_store_that_refuses_is_told_with_its_words(store: InfluxTelemetry, relay: Relay) -> None:
    server = relay.target
    server.tell("/query", q='CREATE DATABASE "other"')
    relay.refuse = (400, '{"error":"partial write: field type conflict: input field \\"value\\" is type float"}')
    with pytest.raises(Unavailable, match="field type conflict"):
        await store.write([sample(0, 1.0)])
    assert store.health().status == "down"
    relay.refuse = None
    await store.write([sample(0, 1.0)])
    assert store.health().status == "ok"


async def test_a_database_that_is_not_there_is_unavailable_with_a_remedy(relay: Relay) -> None:
    store = InfluxTelemetry(settings(relay.url, database="nowhere", bucket="nowhere/autogen"))
    for work in (store.write([sample(0, 1.0)]), counted(store, "pressure")):
        with pytest.raises(Unavailable, match="database not found") as caught:
            await work
        assert "create the bucket" in (caught.value.remedy or "")
    await store.close()


async def test_a_store_that_is_not_there_is_unavailable() -> None:
    store = InfluxTelemetry(settings(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(Unavailable, match="refused"):
        await store.write([sample(0, 1.0)])
    with pytest.raises(Unavailable):
        await counted(store, "pressure")
    assert "does not work" in store.health().detail
    await store.close()


async def test_a_store_that_does_not_answer_is_unavailable_after_the_time_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.read()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    store = InfluxTelemetry(settings(f"http://127.0.0.1:{port}", timeout=timedelta(milliseconds=300)))
    with pytest.raises(Unavailable):
        await store.write([sample(0, 1.0)])
    with pytest.raises(Unavailable):
        await counted(store, "pressure")
    await store.close()
    listening.close()


async def test_a_store_that_was_killed_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    with influxdb(tmp_path / "influx") as server, Relay(server) as relay:
        store = InfluxTelemetry(settings(relay.url))
        await store.write([sample(0, 1.0)])
        server.kill()
        with pytest.raises(Unavailable):
            await store.write([sample(1, 1.0)])
        with pytest.raises(Unavailable):
            await counted(store, "pressure")
        server.start()
        await store.write([sample(0, 1.0), sample(1, 1.0)])
        assert await counted(store, "pressure") == 2
        assert await store.maintain(NOON) is False
        await store.close()

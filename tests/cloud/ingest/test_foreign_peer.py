"""An edge node of another maker, on pysparkplug, through the real ingest: best effort, and marked as such."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cloud.config import parse_config
from cloud.ingest.process import IngestProcess
from cloud.platform.clock import system_clock
from cloud.platform.schema import assets
from cloud.telemetry.embedded import EmbeddedTelemetry
from runtime.health import Health
from tests.support.broker import Broker, running_broker
from tests.support.cloud_world import World
from tests.support.peers.environment import peer_python
from tests.support.peers.process import Peer, running_peer
from wire.datatypes import DataType

USERS = {"cloud": "secret", "peer": "secret"}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as broker:
        yield broker


@pytest.fixture
async def ingest(world: World, telemetry: EmbeddedTelemetry, broker: Broker, tmp_path: Path) -> AsyncIterator[Health]:
    (tmp_path / "password").write_text(USERS["cloud"])
    data = {
        "schema": 1,
        "broker": {"host": broker.host, "port": broker.port, "password_file": "password"},
        "ingest": {"reorder_timeout": "300ms"},
    }
    health = Health(process="ingest", version="test")
    process = IngestProcess(
        parse_config(data, file=tmp_path / "cloud.toml"),
        engine=world.engine,
        telemetry=telemetry,
        clock=system_clock,
        registry=CollectorRegistry(),
        health=health,
    )
    task = asyncio.create_task(process.run(), name="ingest")
    yield health
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def node(broker: Broker) -> AsyncIterator[Peer]:
    python = await asyncio.to_thread(peer_python, "sparkplug-peer.txt")
    arguments = ("node", "garden", "plc")
    async with running_peer(python, "pysparkplug_peer.py", broker, *arguments, user="peer", password="secret") as peer:
        yield peer


async def _until(what: str, holds: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(400):
        if await holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"never happened: {what}")


async def test_a_peers_node_is_seen_with_values_aliases_gaps_and_deaths(
    world: World, ingest: Health, node: Peer
) -> None:
    async def value(point: str) -> float | None:
        found = [row["number"] for row in await world.rows(assets.last_value) if row["point"] == point]
        return float(found[0]) if found and found[0] is not None else None

    async def online(name: str) -> bool | None:
        return next((bool(row["online"]) for row in await world.rows(assets.device) if row["name"] == name), None)

    async def connected() -> bool:
        return bool(ingest.report()["checks"]["broker"]["status"] == "ok")

    async def shows(point: str, expected: float) -> bool:
        return await value(point) == expected

    async def is_online(name: str, *, expected: bool) -> bool:
        return await online(name) is expected

    await _until("the connection", connected)
    await node.do("device", device="meter", metrics={"Energy": [DataType.UINT32, 3_000_000_000, 7]})
    await node.do("device", device="lamp", metrics={"On": [DataType.BOOLEAN, False, None]})
    await node.do("connect")
    await _until("the values of the births", lambda: shows("Energy", 3e9))
    (row,) = await world.rows(assets.node)
    assert (row["foreign_node"], row["online"]) == (True, True)

    await node.do("data", device="lamp", metrics={"On": [DataType.BOOLEAN, True, None]})
    await _until("data by name", lambda: shows("On", 1.0))
    await node.do("by alias", device="meter", alias=7, type=DataType.UINT32, value=3_000_000_001)
    await _until("data by alias", lambda: shows("Energy", 3_000_000_001.0))

    # A message is lost: what follows waits, then a rebirth is asked for, and the peer's births bring what it has now.
    await node.do("lose")
    await node.do("data", device="lamp", metrics={"On": [DataType.BOOLEAN, False, None]})
    await node.until("the request for a rebirth", lambda: node.of("NCMD"))
    await _until("the values of the rebirth", lambda: shows("On", 0.0))

    await node.do("gone", device="lamp")
    await _until("the device offline", lambda: is_online("lamp", expected=False))
    assert await online("meter")
    await node.do("crash")
    await _until("the node offline by its will", lambda: is_online("meter", expected=False))
    assert not (await world.rows(assets.node))[0]["online"]

"""A broker, its host, and one gate without cameras, for the acceptance of gates."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.broker import Broker, running_broker
from tests.support.edge_site import USERS, Host, listening_host
from tests.support.gate_stand import GateStand, now_ms, roll_of


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as one:
        yield one


@pytest.fixture
async def host(broker: Broker) -> AsyncIterator[Host]:
    async with listening_host(broker) as listening:
        yield listening


@pytest.fixture
def pulse_s() -> float:
    """How long the door is let go for each who may pass; a file of tests may say otherwise."""
    return 2.0


@pytest.fixture
async def stand(tmp_path: Path, broker: Broker, pulse_s: float) -> AsyncIterator[GateStand]:
    """A gate whose simulators run and whose list has residents 1 to 3; the agent is started by the test."""
    one = GateStand(folder=tmp_path / "gate", broker=broker, cameras=False, seconds=pulse_s)
    one.write()
    await asyncio.to_thread(one.enrol, roll_of([1, 2, 3], now_ms=now_ms()), [], now_ms=now_ms())
    async with one.simulators():
        yield one

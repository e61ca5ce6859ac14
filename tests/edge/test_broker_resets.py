"""An agent behind something that drops its first connection before the broker has answered."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from tests.support.broker import running_broker
from tests.support.edge_site import USERS, health, listening_host, running_agent, write_site
from tests.support.modbus_server import modbus_units
from tests.support.tcp_proxy import proxied
from wire.topic import MessageType

IN_TIME_S = 5.0
"""Half of what the library would wait for the answer to one CONNECT."""


async def test_an_agent_behind_a_proxy_that_resets_is_soon_born(tmp_path: Path) -> None:
    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        proxied(broker.port) as proxy,
        modbus_units(1) as units,
        listening_host(broker) as host,
    ):
        proxy.resets = 1
        file = write_site(tmp_path, replace(broker, port=proxy.port), units)
        started = time.monotonic()
        async with running_agent(file):
            await host.until(lambda: host.of(MessageType.NBIRTH))
            assert time.monotonic() - started < IN_TIME_S
            assert proxy.connections == 2
            assert (await asyncio.to_thread(health, file))["status"] in {"ok", "degraded"}
